-- The stage after the summer, attendance by month, the principal's monthly remarks.

-- Column 12 of semester II: re-assessment in the summer; 202: the student did not sit it (ADR-0039).
ALTER TABLE mark
    DROP CONSTRAINT mark_column_no_check,
    DROP CONSTRAINT mark_value_check,
    ADD CONSTRAINT mark_column_no_check CHECK (column_no BETWEEN 1 AND 11 OR column_no = 12 AND semester = 2),
    ADD CONSTRAINT mark_value_check
        CHECK (value BETWEEN 0 AND 100 OR value IN (200, 201) OR value = 202 AND column_no = 12);

-- "Semester" 3 of conduct: after the training in the summer.
ALTER TABLE conduct
    DROP CONSTRAINT conduct_semester_check,
    ADD CONSTRAINT conduct_semester_check CHECK (semester IN (1, 2, 3));

ALTER TABLE book
    DROP CONSTRAINT book_stage_check,
    ADD CONSTRAINT book_stage_check CHECK (stage IN (1, 2, 3));

-- Kinds of entries are the constants of store/marks.py; 6: a month's attendance, whose cells are the rows below.
ALTER TABLE entry
    DROP CONSTRAINT entry_kind_check,
    ADD CONSTRAINT entry_kind_check CHECK (kind BETWEEN 1 AND 20);

-- One row a student, month and version; the highest version stands (ADR-0038). A session is ten times the day plus 1 in
-- the morning, 2 in the afternoon: 31 is the morning of the third.
CREATE TABLE attendance (
    class_id   integer    NOT NULL REFERENCES school_class,
    student_id integer    NOT NULL REFERENCES student,
    month      date       NOT NULL CHECK (extract(day FROM month) = 1),
    version    integer    NOT NULL CHECK (version >= 1),
    excused    smallint[] NOT NULL,
    unexcused  smallint[] NOT NULL,
    request_id uuid       NOT NULL,  -- of the act in entry, written by the same transaction
    PRIMARY KEY (class_id, month, student_id, version),
    CHECK (NOT excused && unexcused)
);

CREATE TABLE principal_remark (
    class_id      integer     NOT NULL REFERENCES school_class,
    month         date        NOT NULL CHECK (extract(day FROM month) = 1),
    version       integer     NOT NULL CHECK (version >= 1),
    remark        text        NOT NULL,
    person        text        NOT NULL,
    client        text        NOT NULL,
    recorded_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (class_id, month, version)
);

CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON attendance FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON attendance FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON principal_remark FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON principal_remark FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();
