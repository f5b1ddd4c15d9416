"""The store: PostgreSQL, embedded or given, behind the ports of the flow."""
