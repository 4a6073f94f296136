-- The student register and the movements of students (ADR-0037).

CREATE TABLE student_registration (
    school_id       integer NOT NULL REFERENCES school,
    student_id      integer NOT NULL REFERENCES student,
    register_number integer NOT NULL CHECK (register_number >= 1),  -- số đăng bộ: 1, 2, 3 … in a school, no gaps
    entered_on      date    NOT NULL,
    national_id     text    NOT NULL CHECK (national_id ~ '^([0-9]{12})?$'),
    nationality     text    NOT NULL,
    guardian        jsonb,  -- {name, job, phone, email}; null when not declared
    from_school     text    NOT NULL,
    note            text    NOT NULL,
    PRIMARY KEY (school_id, student_id),
    UNIQUE (school_id, register_number)
);

CREATE FUNCTION gradebook_registration_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.school_id, NEW.student_id, NEW.register_number, NEW.entered_on)
        IS DISTINCT FROM (OLD.school_id, OLD.student_id, OLD.register_number, OLD.entered_on)
    THEN
        RAISE EXCEPTION 'a registered student keeps school, register number and day of entering'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER fixed BEFORE UPDATE ON student_registration
    FOR EACH ROW EXECUTE FUNCTION gradebook_registration_fixed();
CREATE TRIGGER keep BEFORE DELETE ON student_registration FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON student_registration
    FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();

CREATE TABLE student_movement (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    school_id       integer     NOT NULL REFERENCES school,
    school_year_id  integer     NOT NULL REFERENCES school_year,
    student_id      integer     NOT NULL REFERENCES student,
    kind            smallint    NOT NULL CHECK (kind BETWEEN 1 AND 9),  -- MovementKind of the proto
    moved_on        date        NOT NULL,
    decision_number text        NOT NULL,  -- empty where no decision is needed
    decision_date   date,
    reason          text        NOT NULL,
    other_school_id integer     REFERENCES school,  -- transfers: null when outside this deployment
    other_school    text        NOT NULL,           -- transfers: the other school's name
    from_class_id   integer     REFERENCES school_class,
    to_class_id     integer     REFERENCES school_class,
    answers         bigint      UNIQUE REFERENCES student_movement,  -- chuyển đến: the chuyển đi that it answers
    carried         integer     NOT NULL,  -- cells that came along
    person          text        NOT NULL,
    client          text        NOT NULL,
    recorded_time   timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((decision_number = '') = (decision_date IS NULL)),
    CHECK (answers IS NULL OR kind = 2)
);
CREATE INDEX student_movement_year ON student_movement (school_year_id, id);
CREATE INDEX student_movement_student ON student_movement (student_id, id);

CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON student_movement FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON student_movement FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();

-- A student is in one class of a school year at a time; those left before are kept with the day of leaving.
ALTER TABLE enrolment
    ADD COLUMN joined_on   date,      -- first day in the class; null: from the beginning of the year
    ADD COLUMN joined_kind smallint,  -- MovementKind by which
    ADD COLUMN left_on     date,      -- first day no longer in the class; null: to the end of the year
    ADD COLUMN left_kind   smallint,
    ADD CHECK ((joined_on IS NULL) = (joined_kind IS NULL)),
    ADD CHECK ((left_on IS NULL) = (left_kind IS NULL)),
    DROP CONSTRAINT enrolment_school_year_id_student_id_key;
CREATE UNIQUE INDEX enrolment_present ON enrolment (school_year_id, student_id) WHERE left_on IS NULL;
CREATE INDEX enrolment_student ON enrolment (student_id);

-- Kinds of entries are the constants of store/marks.py and store/carrying.py; 11-13: carried marks, conduct, absences.
ALTER TABLE entry DROP CONSTRAINT entry_kind_check, ADD CONSTRAINT entry_kind_check CHECK (kind BETWEEN 1 AND 20);
