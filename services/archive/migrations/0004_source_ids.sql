-- The id of a book or snapshot has one spelling (ADR-0062). A check and not the type uuid: the chain holds the text.
ALTER TABLE record ADD CONSTRAINT record_source_check CHECK (source = source::uuid::text);
