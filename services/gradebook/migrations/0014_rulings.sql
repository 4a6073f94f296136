-- What the Department has ruled where the circulars leave a choice, and topic clusters of upper secondary.

-- Every ruling is kept; of a school year the newest of the latest year not after it holds.
CREATE TABLE assessment_policy (
    id                            integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    school_year                   text        NOT NULL CHECK (school_year ~ '^20[0-9]{2}-20[0-9]{2}$'),
    failed_comment_subject_counts boolean     NOT NULL,
    adjustment_by_ideal_mark      boolean     NOT NULL,
    retest_after_summer_training  boolean     NOT NULL,
    decision                      text        NOT NULL,
    client                        text        NOT NULL,
    recorded_time                 timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX assessment_policy_year ON assessment_policy (school_year, id);
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON assessment_policy FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON assessment_policy FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();

-- 0: the subject has no cluster; else the semester in which its result is one more regular mark.
ALTER TABLE subject ADD COLUMN topic_cluster_semester smallint NOT NULL DEFAULT 0
    CHECK (topic_cluster_semester IN (0, 1, 2));
