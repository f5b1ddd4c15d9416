-- The outbox as its workers see it.

-- name: order_commands
INSERT INTO commands (kind, key, payload, run_at, created_at)
SELECT c.kind, c.key, c.payload::json, coalesce(c.run_at, clock()), clock()
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS c (kind, key, payload, run_at)
ON CONFLICT (key) DO NOTHING

-- name: claim_commands
-- $1 limit, $2 lease, $3 kinds this worker knows. A lease that ran out means that its worker died.
WITH queued AS (
    SELECT id, run_at FROM commands
    WHERE state = 'queued' AND run_at <= (SELECT clock()) AND kind = ANY ($3::text[])
    ORDER BY run_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
), abandoned AS (
    SELECT id, run_at FROM commands
    WHERE state = 'running' AND lease_until <= (SELECT clock()) AND kind = ANY ($3::text[])
    ORDER BY lease_until LIMIT $1 FOR UPDATE SKIP LOCKED
), due AS (
    SELECT id FROM (SELECT * FROM queued UNION ALL SELECT * FROM abandoned) AS both_kinds
    ORDER BY run_at, id LIMIT $1
)
UPDATE commands AS c SET state = 'running', attempts = attempts + 1, lease_until = clock() + $2::interval
FROM due WHERE c.id = due.id
RETURNING c.id, c.kind, c.key, c.payload::text AS payload, c.attempts, c.last_error

-- name: extend_leases
UPDATE commands SET lease_until = clock() + $2::interval WHERE id = ANY ($1::bigint[]) AND state = 'running'

-- name: end_command
UPDATE commands SET state = 'done', ended_at = clock(), lease_until = NULL, last_error = ''
WHERE id = $1 AND attempts = $2 AND state = 'running'

-- name: postpone_command
UPDATE commands SET state = 'queued', run_at = clock() + $3::interval, lease_until = NULL, last_error = $4
WHERE id = $1 AND attempts = $2 AND state = 'running'

-- name: release_command
UPDATE commands SET state = 'queued', attempts = attempts - 1, lease_until = NULL
WHERE id = $1 AND attempts = $2 AND state = 'running'

-- name: park_command
UPDATE commands SET state = 'parked', ended_at = clock(), lease_until = NULL, last_error = $3
WHERE id = $1 AND attempts = $2 AND state = 'running'

-- name: parked_commands
SELECT id, kind, key, payload::text AS payload, attempts, last_error, created_at, ended_at FROM commands
WHERE state = 'parked' AND ($1::bigint IS NULL OR id < $1)
ORDER BY id DESC LIMIT $2

-- name: redrive_commands
UPDATE commands SET state = 'queued', attempts = 0, run_at = clock(), ended_at = NULL
WHERE state = 'parked' AND ($1::bigint IS NULL OR id = $1)

-- name: next_command
SELECT least(
    (SELECT min(run_at) FROM commands WHERE state = 'queued' AND kind = ANY ($1::text[])),
    (SELECT min(lease_until) FROM commands WHERE state = 'running' AND kind = ANY ($1::text[]))
) - clock()
