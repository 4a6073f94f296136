-- A signature that waits for a person is a row of required_signature, not a job (ADR-0049).
--
-- Jobs that stood aside because no key was open end here. Nothing is lost when a key is open during
-- the upgrade: a worker that starts queues the documents of every key that it finds open. Jobs that
-- run, have not run yet, failed or wait for a token that is away go on; they look at the keys once.
UPDATE job SET state = 'done', finished_time = now()
 WHERE kind = 'sign' AND state = 'waiting' AND waits > 0 AND last_error LIKE 'KEY\_NOT\_ACTIVE in %';
