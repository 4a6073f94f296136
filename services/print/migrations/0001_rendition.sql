-- Renditions of book versions, and the versions that have ended. See services/print/store.py.

CREATE TABLE rendition (
    id             uuid        PRIMARY KEY,
    book           text        NOT NULL CHECK (book <> ''),
    version        integer     NOT NULL CHECK (version >= 1),
    school         text        NOT NULL,
    kind           text        NOT NULL CHECK (kind IN ('UNSIGNED', 'SIGNING')),
    content_sha256 bytea       NOT NULL CHECK (length(content_sha256) = 32),
    pdf_sha256     bytea       NOT NULL CHECK (length(pdf_sha256) = 32),
    pdf            bytea       NOT NULL CHECK (length(pdf) > 0),
    pages          integer     NOT NULL CHECK (pages >= 1),
    fields         jsonb       NOT NULL,
    created_time   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (book, version, kind)
);
-- A PDF is compressed already.
ALTER TABLE rendition ALTER COLUMN pdf SET STORAGE EXTERNAL;

-- A version that ended (mismatch or revoked); also one whose rendition was not made yet when it ended.
CREATE TABLE voided_version (
    book      text        NOT NULL,
    version   integer     NOT NULL,
    void_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (book, version)
);

-- What was handed out stays what it was.
CREATE FUNCTION rendition_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'renditions are never changed or removed (%)', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER rendition_fixed BEFORE UPDATE OR DELETE ON rendition FOR EACH ROW EXECUTE FUNCTION rendition_refuse();
