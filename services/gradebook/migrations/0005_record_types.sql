-- A book becomes one instance of any record type (ADR-0035); remarks of teachers, which some of them print.

ALTER TABLE book
    ADD COLUMN record_type    smallint NOT NULL DEFAULT 1 CHECK (record_type IN (1, 2, 3, 4)),  -- RecordType of the proto
    ADD COLUMN school_year_id integer  REFERENCES school_year,
    ADD COLUMN staff_id       integer  REFERENCES staff,    -- teacher's book: whose
    ADD COLUMN subject_code   text,                         -- teacher's book: of which subject
    ADD COLUMN student_id     integer  REFERENCES student,  -- transcript: whose
    ADD COLUMN source_id      uuid     REFERENCES book,     -- transcript: the class book that it was made from
    ADD COLUMN sealed         boolean  NOT NULL DEFAULT true;  -- whether the school's seal closes it
UPDATE book b SET school_year_id = c.school_year_id FROM school_class c WHERE c.id = b.class_id;
ALTER TABLE book
    ALTER COLUMN record_type DROP DEFAULT,
    ALTER COLUMN sealed DROP DEFAULT,
    ALTER COLUMN school_year_id SET NOT NULL,
    ALTER COLUMN class_id DROP NOT NULL,
    DROP CONSTRAINT book_class_id_stage_version_key,
    DROP CONSTRAINT book_stage_check,
    ADD CONSTRAINT book_stage_check CHECK (stage IN (1, 2, 3)),
    ADD CONSTRAINT book_scope CHECK (
        CASE record_type
            WHEN 1 THEN class_id IS NOT NULL AND num_nonnulls(staff_id, subject_code, student_id, source_id) = 0
            WHEN 2 THEN num_nonnulls(staff_id, subject_code) = 2 AND num_nonnulls(class_id, student_id, source_id) = 0
            WHEN 3 THEN num_nonnulls(class_id, student_id, source_id) = 3 AND num_nonnulls(staff_id, subject_code) = 0
            ELSE num_nonnulls(class_id, staff_id, subject_code, student_id, source_id) = 0
        END
    ),
    ADD CONSTRAINT book_unsealed CHECK (sealed OR state NOT IN (8, 12));
ALTER TABLE book RENAME COLUMN homeroom_confirmed TO preparer_confirmed;
ALTER TABLE book RENAME COLUMN sealed_sha256 TO document_sha256;  -- the finished PDF as signing announced it

-- A transcript is of a student and year; that the student's class changed does not make it another one.
CREATE UNIQUE INDEX book_version ON book (
    record_type, school_year_id, (CASE WHEN record_type = 1 THEN class_id END), staff_id, subject_code, student_id, stage,
    version
) NULLS NOT DISTINCT;
DROP INDEX book_alive;
-- At most one version of a book is alive (neither MISMATCH nor REVOKED).
CREATE UNIQUE INDEX book_alive ON book (
    record_type, school_year_id, (CASE WHEN record_type = 1 THEN class_id END), staff_id, subject_code, student_id, stage
) NULLS NOT DISTINCT WHERE state NOT IN (5, 16);
CREATE INDEX book_of_class ON book (class_id, record_type, stage);
CREATE INDEX book_student ON book (student_id) WHERE student_id IS NOT NULL;
CREATE INDEX book_source ON book (source_id) WHERE source_id IS NOT NULL;

CREATE OR REPLACE FUNCTION gradebook_book_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    fixed text[] := '{id,record_type,school_year_id,class_id,staff_id,subject_code,student_id,source_id,sealed,stage,version,
        content_sha256,content_size_bytes}';
BEGIN
    IF EXISTS (
        SELECT FROM unnest(fixed) AS name
        WHERE to_jsonb(NEW) -> trim(name) IS DISTINCT FROM to_jsonb(OLD) -> trim(name)
    ) THEN
        RAISE EXCEPTION 'a frozen book keeps its scope, stage, version and content'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF OLD.state IN (5, 16) AND NEW.state <> OLD.state THEN
        RAISE EXCEPTION 'a book that ended stays ended' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

-- The classes whose marks a teacher's book holds: while it lives, they cannot be entered (ADR-0032).
CREATE TABLE book_class (
    class_id integer NOT NULL REFERENCES school_class,
    book_id  uuid    NOT NULL REFERENCES book,
    PRIMARY KEY (class_id, book_id)
);
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON book_class FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON book_class FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();
