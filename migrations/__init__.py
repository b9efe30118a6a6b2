"""The database schema: alembic revisions, forward only, and `upgrade` that runs them at start."""
