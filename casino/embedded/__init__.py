"""PostgreSQL and Valkey from wheels, for the demo and the tests. Never used with real servers."""
