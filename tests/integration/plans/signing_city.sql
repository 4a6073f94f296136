-- Signatories, documents and signatures of signing.

INSERT INTO signatory (id, school, name, seal, custodian, key_uri, algorithm, custody, certificate_chain,
    certificate_sha256)
SELECT 'P' || n, 'S' || n % 1000 + 1, 'name', false, '', 'pkcs11:', 'RSA', 'HSM_PARTITION', '{}', sha256('')
FROM generate_series(1, 20000) AS n;
INSERT INTO document (id, book, version, school, state, content_sha256, revision, pdf_sha256, pdf_size_bytes)
SELECT gen_random_uuid(), lpad(to_hex(n), 32, '0')::uuid, 1, 'S' || n % 1000 + 1, 'SIGNING', sha256(''), 0, sha256(''), 4
FROM generate_series(1, 10000) AS n;
INSERT INTO revision (document, number, part, sha256, size_bytes)
SELECT id, 0, '%PDF', sha256(''), 4 FROM document;
INSERT INTO required_signature (document, field, position, rank, role, signatory, state, revision)
SELECT d.id, 'field ' || n, n, n, 'role', 'P' || (d.number + n) % 20000 + 1,
    CASE WHEN d.number % 10 = 0 THEN 'PENDING' ELSE 'SIGNED' END, CASE WHEN d.number % 10 > 0 THEN n END
FROM document d, generate_series(1, 4) AS n;
INSERT INTO intent (document, field, signatory)
SELECT document, field, signatory FROM required_signature WHERE state = 'SIGNED';
INSERT INTO journal (document, field, signatory, event)
SELECT document, field, signatory, e
FROM required_signature, unnest(ARRAY['INTENDED', 'STORED']) AS e WHERE state = 'SIGNED';
INSERT INTO voided_book (book, version) SELECT lpad(to_hex(n), 32, '0')::uuid, 1 FROM generate_series(1, 10000, 10) AS n;
