-- Marks, conduct and absences as they stand, the acts that made them so, entry windows and snapshots.

-- The present value of each cell. No foreign keys: each would cost one look-up a row in the busiest statement, and a row
-- is only written from ids that the same transaction has read from tables whose rows are never deleted (ADR-0030).
CREATE TABLE mark (
    class_id   integer  NOT NULL,
    subject_id integer  NOT NULL,
    student_id integer  NOT NULL,
    version    integer  NOT NULL,
    semester   smallint NOT NULL,
    column_no  smallint NOT NULL,  -- 1-9 regular marks, 10 mid-term, 11 end-term
    value      smallint,           -- 0-100 tenths; 200 CĐ, 201 Đ; null: withdrawn
    status     smallint NOT NULL,  -- 1 recorded, 2 zero by rule, 3 withdrawn
    PRIMARY KEY (class_id, subject_id, semester, student_id, column_no),
    CHECK (value BETWEEN 0 AND 100 OR value IN (200, 201)),
    CHECK (column_no BETWEEN 1 AND 11),
    CHECK (semester IN (1, 2)),
    CHECK (status IN (1, 2, 3) AND (status = 3) = (value IS NULL))
);
ALTER TABLE mark SET (fillfactor = 90);

-- Conduct levels, as ranks: 1 Chưa đạt … 4 Tốt.
CREATE TABLE conduct (
    class_id   integer  NOT NULL,
    student_id integer  NOT NULL,
    semester   smallint NOT NULL CHECK (semester IN (1, 2)),
    level      smallint NOT NULL CHECK (level BETWEEN 1 AND 4),
    version    integer  NOT NULL,
    PRIMARY KEY (class_id, semester, student_id)
);

CREATE TABLE absence (
    class_id   integer  NOT NULL,
    student_id integer  NOT NULL,
    excused    smallint NOT NULL CHECK (excused BETWEEN 0 AND 400),
    unexcused  smallint NOT NULL CHECK (unexcused BETWEEN 0 AND 400),
    version    integer  NOT NULL,
    PRIMARY KEY (class_id, student_id)
);

-- One row an act of entry, with every cell it changed. This is the whole history: a cell's n-th version stands in the act
-- that wrote it. The four arrays have one element a changed cell; vals holds null for a withdrawn mark (ADR-0030).
CREATE TABLE entry (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id     uuid        NOT NULL UNIQUE,
    request_sha256 bytea       NOT NULL CHECK (length(request_sha256) = 32),
    kind           smallint    NOT NULL CHECK (kind IN (1, 2, 3, 4)),  -- marks, settle, conduct, absences
    class_id       integer     NOT NULL REFERENCES school_class,
    subject_id     integer     REFERENCES subject,
    semester       smallint,
    person         text        NOT NULL,
    client         text        NOT NULL,
    recorded_time  timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason         text        NOT NULL,
    changed        integer     NOT NULL,
    unchanged      integer     NOT NULL,
    students       integer[]   NOT NULL,
    columns        smallint[]  NOT NULL,  -- kind 3: 0; kind 4: 1 excused, 2 unexcused
    versions       integer[]   NOT NULL,
    vals           smallint[]  NOT NULL
);
CREATE INDEX entry_sheet ON entry (class_id, subject_id, semester, id);

CREATE TABLE entry_window (
    id             integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    school_year_id integer     NOT NULL REFERENCES school_year,
    name           text        NOT NULL,
    open_time      timestamptz NOT NULL,
    close_time     timestamptz NOT NULL CHECK (close_time > open_time),
    semesters      smallint[]  NOT NULL CHECK (cardinality(semesters) > 0),
    mark_kinds     smallint[]  NOT NULL CHECK (cardinality(mark_kinds) > 0),
    closed_time    timestamptz,
    UNIQUE (school_year_id, name)
);

-- The data of a class when a window closed, each naming the digest of the one before.
CREATE TABLE snapshot (
    id              uuid    PRIMARY KEY,
    window_id       integer NOT NULL REFERENCES entry_window,
    class_id        integer NOT NULL REFERENCES school_class,
    sequence        integer NOT NULL CHECK (sequence >= 1),  -- in the class's chain
    content         bytea   NOT NULL,
    content_sha256  bytea   NOT NULL CHECK (length(content_sha256) = 32),
    previous_sha256 bytea   CHECK (length(previous_sha256) = 32),
    UNIQUE (window_id, class_id),
    UNIQUE (class_id, sequence)
);
ALTER TABLE snapshot ALTER COLUMN content SET COMPRESSION lz4;

CREATE TABLE snapshot_record (
    snapshot_id uuid PRIMARY KEY REFERENCES snapshot,
    record      text NOT NULL  -- record id in the archive's register
);

CREATE TRIGGER keep BEFORE DELETE ON mark FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE DELETE ON conduct FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE DELETE ON absence FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON entry FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON entry FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE DELETE ON entry_window FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON snapshot FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON snapshot FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON snapshot_record FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
