-- Book ids are what they are: UUIDs, whose spelling makes no difference (ADR-0062).
ALTER TABLE document ALTER COLUMN book TYPE uuid USING book::uuid;
ALTER TABLE voided_book ALTER COLUMN book TYPE uuid USING book::uuid;
