-- The register of locked objects, retention policies, probes of the store and verifications. See services/archive/store.py.

-- Terms in years that the Department may set for a kind: a typo of 700 years under COMPLIANCE could never be undone.
CREATE TABLE retention_bounds (
    kind      text    PRIMARY KEY CHECK (kind IN ('CLASS_BOOK', 'SNAPSHOT')),
    min_years integer NOT NULL CHECK (min_years >= 1),
    max_years integer NOT NULL CHECK (max_years BETWEEN min_years AND 70)
);
INSERT INTO retention_bounds VALUES ('CLASS_BOOK', 20, 70), ('SNAPSHOT', 20, 70);

-- A changed policy is a new version and holds for records archived from then on.
CREATE TABLE retention_policy (
    kind            text        NOT NULL REFERENCES retention_bounds (kind),
    version         integer     NOT NULL CHECK (version >= 1),
    years           integer     NOT NULL CHECK (years BETWEEN 1 AND 70),
    permanent       boolean     NOT NULL,  -- the term is renewed before it ends, for ever
    legal_reference text        NOT NULL CHECK (legal_reference <> ''),
    created_time    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, version)
);
-- The line items of TT 08/2025/TT-BGDĐT, Nhóm III, are to be confirmed by the Department; until then nothing ends.
INSERT INTO retention_policy (kind, version, years, permanent, legal_reference) VALUES
    ('CLASS_BOOK', 1, 20, true, 'TT 08/2025/TT-BGDĐT, Nhóm III (mặc định, chờ Sở xác nhận)'),
    ('SNAPSHOT', 1, 20, true, 'Theo sổ theo dõi và đánh giá học sinh của cùng năm học');

CREATE TABLE record (
    id             uuid        PRIMARY KEY,
    sequence       bigint      NOT NULL UNIQUE CHECK (sequence > 0),
    kind           text        NOT NULL CHECK (kind IN ('CLASS_BOOK', 'SNAPSHOT')),
    school         text        NOT NULL,
    school_year    text        NOT NULL,
    source         text        NOT NULL,  -- book id or snapshot id
    version        integer     NOT NULL CHECK (version >= 0),
    content_sha256 bytea       NOT NULL CHECK (length(content_sha256) = 32),
    object_sha256  bytea       NOT NULL CHECK (length(object_sha256) = 32),
    size_bytes     bigint      NOT NULL CHECK (size_bytes > 0),
    bucket         text        NOT NULL,
    key            text        NOT NULL,
    version_id     text        NOT NULL CHECK (version_id <> ''),
    retain_until   timestamptz NOT NULL,
    archive_time   timestamptz NOT NULL,
    policy_version integer     NOT NULL,
    previous_hash  bytea       NOT NULL CHECK (length(previous_hash) = 32),
    hash           bytea       NOT NULL CHECK (length(hash) = 32),
    UNIQUE (kind, source, version),
    FOREIGN KEY (kind, policy_version) REFERENCES retention_policy (kind, version)
);
CREATE INDEX record_by_school ON record (school, sequence);

-- One row: the end of the register's chain.
CREATE TABLE register_head (
    chain    text   PRIMARY KEY CHECK (chain = 'register'),
    sequence bigint NOT NULL,
    hash     bytea  NOT NULL
);
INSERT INTO register_head VALUES ('register', 0, decode(repeat('00', 32), 'hex'));

CREATE TABLE store_probe (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint      text        NOT NULL,
    bucket        text        NOT NULL,
    started_time  timestamptz NOT NULL,
    finished_time timestamptz NOT NULL,
    passed        boolean     NOT NULL,
    checks        jsonb       NOT NULL
);
CREATE INDEX store_probe_newest ON store_probe (endpoint, bucket, id);

CREATE TABLE verification (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record        uuid        NOT NULL REFERENCES record (id),
    verified_time timestamptz NOT NULL DEFAULT now(),
    client        text        NOT NULL,
    valid         boolean     NOT NULL,
    failed        text[]      NOT NULL
);
CREATE INDEX verification_by_record ON verification (record, id);

-- The same guards as those of the audit chain (services/common/migrations/0003_audit.sql).
CREATE TRIGGER record_fixed BEFORE UPDATE OR DELETE ON record FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER record_whole BEFORE TRUNCATE ON record FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER register_head_forward BEFORE UPDATE ON register_head
    FOR EACH ROW EXECUTE FUNCTION audit_head_forward();
CREATE TRIGGER register_head_fixed BEFORE DELETE ON register_head FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER retention_policy_fixed BEFORE UPDATE OR DELETE ON retention_policy
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER store_probe_fixed BEFORE UPDATE OR DELETE ON store_probe
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER verification_fixed BEFORE UPDATE OR DELETE ON verification
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
