-- clock() is volatile, so an index is only searched by it inside a sub-select: (SELECT clock()).

-- name: clock
SELECT clock()

-- name: list_tickets
-- Newest first; $1 is the cursor (a seq), $2 the limit, the rest filters that null switches off.
SELECT t.seq, t.id, t.connector, t.source, t.subject, t.account_id, t.requester_email, t.open, t.version,
    t.created_at, t.received_at, t.updated_at, t.decided_at, t.outcome, t.mode, t.team, t.level, t.signature,
    t.severity, t.confidence, t.next_check_at
FROM tickets AS t
WHERE ($1::bigint IS NULL OR t.seq < $1)
    AND ($3::text IS NULL OR t.outcome = $3)
    AND ($4::text IS NULL OR t.team = $4)
    AND ($5::text IS NULL OR t.level = $5)
    AND ($6::text IS NULL OR t.signature = $6)
    AND ($7::bool IS NULL OR t.open = $7)
    AND ($8::text IS NULL OR t.account_id = $8)
    AND ($9::text IS NULL OR t.connector = $9)
ORDER BY t.seq DESC
LIMIT $2

-- name: recent_tickets
-- Open tickets whose active decision counted fewer accounts than $3.
SELECT t.id FROM tickets AS t JOIN decisions AS d ON d.ticket_id = t.id AND d.version = t.decided_version
WHERE t.signature = $1 AND t.decided_at > (SELECT clock()) - $2::interval AND t.open
    AND coalesce((d.data -> 'facts' ->> 'accounts_affected')::integer, 1) < $3
ORDER BY t.decided_at DESC LIMIT $4

-- name: ticket
SELECT * FROM tickets WHERE id = $1

-- name: ticket_messages
SELECT json_agg(json_build_object('id', id, 'author', author, 'at', at, 'body', body) ORDER BY position)::text
FROM messages WHERE ticket_id = $1

-- name: ticket_decisions
SELECT version, data::text AS data FROM decisions WHERE ticket_id = $1 ORDER BY version

-- name: ticket_actions
SELECT id, kind, team, level, coalesce(at, received_at) AS at FROM human_actions WHERE ticket_id = $1 ORDER BY seq

-- name: ticket_secrets
SELECT kind, field, start, "end", fingerprint FROM secrets WHERE ticket_id = $1 ORDER BY field, start

-- name: ledger_of
SELECT id, at, kind, ticket_id, data::text AS data FROM ledger WHERE ticket_id = $1 ORDER BY id

-- name: record
INSERT INTO ledger (at, kind, ticket_id, data)
SELECT clock(), l.kind, l.ticket_id, l.data::json FROM unnest($1::text[], $2::text[], $3::text[])
    AS l (kind, ticket_id, data)

-- name: observed
-- What was decided beside what people did: the last assignment of each ticket, newest first.
SELECT h.seq, h.ticket_id, h.team AS their_team, h.level AS their_level, coalesce(h.at, h.received_at) AS their_at,
    t.subject, t.outcome, t.mode, t.team, t.level, t.signature, t.severity, t.confidence, t.decided_at
FROM human_actions AS h JOIN tickets AS t ON t.id = h.ticket_id
WHERE h.kind = 'assigned' AND ($1::bigint IS NULL OR h.seq < $1) AND ($3::text IS NULL OR t.signature = $3)
    AND NOT EXISTS (
        SELECT 1 FROM human_actions AS later
        WHERE later.ticket_id = h.ticket_id AND later.kind = 'assigned'
            AND (coalesce(later.at, later.received_at), later.seq) > (coalesce(h.at, h.received_at), h.seq)
    )
ORDER BY h.seq DESC
LIMIT $2

-- name: due_checks
-- Takes due tickets and turns each into a command, in one statement: a crash loses neither.
WITH due AS (
    SELECT id, next_check_at FROM tickets
    WHERE next_check_at IS NOT NULL AND next_check_at <= (SELECT clock())
    ORDER BY next_check_at LIMIT $1 FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE tickets SET next_check_at = NULL FROM due WHERE tickets.id = due.id
), ordered AS (
    INSERT INTO commands (kind, key, payload, run_at, created_at)
    SELECT $2, $2 || ':' || id || ':' || extract(epoch FROM next_check_at)::text,
        json_build_object('ticket_id', id, 'due', next_check_at), clock(), clock()
    FROM due
    ON CONFLICT (key) DO NOTHING
)
SELECT id FROM due ORDER BY next_check_at

-- name: put_accounts
INSERT INTO accounts (id, name, plan, annual_value, tier, region, identity_provider, updated_at)
SELECT a.*, clock() FROM unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::text[], $6::text[], $7::text[])
    AS a (id, name, plan, annual_value, tier, region, identity_provider)
ORDER BY a.id
ON CONFLICT (id) DO UPDATE SET name = excluded.name, plan = excluded.plan, annual_value = excluded.annual_value,
    tier = excluded.tier, region = excluded.region, identity_provider = excluded.identity_provider,
    updated_at = excluded.updated_at

-- name: account
SELECT id, name, plan, annual_value, tier, region, identity_provider FROM accounts WHERE id = $1

-- name: add_deployments
INSERT INTO deployments (service, version, at)
SELECT d.service, d.version, coalesce(d.at, clock())
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS d (service, version, at)
ON CONFLICT DO NOTHING

-- name: set_health
INSERT INTO service_health (service, status, at)
SELECT h.service, h.status, coalesce(h.at, clock())
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS h (service, status, at)
ORDER BY h.service
ON CONFLICT (service) DO UPDATE SET status = excluded.status, at = excluded.at WHERE service_health.at <= excluded.at

-- name: counts
SELECT
    (SELECT coalesce(max(seq), 0) FROM tickets) AS tickets,
    (SELECT count(*) FROM commands WHERE state = 'queued') AS commands_queued,
    (SELECT count(*) FROM commands WHERE state = 'running') AS commands_running,
    (SELECT count(*) FROM commands WHERE state = 'parked') AS commands_parked,
    (SELECT count(*) FROM kept_payloads WHERE state = 'kept') AS payloads_kept,
    (SELECT coalesce(extract(epoch FROM clock() - min(run_at)), 0)::float8 FROM commands
        WHERE state = 'queued' AND run_at <= (SELECT clock())) AS oldest_command_seconds

-- name: forget_replies
DELETE FROM replies WHERE key IN (SELECT key FROM replies WHERE expires_at <= (SELECT clock()) LIMIT 5000)

-- name: forget_payloads
DELETE FROM kept_payloads WHERE id IN (SELECT id FROM kept_payloads WHERE expires_at <= (SELECT clock()) LIMIT 1000)

-- name: forget_deliveries
DELETE FROM deliveries WHERE ctid IN (
    SELECT ctid FROM deliveries WHERE at <= (SELECT clock()) - interval '30 days' LIMIT 5000)

-- name: forget_commands
DELETE FROM commands WHERE id IN (
    SELECT id FROM commands WHERE state = 'done' AND ended_at <= (SELECT clock()) - interval '7 days' LIMIT 5000)

-- name: forget_sightings
DELETE FROM sightings WHERE ctid IN (
    SELECT ctid FROM sightings WHERE last_at <= (SELECT clock()) - interval '30 days' LIMIT 5000)

-- name: forget_wakes
DELETE FROM pgqueuer.pgqueuer_log WHERE id IN (
    SELECT id FROM pgqueuer.pgqueuer_log WHERE created <= now() - interval '1 day' LIMIT 5000)

-- name: holds_anything
-- Whether anything was stored since the schema was made.
SELECT EXISTS (SELECT 1 FROM rung.tickets) OR EXISTS (SELECT 1 FROM rung.ledger)
    OR EXISTS (SELECT 1 FROM rung.policies) OR EXISTS (SELECT 1 FROM rung.tokens)
    OR EXISTS (SELECT 1 FROM rung.connections) OR EXISTS (SELECT 1 FROM rung.kept_payloads)
    OR EXISTS (SELECT 1 FROM rung.accounts) OR EXISTS (SELECT 1 FROM rung.deployments)
