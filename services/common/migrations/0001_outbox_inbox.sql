-- Events on their way out (outbox) and events already taken in (inbox). See services/common/outbox.py and consume.py.

CREATE TABLE outbox (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id       uuid        NOT NULL,
    type           text        NOT NULL,  -- full proto name
    body           bytea       NOT NULL,  -- proto JSON, UTF-8
    created_time   timestamptz NOT NULL DEFAULT now(),
    published_time timestamptz,           -- null until the broker has confirmed and routed it
    attempts       integer     NOT NULL DEFAULT 0,
    due_time       timestamptz NOT NULL DEFAULT '-infinity',
    last_error     text
);
CREATE INDEX outbox_pending ON outbox (id) WHERE published_time IS NULL;
CREATE INDEX outbox_published ON outbox (published_time) WHERE published_time IS NOT NULL;
-- Every row is updated once and soon; without this the pending index fills with dead entries between vacuums.
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);

-- Kept for ever: a message may be replayed from the dead-letter queue after any time.
CREATE TABLE inbox (
    event_id      uuid        PRIMARY KEY,
    type          text        NOT NULL,
    received_time timestamptz NOT NULL DEFAULT now()
);
