-- The hot path: one transaction of intake. Every statement takes a whole batch.

-- name: lock
SELECT pg_advisory_xact_lock(h) FROM unnest($1::bigint[]) AS h

-- name: look
-- $1 ticket ids, $2 connectors, $3 deliveries, $4 accounts, $5 requesters, $6 signatures, $7 services (joined by
-- U+001F), $8 window, $9 how long a deployment is recent. One row: everything the decisions of a batch need.
WITH asked AS MATERIALIZED (
    SELECT a.*, cardinality($1::text[]) AS n
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
        WITH ORDINALITY AS a (id, connector, delivery, account, email, signature, services, ord)
), moment AS MATERIALIZED (
    SELECT clock() AS now
), symptoms AS MATERIALIZED (
    SELECT s.signature, (
        SELECT json_agg(found.account_id)
        FROM (
            SELECT account_id FROM sightings
            WHERE sightings.signature = s.signature AND last_at > (SELECT now FROM moment) - $8::interval
            ORDER BY last_at DESC LIMIT 50
        ) AS found
    ) AS accounts
    FROM (SELECT DISTINCT signature FROM asked WHERE signature <> '') AS s
), named AS MATERIALIZED (
    SELECT DISTINCT service FROM asked, unnest(string_to_array(nullif(asked.services, ''), E'\x1f')) AS service
), deployed AS MATERIALIZED (
    SELECT named.service, last.version, last.at
    FROM named, LATERAL (
        SELECT version, at FROM deployments
        WHERE deployments.service = named.service AND at > (SELECT now FROM moment) - $9::interval
            AND at <= (SELECT now FROM moment)
        ORDER BY at DESC LIMIT 1
    ) AS last
), healthy AS MATERIALIZED (
    SELECT named.service, status FROM named JOIN service_health USING (service)
)
SELECT
    (SELECT now FROM moment) AS now,
    (SELECT version FROM policy_moves ORDER BY id DESC LIMIT 1) AS policy,
    (SELECT json_object_agg(scope, mode) FROM modes)::text AS modes,
    (SELECT json_object_agg(signature, accounts) FROM symptoms)::text AS symptoms,
    (SELECT json_object_agg(service, json_build_array(version, at)) FROM deployed)::text AS deployed,
    (SELECT json_object_agg(service, status) FROM healthy)::text AS health,
    (
        SELECT json_agg(json_build_array(d.connector, d.delivery, d.ticket_id))
        FROM asked JOIN deliveries AS d ON d.connector = asked.connector AND d.delivery = asked.delivery
        WHERE asked.delivery <> ''
    )::text AS deliveries,
    (
        SELECT json_object_agg(a.id, json_build_object('tier', a.tier, 'plan', a.plan, 'annual_value', a.annual_value))
        FROM accounts AS a WHERE a.id = ANY ($4::text[])
    )::text AS accounts,
    (
        SELECT json_agg(asked.ord)
        FROM asked
        WHERE asked.signature <> '' AND (
            asked.account <> '' AND EXISTS (
                SELECT 1 FROM tickets AS t
                WHERE t.open AND t.account_id IS NOT NULL AND t.signature IS NOT NULL
                    AND t.account_id = asked.account AND t.signature = asked.signature
                    AND t.received_at > (SELECT now FROM moment) - interval '7 days' AND t.id <> asked.id
            ) OR asked.email <> '' AND EXISTS (
                SELECT 1 FROM tickets AS t
                WHERE t.open AND t.requester_email IS NOT NULL AND t.signature IS NOT NULL
                    AND t.requester_email = asked.email AND t.signature = asked.signature
                    AND t.received_at > (SELECT now FROM moment) - interval '7 days' AND t.id <> asked.id
            )
        )
    )::text AS second,
    (SELECT array_agg(id) FROM tickets WHERE id = ANY ($1::text[])) AS known

-- name: known_tickets
SELECT t.*, d.data::text AS decision,
    (SELECT json_agg(json_build_object('key', m.key, 'id', m.id, 'author', m.author, 'at', m.at, 'body', m.body)
        ORDER BY m.position) FROM messages AS m WHERE m.ticket_id = t.id)::text AS messages,
    (SELECT json_agg(json_build_array(h.id, h.kind)) FROM human_actions AS h WHERE h.ticket_id = t.id)::text
        AS actions
FROM tickets AS t
LEFT JOIN decisions AS d ON d.ticket_id = t.id AND d.version = t.decided_version
WHERE t.id = ANY ($1::text[])

-- name: write
-- One statement for everything a batch stores; the arrays are described in work.py, in this order.
WITH arrived AS MATERIALIZED (
    SELECT * FROM unnest(
        $2::text[], $3::bool[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
        $10::text[], $11::text[], $12::timestamptz[], $13::bool[], $14::text[], $15::text[], $16::text[],
        $17::text[], $18::text[], $19::text[], $20::float8[], $21::timestamptz[], $22::timestamptz[],
        $23::text[], $24::text[]
    ) AS a (
        id, is_new, expected, connector, source, account_id, requester_email, subject,
        body, rest, created_at, open, outcome, mode, team,
        level, signature, severity, confidence, next_check_at, decided_at,
        policy, decision
    )
), added AS (
    INSERT INTO tickets (
        id, connector, source, account_id, requester_email, subject, body, rest, version, open, created_at,
        received_at, updated_at, decided_version, decided_at, outcome, mode, team, level, signature, severity,
        confidence, next_check_at
    )
    SELECT id, connector, source, account_id, requester_email, subject, body, rest::jsonb, 1,
        coalesce(open, true), created_at, $1, $1, CASE WHEN decision IS NOT NULL THEN 1 END, decided_at, outcome,
        mode, team, level, signature, severity, confidence, next_check_at
    FROM arrived WHERE is_new
    ON CONFLICT (id) DO NOTHING
    RETURNING 1
), changed AS (
    UPDATE tickets AS t SET
        version = t.version + 1, updated_at = $1, open = coalesce(a.open, t.open),
        account_id = coalesce(a.account_id, t.account_id),
        requester_email = coalesce(a.requester_email, t.requester_email),
        subject = a.subject, body = a.body, rest = a.rest::jsonb,
        decided_version = CASE WHEN a.decision IS NULL THEN t.decided_version ELSE t.version + 1 END,
        decided_at = CASE WHEN a.decision IS NULL THEN t.decided_at ELSE a.decided_at END,
        outcome = CASE WHEN a.decision IS NULL THEN t.outcome ELSE a.outcome END,
        mode = CASE WHEN a.decision IS NULL THEN t.mode ELSE a.mode END,
        team = CASE WHEN a.decision IS NULL THEN t.team ELSE a.team END,
        level = CASE WHEN a.decision IS NULL THEN t.level ELSE a.level END,
        signature = CASE WHEN a.decision IS NULL THEN t.signature ELSE a.signature END,
        severity = CASE WHEN a.decision IS NULL THEN t.severity ELSE a.severity END,
        confidence = CASE WHEN a.decision IS NULL THEN t.confidence ELSE a.confidence END,
        next_check_at = CASE WHEN a.decision IS NULL THEN t.next_check_at ELSE a.next_check_at END
    FROM arrived AS a
    WHERE NOT a.is_new AND t.id = a.id AND t.version = a.expected
    RETURNING 1
), decided AS (
    INSERT INTO decisions (ticket_id, version, at, policy, data)
    SELECT id, CASE WHEN is_new THEN 1 ELSE expected + 1 END, decided_at, policy, decision::json
    FROM arrived WHERE decision IS NOT NULL
    ON CONFLICT DO NOTHING
), sighted AS (
    -- In sorted order, so that two batches never wait for each other crosswise; a pair that was seen within
    -- the last second is left alone.
    INSERT INTO sightings AS s (signature, account_id, last_at)
    SELECT DISTINCT a.signature, a.account_id, $1 FROM arrived AS a
    WHERE a.signature IS NOT NULL AND a.account_id IS NOT NULL AND coalesce((
        -- By the primary key alone: with the time in it the planner walks all recent accounts of the signature.
        SELECT seen.last_at FROM sightings AS seen
        WHERE seen.signature = a.signature AND seen.account_id = a.account_id
    ), '-infinity') <= $1 - interval '1 second'
    ORDER BY 1, 2
    ON CONFLICT (signature, account_id) DO UPDATE SET last_at = greatest(s.last_at, excluded.last_at)
), said AS (
    INSERT INTO messages (ticket_id, position, key, id, author, at, body)
    SELECT * FROM unnest(
        $25::text[], $26::int[], $27::text[], $28::text[], $29::text[], $30::timestamptz[], $31::text[])
    ON CONFLICT (ticket_id, key) DO NOTHING
), acted AS (
    INSERT INTO human_actions (ticket_id, id, kind, team, level, at, received_at)
    SELECT a.ticket_id, a.id, a.kind, a.team, a.level, a.at, $1 FROM unnest(
        $32::text[], $33::text[], $34::text[], $35::text[], $36::text[], $37::timestamptz[]
    ) AS a (ticket_id, id, kind, team, level, at)
    ON CONFLICT DO NOTHING
), masked AS (
    INSERT INTO secrets (ticket_id, field, start, "end", kind, fingerprint)
    SELECT * FROM unnest($38::text[], $39::text[], $40::int[], $41::int[], $42::text[], $43::text[])
    ON CONFLICT DO NOTHING
), delivered AS (
    INSERT INTO deliveries (connector, delivery, ticket_id, at)
    SELECT d.connector, d.delivery, d.ticket_id, $1
    FROM unnest($44::text[], $45::text[], $46::text[]) AS d (connector, delivery, ticket_id)
    ON CONFLICT DO NOTHING
), recorded AS (
    INSERT INTO ledger (at, kind, ticket_id, data)
    SELECT $1, l.kind, l.ticket_id, l.data::json
    FROM unnest($47::text[], $48::text[], $49::text[]) AS l (kind, ticket_id, data)
), ordered AS (
    INSERT INTO commands (kind, key, payload, run_at, created_at)
    SELECT c.kind, c.key, c.payload::json, coalesce(c.run_at, $1), $1
    FROM unnest($50::text[], $51::text[], $52::text[], $53::timestamptz[]) AS c (kind, key, payload, run_at)
    ON CONFLICT (key) DO NOTHING
), kept AS (
    INSERT INTO kept_payloads (connector, delivery, reason, headers, body, ticket_id, at, expires_at)
    SELECT k.connector, k.delivery, k.reason, '{}', k.body, k.ticket_id, $1, $1 + k.days * interval '1 day'
    FROM unnest($54::text[], $55::text[], $56::text[], $57::bytea[], $58::text[], $59::int[])
        AS k (connector, delivery, reason, body, ticket_id, days)
    ON CONFLICT DO NOTHING
)
SELECT (SELECT count(*) FROM added) + (SELECT count(*) FROM changed) AS stored

-- name: replies
SELECT key, fingerprint, status, body, headers::text AS headers FROM replies
WHERE key = ANY ($1::text[]) AND expires_at > (SELECT clock())

-- name: remember
INSERT INTO replies (key, fingerprint, status, body, headers, expires_at)
SELECT r.key, r.fingerprint, r.status, r.body, r.headers::json, clock() + interval '24 hours'
FROM unnest($1::text[], $2::text[], $3::int[], $4::bytea[], $5::text[]) AS r (key, fingerprint, status, body, headers)
ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status,
    body = excluded.body, headers = excluded.headers, expires_at = excluded.expires_at
WHERE replies.expires_at <= (SELECT clock())
