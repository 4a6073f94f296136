-- Decisions of the principal about exemption from the practical part of a subject (TT 22/2021 Điều 10). What stands is
-- the last decision about a student, subject and semester; earlier ones stay.

CREATE TABLE practical_exemption (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id     uuid        NOT NULL UNIQUE,
    request_sha256 bytea       NOT NULL CHECK (length(request_sha256) = 32),
    class_id       integer     NOT NULL REFERENCES school_class,
    subject_id     integer     NOT NULL REFERENCES subject,
    student_id     integer     NOT NULL REFERENCES student,
    semesters      smallint[]  NOT NULL CHECK (cardinality(semesters) > 0 AND semesters <@ '{1,2}'),
    withdrawn      boolean     NOT NULL,
    decision       text        NOT NULL,
    person         text        NOT NULL,
    client         text        NOT NULL,
    recorded_time  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX practical_exemption_class ON practical_exemption (class_id, id);

CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON practical_exemption FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON practical_exemption FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();
