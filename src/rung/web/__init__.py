"""Everything that is served over HTTP: the API, the hooks of other services, the pages, and health."""
