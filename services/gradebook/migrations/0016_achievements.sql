-- Certificates and competition results of students in a school year, two lines of the transcript's page B. Append-only:
-- the highest version stands. They are of student and year, not of a class, so that a change of class keeps them.

-- One act of entry; request_sha256 is of the whole request, whose repetition changes nothing.
CREATE TABLE achievement_entry (
    request_id     uuid        PRIMARY KEY,
    request_sha256 bytea       NOT NULL CHECK (length(request_sha256) = 32),
    person         text        NOT NULL,
    client         text        NOT NULL,
    recorded_time  timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed        integer     NOT NULL,
    unchanged      integer     NOT NULL
);

CREATE TABLE achievement (
    school_year_id integer  NOT NULL REFERENCES school_year,
    student_id     integer  NOT NULL REFERENCES student,
    kind           smallint NOT NULL CHECK (kind IN (1, 2)),  -- AchievementKind of the proto
    version        integer  NOT NULL CHECK (version >= 1),
    achieved       text     NOT NULL CHECK (length(achieved) <= 300),
    request_id     uuid     NOT NULL REFERENCES achievement_entry,
    PRIMARY KEY (school_year_id, student_id, kind, version)
);

CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON achievement_entry FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON achievement_entry FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON achievement FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON achievement FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();
