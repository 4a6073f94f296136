-- Leave to keep an electronic gradebook: vendors and their appraisal, rounds, dossiers and their whole history (ADR-0042).

CREATE TABLE vendor (
    name     text     PRIMARY KEY,                             -- as in the certificate, without "vendor/"
    title    text     NOT NULL,
    software text     NOT NULL,
    version  text     NOT NULL,
    status   smallint NOT NULL CHECK (status BETWEEN 1 AND 4)  -- VendorStatus of the proto
);

CREATE TABLE vendor_appraisal (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vendor        text        NOT NULL REFERENCES vendor,
    version       text        NOT NULL,
    status        smallint    NOT NULL CHECK (status IN (2, 3, 4)),
    decision      jsonb       NOT NULL,  -- a document, as all jsonb below
    valid_from    date        NOT NULL,
    valid_to      date        CHECK (valid_to >= valid_from),  -- null: until further notice
    note          text        NOT NULL,
    recorded_time timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX vendor_appraisal_vendor ON vendor_appraisal (vendor, id);

-- authority is what every call reads with the year: 0 not authorised, 1 authorised, 2 the vendor is suspended. Years that
-- were opened before dossiers were kept go on as they are: an upgrade stops no school in the middle of its year.
ALTER TABLE school_year
    ADD COLUMN authorisation          smallint    NOT NULL DEFAULT 2 CHECK (authorisation IN (1, 2)),
    ADD COLUMN authorisation_decision text        NOT NULL DEFAULT 'Năm học mở trước khi có hồ sơ trên hệ thống',
    ADD COLUMN authorised_time        timestamptz DEFAULT clock_timestamp(),
    ADD COLUMN vendor_suspended       boolean     NOT NULL DEFAULT false,
    ADD COLUMN authority              smallint    NOT NULL GENERATED ALWAYS AS (
        CASE WHEN vendor_suspended THEN 2 WHEN authorised_time IS NOT NULL THEN 1 ELSE 0 END) STORED,
    ADD CHECK (authorisation = 1 OR authorised_time IS NOT NULL);
ALTER TABLE school_year
    ALTER COLUMN authorisation DROP DEFAULT,
    ALTER COLUMN authorisation_decision DROP DEFAULT,
    ALTER COLUMN authorised_time DROP DEFAULT;
CREATE INDEX school_year_vendor ON school_year (vendor);

CREATE TABLE dossier_round (
    school_year    text        PRIMARY KEY CHECK (school_year ~ '^20[0-9]{2}-20[0-9]{2}$'),
    deadline       timestamptz NOT NULL,
    direct_schools text[]      NOT NULL,
    offices        text[]      NOT NULL,
    note           text        NOT NULL
);

-- One row a version. What was handed in is fixed then; what was decided is fixed then.
CREATE TABLE dossier (
    id             integer  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    school_year_id integer  NOT NULL REFERENCES school_year,
    version        integer  NOT NULL CHECK (version >= 1),
    state          smallint NOT NULL CHECK (state BETWEEN 1 AND 5),  -- DossierState of the proto
    items          jsonb    NOT NULL,
    software       text     NOT NULL DEFAULT '',  -- the one software, as handed in
    assigned       jsonb,                         -- {person: [roles]} of item 4 when it was handed in
    items_sha256   bytea    CHECK (length(items_sha256) = 32),
    submitted_time timestamptz,
    late           boolean  NOT NULL DEFAULT false,
    reason         smallint NOT NULL DEFAULT 0 CHECK (reason BETWEEN 0 AND 3),  -- RejectionReason of the proto
    decision       jsonb,
    UNIQUE (school_year_id, version),
    CHECK ((state = 1) = (submitted_time IS NULL)),
    CHECK (state = 1 OR (software <> '' AND assigned IS NOT NULL AND items_sha256 IS NOT NULL)),
    CHECK ((state = 5) = (reason <> 0)),
    CHECK (state <> 4 OR (decision IS NOT NULL AND NOT late))
);
-- A school has at most one dossier on its way.
CREATE UNIQUE INDEX dossier_open ON dossier (school_year_id) WHERE state IN (1, 2, 3);

CREATE TABLE dossier_step (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dossier_id    integer     NOT NULL REFERENCES dossier,
    act           text        NOT NULL,
    from_state    smallint    NOT NULL,  -- 0 for the first
    to_state      smallint    NOT NULL,
    person        text        NOT NULL,  -- empty for the Department
    client        text        NOT NULL,
    recorded_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    note          text        NOT NULL
);
CREATE INDEX dossier_step_dossier ON dossier_step (dossier_id, id);

-- The consolidated lists of permitted THCS.
CREATE TABLE dossier_list (
    id            integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    school_year   text        NOT NULL,
    office        text        NOT NULL,
    document      jsonb       NOT NULL,
    received_time timestamptz NOT NULL,
    recorded_time timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX dossier_list_year ON dossier_list (school_year, office);

CREATE TABLE dossier_list_school (
    list_id   integer NOT NULL REFERENCES dossier_list,
    school_id integer NOT NULL REFERENCES school,
    PRIMARY KEY (school_id, list_id)
);

CREATE FUNCTION gradebook_dossier_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state IN (4, 5) THEN
        RAISE EXCEPTION 'a dossier that was decided stays as it is' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF (NEW.school_year_id, NEW.version) IS DISTINCT FROM (OLD.school_year_id, OLD.version)
        OR OLD.state <> 1 AND (NEW.items, NEW.software, NEW.assigned, NEW.items_sha256, NEW.submitted_time, NEW.late)
        IS DISTINCT FROM (OLD.items, OLD.software, OLD.assigned, OLD.items_sha256, OLD.submitted_time, OLD.late)
    THEN
        RAISE EXCEPTION 'a dossier keeps what was handed in' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

-- The control log reads a school's chain without the thousands of ordinary entries, and its refusals by school.
CREATE INDEX audit_entry_control ON audit_entry (chain, recorded_time, sequence) WHERE action NOT LIKE '%\_ENTERED';
CREATE INDEX audit_entry_refused ON audit_entry (school, recorded_time) WHERE chain = 'access';

CREATE TRIGGER fixed BEFORE UPDATE ON dossier FOR EACH ROW EXECUTE FUNCTION gradebook_dossier_fixed();
CREATE TRIGGER keep BEFORE DELETE ON vendor FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON vendor_appraisal FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON vendor_appraisal FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE DELETE ON dossier_round FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE DELETE ON dossier FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON dossier FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON dossier_step FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON dossier_step FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON dossier_list FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON dossier_list FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON dossier_list_school FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON dossier_list_school FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();
