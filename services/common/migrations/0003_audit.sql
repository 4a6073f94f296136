-- The audit chain: append-only rows, each holding the hash of the one before it. See services/common/audit.py.

CREATE TABLE audit_head (
    chain    text   PRIMARY KEY,
    sequence bigint NOT NULL,  -- of the chain's last row; 0 when it has none yet
    hash     bytea  NOT NULL   -- of the chain's last row; 32 zero bytes when it has none yet
);

CREATE TABLE audit_entry (
    chain         text        NOT NULL REFERENCES audit_head (chain),
    sequence      bigint      NOT NULL CHECK (sequence > 0),
    recorded_time timestamptz NOT NULL,
    action        text        NOT NULL,
    subject       text        NOT NULL,
    client        text        NOT NULL,
    person        text        NOT NULL,  -- empty when no person acted
    school        text        NOT NULL,  -- empty when no school was named
    facts         jsonb       NOT NULL,
    previous_hash bytea       NOT NULL CHECK (length(previous_hash) = 32),
    hash          bytea       NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (chain, sequence)
);
CREATE INDEX audit_entry_subject ON audit_entry (subject, recorded_time);

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit rows are never changed or removed (% on %)', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE FUNCTION audit_head_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.chain <> OLD.chain OR NEW.sequence <> OLD.sequence + 1 THEN
        RAISE EXCEPTION 'the head of an audit chain moves one row forward at a time'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER audit_entry_fixed BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_entry_whole BEFORE TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_head_forward BEFORE UPDATE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION audit_head_forward();
CREATE TRIGGER audit_head_fixed BEFORE DELETE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_head_whole BEFORE TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
