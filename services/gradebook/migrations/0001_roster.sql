-- Schools, people, subjects, classes, students and who teaches what. Rows are keyed by integers; the names that callers
-- know (school code, school year, class name, subject code, person id, student id) are unique beside them.

CREATE FUNCTION gradebook_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: records of a school are kept', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TABLE school (
    id         integer  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code       text     NOT NULL UNIQUE CHECK (length(code) BETWEEN 1 AND 32),
    name       text     NOT NULL,
    level      smallint NOT NULL CHECK (level IN (1, 2, 3)),  -- SchoolLevel of the proto
    commune    text     NOT NULL,
    province   text     NOT NULL,
    department text     NOT NULL
);

CREATE TABLE school_year (
    id                   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    school_id            integer NOT NULL REFERENCES school,
    name                 text    NOT NULL CHECK (name ~ '^20[0-9]{2}-20[0-9]{2}$'),
    vendor               text    NOT NULL,  -- the one vendor that may act, without "vendor/"
    paper_track_required boolean NOT NULL,
    UNIQUE (school_id, name)
);

-- A person in a school. The same person id in two schools is one person with two posts.
CREATE TABLE staff (
    id        integer    GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    school_id integer    NOT NULL REFERENCES school,
    person    text       NOT NULL CHECK (length(person) BETWEEN 1 AND 64),
    name      text       NOT NULL,
    roles     smallint[] NOT NULL,  -- Role of the proto
    UNIQUE (school_id, person)
);

CREATE TABLE subject (
    id               integer  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    school_year_id   integer  NOT NULL REFERENCES school_year,
    grade_level      smallint NOT NULL CHECK (grade_level BETWEEN 6 AND 12),
    position         smallint NOT NULL,           -- order in the book
    code             text     NOT NULL,
    name             text     NOT NULL,
    kind             smallint NOT NULL CHECK (kind IN (1, 2)),  -- SubjectKind of the proto
    periods_per_year smallint NOT NULL CHECK (periods_per_year BETWEEN 1 AND 400),
    regular_count    smallint NOT NULL CHECK (regular_count BETWEEN 1 AND 5),  -- regular marks a semester
    active           boolean  NOT NULL DEFAULT true,  -- false: taken off the list before it had any mark
    UNIQUE (school_year_id, grade_level, code)
);

CREATE TABLE school_class (
    id             integer  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    school_year_id integer  NOT NULL REFERENCES school_year,
    name           text     NOT NULL,
    grade_level    smallint NOT NULL CHECK (grade_level BETWEEN 6 AND 12),
    homeroom_id    integer  NOT NULL REFERENCES staff,
    UNIQUE (school_year_id, name)
);

CREATE TABLE student (
    id              integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    moet_student_id text    NOT NULL UNIQUE CHECK (length(moet_student_id) BETWEEN 1 AND 32)
);

-- A student in a class, with the personal details as that class's book prints them.
CREATE TABLE enrolment (
    class_id       integer  NOT NULL REFERENCES school_class,
    student_id     integer  NOT NULL REFERENCES student,
    school_year_id integer  NOT NULL REFERENCES school_year,
    number         smallint NOT NULL CHECK (number >= 1),
    name           text     NOT NULL,
    birth_date     date     NOT NULL,
    birth_place    text     NOT NULL,
    sex            smallint NOT NULL CHECK (sex IN (1, 2)),  -- Sex of the proto
    ethnicity      text     NOT NULL,
    priority       text     NOT NULL,
    address        text     NOT NULL,
    father         jsonb,  -- {name, job, phone, email}; null when not declared
    mother         jsonb,
    note           text     NOT NULL,
    PRIMARY KEY (class_id, student_id),
    UNIQUE (class_id, number) DEFERRABLE INITIALLY IMMEDIATE,
    UNIQUE (school_year_id, student_id)
);

CREATE TABLE assignment (
    class_id   integer  NOT NULL REFERENCES school_class,
    subject_id integer  NOT NULL REFERENCES subject,
    position   smallint NOT NULL,  -- signing order
    staff_id   integer  NOT NULL REFERENCES staff,
    PRIMARY KEY (class_id, subject_id, position),
    UNIQUE (class_id, subject_id, staff_id)
);

CREATE TRIGGER keep BEFORE DELETE ON school FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE DELETE ON school_year FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE DELETE ON staff FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE DELETE ON subject FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE DELETE ON school_class FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE DELETE OR UPDATE ON student FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE DELETE ON enrolment FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
