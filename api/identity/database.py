"""The connections of this package: few, short, and always as role jingtan_identity."""

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from exchange.database import sqlalchemy_url

ROLE = "jingtan_identity"
POOL_SIZE = 4
POOL_TIMEOUT_S = 5


def open_database(dsn: str) -> AsyncEngine:
    """An engine for PostgreSQL at `dsn`; connects at first use. Dispose of it at the end.

    READ COMMITTED is part of the design: after the wait for a lock a statement sees what the one
    before it committed.
    """
    return create_async_engine(
        sqlalchemy_url(dsn),
        isolation_level="READ COMMITTED",
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        connect_args={"server_settings": {"role": ROLE, "application_name": ROLE}},
    )
