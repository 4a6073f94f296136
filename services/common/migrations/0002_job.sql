-- Heavy work to do. See services/common/jobs.py. Done rows stay: their key answers a repeated enqueue.

CREATE TABLE job (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text        NOT NULL,
    key           text        NOT NULL,
    payload       jsonb       NOT NULL,
    priority      integer     NOT NULL DEFAULT 0,  -- higher goes first
    state         text        NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'dead')),
    due_time      timestamptz NOT NULL DEFAULT now(),  -- waiting: not before; running: end of the lease
    lease         uuid,                                -- who runs it; new for every claim
    attempt       integer     NOT NULL DEFAULT 0,
    waits         integer     NOT NULL DEFAULT 0,      -- how often in a row it stood aside without burning an attempt
    woken         boolean     NOT NULL DEFAULT false,  -- what it may wait for has happened while it was running
    last_error    text,
    created_time  timestamptz NOT NULL DEFAULT now(),
    finished_time timestamptz,                         -- when it became done or dead
    UNIQUE (kind, key),
    CHECK ((state = 'running') = (lease IS NOT NULL)),
    CHECK ((state IN ('done', 'dead')) = (finished_time IS NOT NULL))
);
CREATE INDEX job_due ON job (priority DESC, due_time, id) WHERE state IN ('waiting', 'running');
CREATE INDEX job_dead ON job (id) WHERE state = 'dead';
ALTER TABLE job SET (autovacuum_vacuum_scale_factor = 0.02, fillfactor = 80);
