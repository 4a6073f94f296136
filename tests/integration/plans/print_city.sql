-- Renditions of print.

INSERT INTO rendition (id, book, version, school, kind, content_sha256, pdf_sha256, pdf, pages, fields)
SELECT gen_random_uuid(), lpad(to_hex(n), 32, '0')::uuid, 1, 'S' || n % 1000 + 1, k, sha256(''), sha256(''), '%PDF', 1, '[]'
FROM generate_series(1, 10000) AS n, unnest(ARRAY['UNSIGNED', 'SIGNING']) AS k;
INSERT INTO voided_version (book, version) SELECT lpad(to_hex(n), 32, '0')::uuid, 1 FROM generate_series(1, 10000, 10) AS n;
