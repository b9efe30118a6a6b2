"""Worlds of the edge: `market` for one test, `shared_market` for the tests of a module."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import structlog

from api.logs import processors
from tests.api.market_api import Founding, MarketApi, found_template, market_api


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    structlog.configure(processors=processors(has_colors=False))


@pytest.fixture(scope="session")
def founding(shared_server: str) -> Founding:
    return asyncio.run(found_template(shared_server))


@pytest_asyncio.fixture
async def market(shared_server: str, founding: Founding) -> AsyncIterator[MarketApi]:
    """The market in its first session."""
    async with market_api(shared_server, founding, session=True) as opened:
        yield opened


@pytest_asyncio.fixture
async def closed_market(shared_server: str, founding: Founding) -> AsyncIterator[MarketApi]:
    """The market before its first day."""
    async with market_api(shared_server, founding, session=False) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_market(shared_server: str, founding: Founding) -> AsyncIterator[MarketApi]:
    """The market in its first session, for all tests of a module (loop_scope="module")."""
    async with market_api(shared_server, founding, session=True) as opened:
        yield opened
