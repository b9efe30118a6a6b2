"""Servers for the tests that only look at them, and new clusters without any role."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from exchange.embedded import EmbeddedPostgres
from tests.exchange_driver import ExchangeDriver, running


@pytest.fixture(scope="module")
def module_server() -> Iterator[EmbeddedPostgres]:
    directory = Path(tempfile.mkdtemp(prefix="jingtan-module-"))
    server = EmbeddedPostgres(directory)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.destroy())
    shutil.rmtree(directory, ignore_errors=True)


@pytest_asyncio.fixture
async def postgres_dsn_pair(postgres: EmbeddedPostgres) -> tuple[str, str]:
    """Two databases of a cluster that has seen no migration."""
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute("CREATE DATABASE other")
    await connection.close()
    return postgres.dsn, postgres.dsn.replace("/jingtan?", "/other?")


@pytest_asyncio.fixture
async def own_cluster_login(postgres: EmbeddedPostgres) -> str:
    """A login that may create roles and owns its database, as a hosted PostgreSQL gives one."""
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute("CREATE ROLE host LOGIN CREATEROLE")
    await connection.execute("ALTER DATABASE jingtan OWNER TO host")
    await connection.close()
    return postgres.dsn.replace("//postgres@", "//host@")


@pytest_asyncio.fixture
async def driver(dsn: str) -> AsyncIterator[ExchangeDriver]:
    """An exchange in its first session."""
    async with running(dsn) as driver:
        yield driver
