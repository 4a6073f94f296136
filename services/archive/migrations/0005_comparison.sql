-- The daily comparison of journal, register and store (ADR-0066). Makes an index: half a second per million records.

CREATE INDEX record_by_key ON record (key COLLATE "C");

CREATE TABLE comparison (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_time  timestamptz NOT NULL,
    finished_time timestamptz NOT NULL DEFAULT now(),
    records       bigint      NOT NULL,
    objects       bigint      NOT NULL,
    differences   bigint      NOT NULL CHECK (differences >= 0),
    listed        jsonb       NOT NULL  -- the first of them
);
CREATE TRIGGER comparison_fixed BEFORE UPDATE OR DELETE ON comparison FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER comparison_whole BEFORE TRUNCATE ON comparison FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
