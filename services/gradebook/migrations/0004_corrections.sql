-- Windows for some grades that close by themselves; corrections of single cells after closing; their snapshots.

ALTER TABLE entry_window
    ADD COLUMN grade_levels   smallint[] NOT NULL DEFAULT '{}',    -- empty: all grades
    ADD COLUMN closed_by      text       NOT NULL DEFAULT '',      -- person; empty before this migration, and by time
    ADD COLUMN closed_by_time boolean    NOT NULL DEFAULT false;

-- Windows planned before this release get the job that later planning enqueues (ADR-0041); same kind, key and payload.
INSERT INTO job (kind, key, payload, due_time)
SELECT 'close-window', id || '/' || (extract(epoch FROM close_time) * 1000000)::bigint,
    jsonb_build_object('window', id::text), close_time
FROM entry_window WHERE closed_time IS NULL;

-- A request to change one cell. Nothing of it changes but its state and, once, the books that its approval ended.
CREATE TABLE correction (
    id              uuid     PRIMARY KEY,
    number          integer  GENERATED ALWAYS AS IDENTITY UNIQUE,  -- order of requests
    request_id      uuid     NOT NULL UNIQUE,
    request_sha256  bytea    NOT NULL CHECK (length(request_sha256) = 32),
    class_id        integer  NOT NULL REFERENCES school_class,
    subject_id      integer  REFERENCES subject,         -- null: conduct
    semester        smallint NOT NULL CHECK (semester IN (1, 2)),
    column_no       smallint NOT NULL,                   -- as in mark; 0: conduct
    student_id      integer  NOT NULL REFERENCES student,
    old_value       smallint,                            -- as in mark or conduct; null: none
    old_version     integer  NOT NULL CHECK (old_version >= 0),  -- 0: never entered
    new_value       smallint,                            -- null: the mark is withdrawn
    reason          text     NOT NULL,
    evidence        text     NOT NULL,
    evidence_sha256 bytea    CHECK (length(evidence_sha256) = 32),
    state           smallint NOT NULL CHECK (state BETWEEN 1 AND 5),  -- CorrectionState of the proto
    voided_books    uuid[]   NOT NULL DEFAULT '{}',
    CHECK ((subject_id IS NULL) = (column_no = 0)),
    CHECK (subject_id IS NOT NULL OR new_value IS NOT NULL)
);
-- At most one open correction a cell; also finds the open ones of a class.
CREATE UNIQUE INDEX correction_open ON correction (class_id, semester, coalesce(subject_id, 0), column_no, student_id)
    WHERE state IN (1, 2);
CREATE INDEX correction_class ON correction (class_id, number);

-- Who brought a correction into which state, when, through which client.
CREATE TABLE correction_step (
    correction_id uuid        NOT NULL REFERENCES correction,
    state         smallint    NOT NULL,
    person        text        NOT NULL,
    client        text        NOT NULL,
    recorded_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    note          text        NOT NULL,
    PRIMARY KEY (correction_id, state)
);

CREATE FUNCTION gradebook_correction_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - '{state,voided_books}'::text[] <> to_jsonb(OLD) - '{state,voided_books}'::text[]
        OR OLD.state NOT IN (1, 2) OR NEW.state <= OLD.state
    THEN
        RAISE EXCEPTION 'a correction only moves on to its next state' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER fixed BEFORE UPDATE ON correction FOR EACH ROW EXECUTE FUNCTION gradebook_correction_fixed();
CREATE TRIGGER keep BEFORE DELETE ON correction FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON correction_step FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON correction_step FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();

-- Kinds of entries are the constants of store/marks.py; 5: correction, whose request_id is the correction's id.
ALTER TABLE entry DROP CONSTRAINT entry_kind_check, ADD CONSTRAINT entry_kind_check CHECK (kind BETWEEN 1 AND 20);

-- A snapshot is of a closing or of an approved correction.
ALTER TABLE snapshot
    ALTER COLUMN window_id DROP NOT NULL,
    ADD COLUMN correction_id uuid UNIQUE REFERENCES correction,
    ADD CHECK (num_nonnulls(window_id, correction_id) = 1);
