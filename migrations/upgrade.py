"""Bring a database to the newest schema, once, however many servers start at the same time.

- The lock is PostgreSQL's own, held by the session that migrates: a process that dies frees it.
- Whoever waited finds the work done and changes nothing.
- The revisions come with the package; nothing is read from the working directory.
- The login needs CREATE on the database, and CREATEROLE (or the five roles granted to it).
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from exchange.database import sqlalchemy_url

ADVISORY_LOCK_KEY = 0x4A696E6774616E  # "Jingtan" in ASCII
_SCRIPTS = Path(__file__).resolve().parent


async def upgrade(dsn: str) -> None:
    """Run every revision that `dsn`'s database lacks; waits while another process does so.

    A process upgrades one database at a time: alembic keeps its context in global names.
    Raises sqlalchemy.exc.DBAPIError or OSError as the driver does; nothing has changed then.
    """
    engine = create_async_engine(
        sqlalchemy_url(dsn),
        poolclass=NullPool,
        connect_args={"server_settings": {"application_name": "jingtan-migrations"}},
    )
    try:
        async with engine.connect() as connection:
            await connection.execute(
                text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK_KEY}
            )
            await connection.commit()
            await connection.run_sync(_upgrade_to_head)
    finally:
        await engine.dispose()


def _upgrade_to_head(connection: Connection) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    command.upgrade(config, "head")
    connection.commit()
