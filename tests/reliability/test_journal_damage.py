"""Row B1: damage to the journal is found at start and by the verifier, which both name the row.

JINGTAN_JOURNAL_DAMAGE sets the number of trials; JINGTAN_SEED repeats a run.
"""

import os
from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from exchange.verifier import verify_database
from tests.exchange_driver import ExchangeDriver
from tests.reliability.damage import KINDS, StoredJournal, build_journal
from tests.seeded import FIRST_SEED, seeded

TRIALS = int(os.environ.get("JINGTAN_JOURNAL_DAMAGE", "51"))


@pytest_asyncio.fixture
async def stored(dsn: str) -> AsyncIterator[StoredJournal]:
    await build_journal(dsn, seeded(FIRST_SEED))
    connection = await asyncpg.connect(dsn)
    journal = StoredJournal(connection, dsn)
    await journal.remember()
    yield journal
    await connection.close()


async def test_every_damage_is_found_and_its_row_named(stored: StoredJournal) -> None:
    missed = []
    for number in range(TRIALS):
        seed = FIRST_SEED + number
        found = await stored.trial(KINDS[number % len(KINDS)], seeded(seed))
        missed += [f"seed {seed}: {found}"] if found else []
    assert not missed, "\n".join(missed)


async def test_the_journal_opens_again_once_it_is_mended(dsn: str, stored: StoredJournal) -> None:
    assert not await stored.trial(KINDS[0], seeded(FIRST_SEED))
    await stored.mend()
    assert (await verify_database(dsn)).verified
    driver = ExchangeDriver(dsn)
    await driver.start()
    await driver.say("A buys 5@10000")
    await driver.kill()
    assert (await verify_database(dsn)).verified
