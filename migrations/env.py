"""Alembic's environment: runs the revisions over the connection that `migrations.upgrade` opened.

All pending revisions run in one transaction: a start that dies half-way leaves the old schema.
There is no offline mode and no autogenerate: revisions are written as SQL.
"""

from alembic import context
from sqlalchemy import Connection


def _run(connection: Connection) -> None:
    context.configure(connection=connection, transaction_per_migration=False)
    with context.begin_transaction():
        context.run_migrations()


_run(context.config.attributes["connection"])
