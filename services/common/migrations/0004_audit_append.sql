-- Appending to the audit chain within one statement: the chain's head is held for the shortest time, and the caller need
-- not wait for the head before it sends the row. audit.verify recomputes every row by its own means.

CREATE FUNCTION audit_append(
    in_chain text, in_action text, in_subject text, in_client text, in_person text, in_school text, in_facts jsonb
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    head   audit_head%ROWTYPE;
    moment timestamptz;
    digest bytea;
BEGIN
    SELECT * INTO head FROM audit_head WHERE chain = in_chain FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO audit_head VALUES (in_chain, 0, decode(repeat('00', 32), 'hex')) ON CONFLICT DO NOTHING;
        SELECT * INTO STRICT head FROM audit_head WHERE chain = in_chain FOR UPDATE;
    END IF;
    -- After the head is ours, so that times rise with sequence numbers.
    moment := clock_timestamp();
    -- RFC 8785: members in the order of their names, no spaces; to_json escapes a text as that says.
    digest := sha256(convert_to(concat(
        '{"action":', to_json(in_action),
        ',"chain":', to_json(in_chain),
        ',"client":', to_json(in_client),
        ',"facts":{', (
            SELECT string_agg(to_json(key)::text || ':' || to_json(value)::text, ',' ORDER BY key COLLATE "C")
            FROM jsonb_each_text(in_facts)
        ),
        '},"person":', to_json(in_person),
        ',"previous_hash":"', encode(head.hash, 'hex'),
        '","recorded_time":"', to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
        '+00:00","school":', to_json(in_school),
        ',"sequence":', head.sequence + 1,
        ',"subject":', to_json(in_subject),
        '}'
    ), 'UTF8'));
    INSERT INTO audit_entry (
        chain, sequence, recorded_time, action, subject, client, person, school, facts, previous_hash, hash
    ) VALUES (
        in_chain, head.sequence + 1, moment, in_action, in_subject, in_client, in_person, in_school, in_facts,
        head.hash, digest
    );
    UPDATE audit_head SET sequence = head.sequence + 1, hash = digest WHERE chain = in_chain;
    RETURN head.sequence + 1;
END $$;
