-- The bytes that print made to be signed, as print announced them: noted once for each version, never changed (ADR-0069).

ALTER TABLE book
    ADD COLUMN signing_rendition      uuid,
    ADD COLUMN signing_pdf_sha256     bytea  CHECK (length(signing_pdf_sha256) = 32),
    ADD COLUMN signing_pdf_size_bytes bigint CHECK (signing_pdf_size_bytes > 0),
    ADD CONSTRAINT book_signing_copy
        CHECK (num_nulls(signing_rendition, signing_pdf_sha256, signing_pdf_size_bytes) IN (0, 3));

CREATE FUNCTION gradebook_signing_copy_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the signing copy of a book is noted once' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER signing_copy_fixed BEFORE UPDATE ON book FOR EACH ROW
    WHEN (OLD.signing_rendition IS NOT NULL
        AND (NEW.signing_rendition, NEW.signing_pdf_sha256, NEW.signing_pdf_size_bytes)
            IS DISTINCT FROM (OLD.signing_rendition, OLD.signing_pdf_sha256, OLD.signing_pdf_size_bytes))
    EXECUTE FUNCTION gradebook_signing_copy_fixed();
