-- Remarks of teachers on students: append-only, the highest version stands.

-- One act of entry; request_sha256 is of the whole request, whose repetition changes nothing.
CREATE TABLE remark_entry (
    request_id     uuid        PRIMARY KEY,
    request_sha256 bytea       NOT NULL CHECK (length(request_sha256) = 32),
    person         text        NOT NULL,
    client         text        NOT NULL,
    recorded_time  timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed        integer     NOT NULL,
    unchanged      integer     NOT NULL
);

CREATE TABLE remark (
    class_id   integer  NOT NULL REFERENCES school_class,
    subject_id integer  REFERENCES subject,  -- null: the homeroom teacher's
    period     smallint NOT NULL CHECK (period IN (1, 2, 3)),  -- RemarkPeriod of the proto
    student_id integer  NOT NULL REFERENCES student,
    version    integer  NOT NULL CHECK (version >= 1),
    remark     text     NOT NULL CHECK (length(remark) <= 500),
    request_id uuid     NOT NULL REFERENCES remark_entry,
    UNIQUE NULLS NOT DISTINCT (class_id, subject_id, period, student_id, version)
);

CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON remark_entry FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON remark_entry FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON remark FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON remark FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();
