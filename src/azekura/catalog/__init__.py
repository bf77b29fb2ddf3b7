"""SQL: what exists, what refers to what. SQLite by default, PostgreSQL when one machine is not enough."""
