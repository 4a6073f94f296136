-- Anchored audit heads of the services (ADR-0051), and record kinds named in one table only.

-- The rows of retention_bounds are the list of kinds: a policy refers to it, and a record to its policy.
ALTER TABLE retention_bounds DROP CONSTRAINT retention_bounds_kind_check;
ALTER TABLE record DROP CONSTRAINT record_kind_check;

INSERT INTO retention_bounds VALUES ('AUDIT_ANCHOR', 10, 70);
INSERT INTO retention_policy (kind, version, years, permanent, legal_reference) VALUES
    ('AUDIT_ANCHOR', 1, 20, false, 'Như sổ theo dõi và đánh giá học sinh (mặc định 20 năm, chờ Sở xác nhận)');

-- For people who look here. What an anchor is worth comes from the store: reads never use this table.
CREATE TABLE audit_anchor (
    service      text        NOT NULL,
    number       bigint      NOT NULL CHECK (number > 0),
    sha256       bytea       NOT NULL CHECK (length(sha256) = 32),
    key          text        NOT NULL,
    version_id   text        NOT NULL CHECK (version_id <> ''),
    retain_until timestamptz NOT NULL,
    locked_time  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, number)
);
CREATE TRIGGER audit_anchor_fixed BEFORE UPDATE OR DELETE ON audit_anchor
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_anchor_whole BEFORE TRUNCATE ON audit_anchor
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
