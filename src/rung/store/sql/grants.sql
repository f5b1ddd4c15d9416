-- name: grants
-- What the application may do. Run after every migration; the ledger and the history are insert-only.
REVOKE ALL ON ALL TABLES IN SCHEMA rung FROM rung_app;
GRANT USAGE ON SCHEMA rung TO rung_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    rung.tickets, rung.messages, rung.secrets, rung.human_actions, rung.sightings, rung.accounts,
    rung.deployments, rung.service_health, rung.commands, rung.deliveries, rung.replies, rung.modes,
    rung.tokens, rung.connections, rung.kept_payloads
    TO rung_app;
GRANT SELECT, INSERT ON rung.ledger, rung.policies, rung.policy_moves TO rung_app;
GRANT SELECT, INSERT, DELETE ON rung.decisions TO rung_app;
GRANT SELECT ON rung.schema_steps TO rung_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA rung TO rung_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA rung TO rung_app;
GRANT USAGE ON SCHEMA pgqueuer TO rung_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pgqueuer TO rung_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA pgqueuer TO rung_app;
GRANT USAGE ON TYPE pgqueuer.pgqueuer_status TO rung_app;
