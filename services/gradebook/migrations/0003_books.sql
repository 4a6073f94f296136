-- Books: one row a class, stage and version; its frozen content; the steps of its life.

CREATE TABLE book (
    id                 uuid     PRIMARY KEY,
    class_id           integer  NOT NULL REFERENCES school_class,
    stage              smallint NOT NULL CHECK (stage IN (1, 2)),     -- Stage of the proto
    version            integer  NOT NULL CHECK (version >= 1),
    state              smallint NOT NULL CHECK (state BETWEEN 1 AND 16),  -- BookState of the proto
    content_sha256     bytea    NOT NULL CHECK (length(content_sha256) = 32),
    content_size_bytes integer  NOT NULL,
    officer_id         integer  REFERENCES staff,   -- who is in charge of print and review
    officer_confirmed  boolean  NOT NULL DEFAULT false,
    homeroom_confirmed boolean  NOT NULL DEFAULT false,
    replaced_by        integer,                     -- version that took its place
    unsigned_rendition text     NOT NULL DEFAULT '',
    signed_document    text     NOT NULL DEFAULT '',
    sealed_sha256      bytea    CHECK (length(sealed_sha256) = 32),  -- the sealed PDF as signing announced it
    archive_record     text     NOT NULL DEFAULT '',
    problem            text     NOT NULL DEFAULT '',
    UNIQUE (class_id, stage, version),
    CHECK (state NOT IN (12, 13, 14, 15) OR (signed_document <> '' AND sealed_sha256 IS NOT NULL)),
    CHECK (state NOT IN (14, 15) OR archive_record <> '')
);
-- At most one version of a class and stage is alive (neither MISMATCH nor REVOKED).
CREATE UNIQUE INDEX book_alive ON book (class_id, stage) WHERE state NOT IN (5, 16);

CREATE TABLE book_content (
    book_id uuid  PRIMARY KEY REFERENCES book,
    content bytea NOT NULL
);
ALTER TABLE book_content ALTER COLUMN content SET COMPRESSION lz4;

CREATE TABLE book_transition (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    book_id       uuid        NOT NULL REFERENCES book,
    act           text        NOT NULL,
    from_state    smallint,
    to_state      smallint    NOT NULL,
    person        text        NOT NULL,  -- empty for a step of the system
    client        text        NOT NULL,
    recorded_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    note          text        NOT NULL
);
CREATE INDEX book_transition_book ON book_transition (book_id, id);

CREATE FUNCTION gradebook_book_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.class_id, NEW.stage, NEW.version, NEW.content_sha256, NEW.content_size_bytes)
        IS DISTINCT FROM (OLD.id, OLD.class_id, OLD.stage, OLD.version, OLD.content_sha256, OLD.content_size_bytes)
    THEN
        RAISE EXCEPTION 'a frozen book keeps its class, stage, version and content'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF OLD.state IN (5, 16) AND NEW.state <> OLD.state THEN
        RAISE EXCEPTION 'a book that ended stays ended' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER fixed BEFORE UPDATE ON book FOR EACH ROW EXECUTE FUNCTION gradebook_book_fixed();
CREATE TRIGGER keep BEFORE DELETE ON book FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON book_content FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON book_content FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON book_transition FOR EACH ROW EXECUTE FUNCTION gradebook_keep();
CREATE TRIGGER keep_whole BEFORE TRUNCATE ON book_transition FOR EACH STATEMENT EXECUTE FUNCTION gradebook_keep();
