"""A scripted market and a settlement database, connected as the component's own role."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from exchange.database import sqlalchemy_url
from settlement.consumer import Settlement
from settlement.queries import SettlementQueries
from settlement.registry.embedded import EmbeddedRegistry
from tests.settlement.world import BEA, Market


def connect_as(dsn: str, role: str) -> AsyncEngine:
    settings = {"role": role} if role else {}
    return create_async_engine(
        sqlalchemy_url(dsn), connect_args={"server_settings": settings}, pool_size=3
    )


@pytest_asyncio.fixture
async def books(dsn: str) -> AsyncIterator[AsyncEngine]:
    """The database as jingtan_settlement."""
    engine = connect_as(dsn, "jingtan_settlement")
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def superuser(dsn: str) -> AsyncIterator[AsyncEngine]:
    engine = connect_as(dsn, "")
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def reading(dsn: str) -> AsyncIterator[SettlementQueries]:
    engine = connect_as(dsn, "jingtan_reader")
    yield SettlementQueries(engine)
    await engine.dispose()


@pytest.fixture
def market() -> Market:
    return Market()


@pytest.fixture
def settlement(books: AsyncEngine, market: Market) -> Settlement:
    return Settlement(books, market, market)


async def issue(engine: AsyncEngine, holder: str, quantity: int, series_id: str) -> None:
    """Units in the holder's own registry account."""
    async with engine.begin() as connection:
        key = f"issue:{holder}:{series_id}"
        await EmbeddedRegistry(connection).issue(key, series_id, holder, quantity)


async def rows(engine: AsyncEngine, query: str) -> list[tuple[object, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


async def execute(engine: AsyncEngine, *statements: str) -> None:
    """Run the statements in one transaction."""
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def refusal(engine: AsyncEngine, *statements: str) -> str:
    """SQLSTATE with which the database refuses the statements; '' when it does not."""
    try:
        await execute(engine, *statements)
    except DBAPIError as error:
        return str(getattr(error.orig, "sqlstate", ""))
    return ""


async def fund(engine: AsyncEngine, market: Market, settlement: Settlement) -> None:
    """A has 1,000 t of BEA on deposit and 500 t at home; B and C have a million yuan each."""
    await issue(engine, "A", 1_500, BEA)
    market.request_deposit("A", 1_000)
    market.credit("B", 100_000_000)
    market.credit("C", 100_000_000)
    await settlement.catch_up(market.seq)
    await settlement.catch_up(market.seq)
