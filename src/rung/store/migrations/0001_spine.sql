-- Tickets, decisions, the ledger, the outbox and what an operator sets.
--
-- Customer text stands only in tickets, messages, decisions (their quotes) and kept_payloads (encrypted): rows
-- that can be erased.
-- The ledger holds ids and reasons, has no foreign keys and outlives an erasure.
-- There are no foreign keys on the hot path either: every write of a ticket goes through one statement
-- (sql/work.sql), and a check per row would cost a tenth of the intake rate; `forget` erases by ticket id.

-- The store's clock. Tests move it for their own sessions by setting rung.shift to an interval.
CREATE FUNCTION clock() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT clock_timestamp() + coalesce(nullif(current_setting('rung.shift', true), '')::interval, interval '0')
$$;

CREATE TABLE tickets (
    id              text PRIMARY KEY,
    seq             bigint GENERATED ALWAYS AS IDENTITY,
    connector       text NOT NULL,
    source          text NOT NULL,
    account_id      text,
    requester_email text,
    subject         text NOT NULL,
    body            text NOT NULL,
    rest            jsonb NOT NULL,
    version         integer NOT NULL DEFAULT 1,
    open            boolean NOT NULL DEFAULT true,
    created_at      timestamptz,
    received_at     timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    -- The active decision: (id, decided_version) is its key; the rest is copied for lists and facts.
    decided_version integer,
    decided_at      timestamptz,
    outcome         text,
    mode            text,
    team            text,
    level           text,
    signature       text,
    severity        text,
    confidence      double precision,
    next_check_at   timestamptz
-- Rows of a few kilobytes stay whole: compressing them would cost more than everything else in an insert.
) WITH (toast_tuple_target = 8160, fillfactor = 90,
        autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE UNIQUE INDEX tickets_seq ON tickets (seq);
CREATE INDEX tickets_by_signature ON tickets (signature, decided_at) WHERE signature IS NOT NULL;
CREATE INDEX tickets_by_team ON tickets (team, level, seq) WHERE team IS NOT NULL;
CREATE INDEX tickets_open_of_account ON tickets (account_id, signature, received_at)
    WHERE open AND account_id IS NOT NULL AND signature IS NOT NULL;
CREATE INDEX tickets_open_of_requester ON tickets (requester_email, signature, received_at)
    WHERE open AND requester_email IS NOT NULL AND signature IS NOT NULL;
CREATE INDEX tickets_due ON tickets (next_check_at) WHERE next_check_at IS NOT NULL;

CREATE TABLE messages (
    ticket_id text NOT NULL,
    position  integer NOT NULL,
    key       text NOT NULL,
    id        text NOT NULL,
    author    text NOT NULL,
    at        timestamptz,
    body      text NOT NULL,
    PRIMARY KEY (ticket_id, position)
) WITH (toast_tuple_target = 8160);
CREATE UNIQUE INDEX messages_by_key ON messages (ticket_id, key);

-- Append only; the active one is named by tickets.decided_version. `version` is the ticket's at that write.
CREATE TABLE decisions (
    ticket_id text NOT NULL,
    version   integer NOT NULL,
    at        timestamptz NOT NULL,
    policy    text NOT NULL,
    data      json NOT NULL,
    PRIMARY KEY (ticket_id, version)
) WITH (toast_tuple_target = 8160, autovacuum_vacuum_insert_scale_factor = 0.1);

-- Keyed hashes of masked secrets, to correlate them; never the secrets.
CREATE TABLE secrets (
    ticket_id   text NOT NULL,
    field       text NOT NULL,
    start       integer NOT NULL,
    "end"       integer NOT NULL,
    kind        text NOT NULL,
    fingerprint text NOT NULL,
    PRIMARY KEY (ticket_id, field, start, kind)
);
CREATE INDEX secrets_by_fingerprint ON secrets (fingerprint);

CREATE TABLE human_actions (
    ticket_id   text NOT NULL,
    id          text NOT NULL,
    kind        text NOT NULL,
    team        text NOT NULL,
    level       text NOT NULL,
    at          timestamptz,
    received_at timestamptz NOT NULL,
    seq         bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (ticket_id, id)
);
CREATE UNIQUE INDEX human_actions_seq ON human_actions (seq);

-- Which account showed which symptom last: accounts_affected reads at most 50 rows of it, however many
-- tickets there are. A re-decision to another signature leaves the old sighting: it was seen.
CREATE TABLE sightings (
    signature  text NOT NULL,
    account_id text NOT NULL,
    last_at    timestamptz NOT NULL,
    PRIMARY KEY (signature, account_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX sightings_recent ON sightings (signature, last_at DESC) INCLUDE (account_id);

CREATE TABLE accounts (
    id                text PRIMARY KEY,
    name              text NOT NULL,
    plan              text NOT NULL,
    annual_value      double precision,
    tier              text NOT NULL,
    region            text NOT NULL,
    identity_provider text NOT NULL,
    updated_at        timestamptz NOT NULL
);

CREATE TABLE deployments (
    service text NOT NULL,
    version text NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (service, at, version)
);

CREATE TABLE service_health (
    service text PRIMARY KEY,
    status  text NOT NULL CHECK (status IN ('ok', 'degraded', 'down')),
    at      timestamptz NOT NULL
);

CREATE TABLE ledger (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL,
    kind      text NOT NULL,
    ticket_id text,
    data      json NOT NULL
) WITH (autovacuum_vacuum_insert_scale_factor = 0.1);
CREATE INDEX ledger_of_ticket ON ledger (ticket_id, id) WHERE ticket_id IS NOT NULL;

-- The grants keep the application from changing the ledger; this keeps an owner's slip from doing it.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The outbox: work to do after the commit, with its attempts and receipt. pgqueuer only wakes workers.
CREATE TABLE commands (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL,
    key         text NOT NULL UNIQUE,
    payload     json NOT NULL,
    state       text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'parked')),
    attempts    integer NOT NULL DEFAULT 0,
    last_error  text NOT NULL DEFAULT '',
    run_at      timestamptz NOT NULL,
    lease_until timestamptz,
    created_at  timestamptz NOT NULL,
    ended_at    timestamptz
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 1);
CREATE INDEX commands_queued ON commands (run_at, id) WHERE state = 'queued';
CREATE INDEX commands_running ON commands (lease_until) WHERE state = 'running';
CREATE INDEX commands_parked ON commands (id) WHERE state = 'parked';
CREATE INDEX commands_done ON commands (ended_at) WHERE state = 'done';

CREATE TABLE deliveries (
    connector text NOT NULL,
    delivery  text NOT NULL,
    ticket_id text NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (connector, delivery)
);
CREATE INDEX deliveries_by_time ON deliveries USING brin (at);

CREATE TABLE replies (
    key         text PRIMARY KEY,
    fingerprint text NOT NULL,
    status      integer NOT NULL,
    body        bytea NOT NULL,
    headers     json NOT NULL,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX replies_by_expiry ON replies (expires_at);

CREATE TABLE policies (
    version text PRIMARY KEY,
    blob    bytea NOT NULL,
    author  text NOT NULL,
    note    text NOT NULL,
    at      timestamptz NOT NULL
);
-- Every move of the pointer; the last row is the published policy.
CREATE TABLE policy_moves (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version text NOT NULL REFERENCES policies,
    action  text NOT NULL CHECK (action IN ('publish', 'rollback')),
    author  text NOT NULL,
    note    text NOT NULL,
    at      timestamptz NOT NULL
);

CREATE TABLE modes (
    scope  text PRIMARY KEY CHECK (scope = '' OR scope ~ '^(connector|signature):.'),
    mode   text NOT NULL CHECK (mode IN ('observe', 'suggest', 'act')),
    author text NOT NULL,
    at     timestamptz NOT NULL
);

CREATE TABLE tokens (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    hash       bytea NOT NULL UNIQUE,
    scopes     text[] NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used  date
);

CREATE TABLE connections (
    connector  text PRIMARY KEY,
    secret     bytea,
    settings   jsonb NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE kept_payloads (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connector  text NOT NULL,
    delivery   text NOT NULL,
    reason     text NOT NULL,
    headers    jsonb NOT NULL,
    body       bytea NOT NULL,
    ticket_id  text,
    state      text NOT NULL DEFAULT 'kept' CHECK (state IN ('kept', 'redriven')),
    at         timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX kept_payloads_by_expiry ON kept_payloads (expires_at);
CREATE INDEX kept_payloads_waiting ON kept_payloads (id) WHERE state = 'kept';
CREATE UNIQUE INDEX kept_payloads_delivery ON kept_payloads (connector, delivery) WHERE delivery <> '';
