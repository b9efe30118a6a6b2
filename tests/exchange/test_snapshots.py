"""Snapshots: whole or not used, of a row of the journal, by a version that may be continued."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from engine import ENGINE_VERSION
from exchange import recovery, sequencer
from exchange.database import open_pool
from exchange.faults import JournalBroken
from exchange.journal import SCHEMA_VERSION, Journal
from exchange.snapshots import KEPT_SNAPSHOTS, Snapshots
from tests.exchange_driver import ExchangeDriver, expire_lease, running

WRITER = "jingtan_journal_writer"


@pytest_asyncio.fixture
async def stopped(dsn: str) -> AsyncIterator[ExchangeDriver]:
    """An exchange that stopped in order and left a snapshot."""
    async with running(dsn) as driver:
        await driver.say("A sells 3@10000")
        await driver.stop()
        yield driver


@pytest_asyncio.fixture
async def owner(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody who may write the tables by hand."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def pool(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    pool = await open_pool(dsn, WRITER, min_size=1, max_size=2)
    yield pool
    pool.terminate()


async def start_seq(pool: asyncpg.Pool) -> int:
    """Where the next leader would start to replay."""
    journal, snapshots = Journal(pool), Snapshots(pool)
    head = await journal.head()
    state = await recovery._start_from(journal, snapshots, await snapshots.seqs(), head)
    return state.seq


async def test_a_snapshot_is_read_as_it_was_saved(
    stopped: ExchangeDriver, pool: asyncpg.Pool
) -> None:
    snapshots = Snapshots(pool)
    (seq,) = await snapshots.seqs()
    snapshot = await snapshots.load(seq)
    row = await Journal(pool).read(seq)
    assert snapshot is not None
    assert row is not None
    assert snapshot.is_of(row)
    assert snapshot.content.market == stopped.engine.to_record()
    assert snapshot.content.read == stopped.exchange.read.to_record()
    assert await snapshots.load(seq + 1) is None


@pytest.mark.parametrize(
    "damage",
    [
        "state = set_byte(state, 100, get_byte(state, 100) # 1)",
        "state = substr(state, 1, length(state) - 1)",
        "digest = sha256('')",
        "state = 'not json', digest = sha256('not json')",
        "state = '{}', digest = sha256('{}')",
        "chain = sha256('another journal')",
        "engine_version = 'another'",
    ],
)
async def test_a_snapshot_that_is_not_whole_is_passed_over(
    stopped: ExchangeDriver, owner: asyncpg.Connection, pool: asyncpg.Pool, damage: str
) -> None:
    before = await start_seq(pool)
    assert before == stopped.exchange.sequencer.durable_seq
    await owner.execute(f"UPDATE exchange.snapshot SET {damage}")
    assert await start_seq(pool) == 0


async def test_the_newest_whole_snapshot_is_taken(
    stopped: ExchangeDriver, owner: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    older = await start_seq(pool)
    await stopped.start()
    await stopped.say("A sells 3@10000")
    await stopped.stop()
    newer = await start_seq(pool)
    assert newer > older
    await owner.execute("UPDATE exchange.snapshot SET digest = $1 WHERE seq = $2", b"0" * 32, newer)
    assert await start_seq(pool) == older


async def test_a_snapshot_of_another_seq_is_not_taken_for_this_one(
    stopped: ExchangeDriver, owner: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    await owner.execute(
        "UPDATE exchange.snapshot SET seq = seq - 1,"
        " chain = (SELECT chain FROM exchange.journal WHERE seq = snapshot.seq - 1)"
    )
    assert await start_seq(pool) == 0


async def test_a_snapshot_in_a_newer_form_is_left_alone(
    stopped: ExchangeDriver, owner: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    await owner.execute(
        "UPDATE exchange.snapshot SET schema_version = $1, state = 'of the future'",
        SCHEMA_VERSION + 1,
    )
    assert await Snapshots(pool).seqs() == []


async def test_a_new_version_goes_on_where_the_old_one_stopped_in_order(
    stopped: ExchangeDriver, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("recovery", "sequencer", "journal", "snapshots"):
        monkeypatch.setattr(f"exchange.{module}.ENGINE_VERSION", "next")
    digest, seq = stopped.digest(), stopped.exchange.sequencer.durable_seq
    await stopped.start()
    assert stopped.exchange.recovered_seq == seq
    await stopped.say("B sells 1@10000")
    assert stopped.digest() != digest
    before = stopped.digest()
    await stopped.revive()  # the old version's snapshot is still the newest
    assert stopped.exchange.recovered_seq > seq
    await stopped.stop()
    written = await owner.fetch("SELECT DISTINCT engine_version FROM exchange.journal")
    assert {row["engine_version"] for row in written} == {ENGINE_VERSION, "next"}
    assert before != stopped.digest()  # it has led once more


async def test_a_new_version_does_not_open_what_the_old_one_left_in_disorder(
    stopped: ExchangeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stopped.start()
    await stopped.say("B sells 1@10000")
    seq = stopped.exchange.sequencer.durable_seq
    await stopped.kill()
    await expire_lease(stopped.dsn)
    monkeypatch.setattr(recovery, "ENGINE_VERSION", "next")
    monkeypatch.setattr(sequencer, "ENGINE_VERSION", "next")
    with pytest.raises(JournalBroken, match="stop the old version in order first") as broken:
        await stopped.start()
    assert broken.value.seq <= seq


async def test_only_the_newest_snapshots_are_kept(
    stopped: ExchangeDriver, pool: asyncpg.Pool
) -> None:
    taken = []
    for _ in range(KEPT_SNAPSHOTS + 1):
        await stopped.start()
        await stopped.stop()
        taken.append(stopped.exchange.sequencer.durable_seq)
    assert await Snapshots(pool).seqs() == taken[: -KEPT_SNAPSHOTS - 1 : -1]


async def test_the_same_snapshot_twice_is_kept_once(
    stopped: ExchangeDriver, pool: asyncpg.Pool
) -> None:
    snapshots = Snapshots(pool)
    seqs = await snapshots.seqs()
    assert await recovery.follow(Journal(pool), snapshots) == seqs[0]
    assert await snapshots.seqs() == seqs


async def test_a_snapshot_beyond_the_journals_end_means_lost_rows(
    stopped: ExchangeDriver, owner: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    await owner.execute("UPDATE exchange.snapshot SET seq = seq + 1")
    with pytest.raises(JournalBroken, match="acknowledged rows are missing") as broken:
        await start_seq(pool)
    assert broken.value.seq == stopped.exchange.sequencer.durable_seq + 1
