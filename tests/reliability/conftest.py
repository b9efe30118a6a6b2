"""Markets on real servers, and the account of what was done to them."""

import asyncio
import shutil
from collections.abc import Callable, Iterator

import pytest

from tests.reliability import markets
from tests.reliability.markets import Market, SeededMarket
from tests.reliability.tally import Tally
from tests.seeded import FIRST_SEED


@pytest.fixture(scope="session")
def seeded_market() -> Iterator[SeededMarket]:
    seeded = asyncio.run(markets.seed())
    yield seeded
    shutil.rmtree(seeded.directory, ignore_errors=True)


@pytest.fixture
def new_market(seeded_market: SeededMarket) -> Iterator[Callable[[], Market]]:
    made: list[Market] = []

    def make() -> Market:
        made.append(markets.copy(seeded_market))
        return made[-1]

    yield make
    for market in made:
        market.end()


@pytest.fixture
def market(new_market: Callable[[], Market]) -> Market:
    return new_market()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """The account of the row that the test's module is about."""
    account = Tally(request.module.ROW, FIRST_SEED)
    yield account
    account.publish()
