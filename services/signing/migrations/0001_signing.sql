-- Who signs with which key, what has to be signed, and what was done. See services/signing/store.py.

CREATE TABLE signatory (
    id                 text        PRIMARY KEY,  -- person id, or the school code for the seal
    school             text        NOT NULL,
    name               text        NOT NULL,     -- as in the certificate
    seal               boolean     NOT NULL,
    custodian          text        NOT NULL,     -- person id who keeps the seal; empty for a person
    key_uri            text        NOT NULL,     -- RFC 7512, never with a PIN
    algorithm          text        NOT NULL,
    custody            text        NOT NULL CHECK (custody IN ('HSM_PARTITION', 'USB_TOKEN_AT_SCHOOL')),
    certificate_chain  bytea[]     NOT NULL,     -- DER, the signatory's own first, then the issuers
    certificate_sha256 bytea       NOT NULL,
    updated_time       timestamptz NOT NULL DEFAULT now(),
    CHECK (seal = (custodian <> ''))
);
CREATE INDEX signatory_of_school ON signatory (school, id);

CREATE TABLE document (
    id             uuid        PRIMARY KEY,      -- id of the rendition it began as
    number         bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    book           text        NOT NULL,
    version        integer     NOT NULL,
    school         text        NOT NULL,
    state          text        NOT NULL CHECK (state IN ('SIGNING', 'SIGNED', 'SEALED', 'VOID')),
    content_sha256 bytea       NOT NULL,
    revision       integer     NOT NULL,         -- newest revision; 0 is print's signing copy
    pdf_sha256     bytea       NOT NULL,         -- of the newest revision
    pdf_size_bytes bigint      NOT NULL,
    created_time   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (book, version)
);
CREATE INDEX document_of_school ON document (school, number DESC);

-- A signature only appends to the file, so a revision is stored as what it appended: revision n is parts 0 to n.
CREATE TABLE revision (
    document   uuid        NOT NULL REFERENCES document,
    number     integer     NOT NULL,
    part       bytea       NOT NULL,
    sha256     bytea       NOT NULL,             -- of the whole revision
    size_bytes bigint      NOT NULL,             -- of the whole revision
    made_time  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (document, number)
);
ALTER TABLE revision ALTER COLUMN part SET STORAGE EXTERNAL;

CREATE TABLE required_signature (
    document           uuid        NOT NULL REFERENCES document,
    field              text        NOT NULL,
    position           integer     NOT NULL,     -- order in the book, from 1
    rank               integer     NOT NULL CHECK (rank BETWEEN 1 AND 4),
    role               text        NOT NULL,
    signatory          text        NOT NULL,
    state              text        NOT NULL CHECK (state IN ('PENDING', 'SIGNED', 'CANCELLED')),
    sign_time          timestamptz,              -- as claimed in the document
    certificate_sha256 bytea,
    level              text,
    revision           integer,                  -- the revision that holds it
    PRIMARY KEY (document, field),
    UNIQUE (document, position),
    CHECK ((state = 'SIGNED') = (revision IS NOT NULL))
);
CREATE INDEX required_signature_pending ON required_signature (signatory) WHERE state = 'PENDING';

-- The decision to use a key for one field of one document; committed before the key is used. One for each field, ever.
CREATE TABLE intent (
    id           uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    document     uuid        NOT NULL,
    field        text        NOT NULL,
    signatory    text        NOT NULL,
    created_time timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (document, field) REFERENCES required_signature,
    UNIQUE (document, field)
);

CREATE TABLE journal (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document  uuid        NOT NULL REFERENCES document,
    field     text        NOT NULL,
    signatory text        NOT NULL,
    event     text        NOT NULL CHECK (event IN ('INTENDED', 'ATTEMPTED', 'STORED', 'FAILED', 'CANCELLED')),
    digest    bytea,                             -- over the signature's ByteRange
    reason    text        NOT NULL DEFAULT '',
    time      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX journal_of_document ON journal (document, id);
-- One stored signature for each field, whatever else may go wrong.
CREATE UNIQUE INDEX journal_stored_once ON journal (document, field) WHERE event = 'STORED';

-- Versions of books that ended, also those whose signing copy has not come yet.
CREATE TABLE voided_book (
    book    text    NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (book, version)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER journal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER revision_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON revision
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER intent_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON intent
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
