-- What an operator sets: policies, switches, tokens, connections; and what waits to be driven again.

-- name: insert_policy
INSERT INTO policies (version, blob, author, note, at) VALUES ($1, $2, $3, $4, clock())
ON CONFLICT (version) DO NOTHING

-- name: move_policy
INSERT INTO policy_moves (version, action, author, note, at) VALUES ($1, $2, $3, $4, clock())

-- name: lock_policy
SELECT pg_advisory_xact_lock(hashtextextended('rung:policy', 0))

-- name: policy_blob
SELECT blob FROM policies WHERE version = $1

-- name: current_policy
SELECT version FROM policy_moves ORDER BY id DESC LIMIT 1

-- name: previous_policy
-- The one published before the current one was; so that a second rollback goes further back, not forth again.
WITH here AS (SELECT version FROM policy_moves ORDER BY id DESC LIMIT 1)
SELECT version FROM policy_moves
WHERE action = 'publish' AND version <> (SELECT version FROM here) AND id < (
    SELECT max(id) FROM policy_moves WHERE action = 'publish' AND version = (SELECT version FROM here)
)
ORDER BY id DESC LIMIT 1

-- name: policy_log
SELECT id, version, action, author, note, at FROM policy_moves
WHERE $1::bigint IS NULL OR id < $1
ORDER BY id DESC LIMIT $2

-- name: set_mode
INSERT INTO modes (scope, mode, author, at) VALUES ($1, $2, $3, clock())
ON CONFLICT (scope) DO UPDATE SET mode = excluded.mode, author = excluded.author, at = excluded.at

-- name: clear_mode
DELETE FROM modes WHERE scope = $1

-- name: modes
SELECT scope, mode FROM modes ORDER BY scope

-- name: create_token
INSERT INTO tokens (id, name, hash, scopes, created_at, expires_at) VALUES ($1, $2, $3, $4, clock(), $5)
RETURNING id, name, scopes, created_at, expires_at, revoked_at, last_used

-- name: tokens
SELECT id, name, scopes, created_at, expires_at, revoked_at, last_used FROM tokens ORDER BY created_at, id

-- name: revoke_token
UPDATE tokens SET revoked_at = clock() WHERE id = $1 AND revoked_at IS NULL

-- name: token_by_hash
SELECT id, name, scopes, created_at, expires_at, revoked_at, last_used, clock()::date AS today FROM tokens
WHERE hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > (SELECT clock()))

-- name: token_used
UPDATE tokens SET last_used = clock()::date WHERE id = $1 AND last_used IS DISTINCT FROM clock()::date

-- name: set_connection
INSERT INTO connections (connector, secret, settings, updated_at) VALUES ($1, $2, $3::text::jsonb, clock())
ON CONFLICT (connector) DO UPDATE SET secret = coalesce(excluded.secret, connections.secret),
    settings = excluded.settings, updated_at = excluded.updated_at

-- name: connection
SELECT connector, secret, settings::text AS settings, updated_at FROM connections WHERE connector = $1

-- name: connections
SELECT connector, secret IS NOT NULL AS has_secret, settings::text AS settings, updated_at
FROM connections ORDER BY connector

-- name: remove_connection
DELETE FROM connections WHERE connector = $1

-- name: keep_payload
INSERT INTO kept_payloads (connector, delivery, reason, headers, body, at, expires_at)
VALUES ($1, $2, $3, $4::text::jsonb, $5, clock(), clock() + $6::interval)
ON CONFLICT (connector, delivery) WHERE delivery <> '' DO UPDATE SET delivery = kept_payloads.delivery
RETURNING id

-- name: kept
SELECT id, connector, delivery, reason, headers::text AS headers, length(body) AS size, ticket_id, state, at, expires_at
FROM kept_payloads
WHERE ($1::bigint IS NULL OR id < $1) AND ($3::text IS NULL OR state = $3)
    AND ($4::text IS NULL OR connector = $4)
ORDER BY id DESC LIMIT $2

-- name: kept_payload
SELECT id, connector, delivery, reason, headers::text AS headers, body, length(body) AS size, ticket_id, state, at,
    expires_at
FROM kept_payloads WHERE id = $1

-- name: mark_redriven
UPDATE kept_payloads SET state = 'redriven' WHERE id = $1 AND state = 'kept'
