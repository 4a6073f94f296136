-- The archive's register. Its sequence numbers lie far behind the head, which only moves one by one.

INSERT INTO record (id, sequence, kind, school, school_year, source, version, content_sha256, object_sha256, size_bytes,
    bucket, key, version_id, retain_until, archive_time, policy_version, previous_hash, hash)
SELECT gen_random_uuid(), n + 1000000, CASE n % 3 WHEN 0 THEN 'SNAPSHOT' ELSE 'TRANSCRIPT' END, 'S' || n % 1000 + 1, '2025-2026',
    lpad(to_hex(n), 32, '0')::uuid, 1, sha256(''), sha256(''), 1, 'bucket', 'key', 'v', now(), now(), 1, sha256(''), sha256('')
FROM generate_series(1, 20000) AS n;
INSERT INTO store_probe (endpoint, bucket, started_time, finished_time, passed, checks)
SELECT 'endpoint', 'bucket', now(), now(), true, '[]' FROM generate_series(1, 2000);
INSERT INTO verification (record, client, valid, failed)
SELECT id, 'operator/archive', true, '{}' FROM record;
