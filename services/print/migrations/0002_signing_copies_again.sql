-- A book id has one spelling (ADR-0062). A check and not the type uuid: that would write every PDF anew.
ALTER TABLE rendition
    DROP CONSTRAINT rendition_book_check,
    ADD CONSTRAINT rendition_book_check CHECK (book = book::uuid::text);
ALTER TABLE voided_version ADD CONSTRAINT voided_version_book_check CHECK (book = book::uuid::text);

-- Gradebook notes digest and size of every signing copy (ADR-0069). Copies that were made before are announced once more,
-- with their size; for a book that is archived already that changes nothing.
INSERT INTO outbox (event_id, type, body)
SELECT gen_random_uuid(), 'hoso.print.v1.RenditionReady', convert_to(json_build_object(
        'rendition', r.id,
        'kind', 'RENDITION_KIND_SIGNING',
        'book', r.book,
        'version', r.version,
        'school', r.school,
        'content_sha256', encode(r.content_sha256, 'base64'),
        'pdf_sha256', encode(r.pdf_sha256, 'base64'),
        'pdf_size_bytes', length(r.pdf)::text
    )::text, 'UTF8')
FROM rendition r
WHERE r.kind = 'SIGNING' AND NOT EXISTS (SELECT FROM voided_version v WHERE (v.book, v.version) = (r.book, r.version))
ORDER BY r.created_time;
