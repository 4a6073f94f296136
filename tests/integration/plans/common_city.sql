-- The tables that every service has: events, jobs and the audit trail.

INSERT INTO outbox (event_id, type, body, published_time)
SELECT gen_random_uuid(), 'type', '{}', CASE WHEN n % 50 > 0 THEN now() - interval '8 days' + n * interval '30 seconds' END
FROM generate_series(1, 20000) AS n;
INSERT INTO inbox (event_id, type) SELECT gen_random_uuid(), 'type' FROM generate_series(1, 20000);

INSERT INTO job (kind, key, payload, state, finished_time, waits, attempt, lease)
SELECT CASE n % 3 WHEN 0 THEN 'a' ELSE 'b' END, n::text, '{}', s, CASE WHEN s IN ('done', 'dead') THEN now() END, n % 2,
    CASE WHEN n IN (201, 300) THEN 8 ELSE 1 END, CASE s WHEN 'running' THEN gen_random_uuid() END
FROM (SELECT n, CASE n % 100 WHEN 0 THEN 'waiting' WHEN 1 THEN 'running' WHEN 2 THEN 'dead' ELSE 'done' END AS s
    FROM generate_series(1, 20000) AS n) AS t;

INSERT INTO audit_head (chain, sequence, hash)
SELECT 'school/S' || s, 2000, sha256('') FROM generate_series(1, 20) AS s;
INSERT INTO audit_head (chain, sequence, hash) VALUES ('access', 2000, sha256(''));
INSERT INTO audit_entry (chain, sequence, recorded_time, action, subject, client, person, school, facts, previous_hash,
    hash)
SELECT h.chain, n, now() - interval '1 day' + n * interval '1 second',
    CASE WHEN h.chain = 'access' THEN 'REFUSED' WHEN n % 20 = 0 THEN 'BOOK_FROZEN' ELSE 'MARKS_ENTERED' END,
    'schools/S1/years/2025-2026/classes/9A3', 'vendor/v1', 'P3', 'S' || n % 20 + 1, '{}', sha256(''), sha256('')
FROM audit_head h, generate_series(1, 2000) AS n;

INSERT INTO served_year (school, school_year, vendor, version)
SELECT 'S' || s, y || '-' || y + 1, 'v1', 1 FROM generate_series(1, 2000) AS s, generate_series(2020, 2025) AS y;
INSERT INTO vendor_standing (vendor, suspended, version) SELECT 'v' || n, false, 1 FROM generate_series(1, 5000) AS n;
INSERT INTO staff_standing (school, person, roles, version)
SELECT 'S' || n % 500 + 1, 'P' || n, '{1}', 1 FROM generate_series(1, 20000) AS n;
