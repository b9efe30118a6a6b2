"""Row A5: recovery that is cut short, corrupt snapshots, a snapshot beyond the journal's end."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from engine.engine import Engine
from exchange.database import normalise_dsn
from exchange.faults import JournalBroken
from exchange.journal import Journal, Row
from exchange.recovery import Recovered, recover
from exchange.snapshots import Snapshots
from exchange.verifier import verify_database
from tests.exchange_driver import ExchangeDriver, expire_lease, writer_pool
from tests.reliability.damage import GUARD_OFF, build_journal
from tests.seeded import FIRST_SEED, seeded

SERVER_SETTINGS = {"role": "jingtan_journal_writer", "timezone": "UTC"}


@pytest_asyncio.fixture
async def stored(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection to a database with a journal at rest and several snapshots."""
    await build_journal(dsn, seeded(FIRST_SEED))
    await expire_lease(dsn)
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


# --- crashes ----------------------------------------------------------------------------------


class Crash:
    """Ends all connections of a process at its n-th statement, before or after it took effect."""

    def __init__(self, at_statement: int, *, is_after: bool) -> None:
        self._left = at_statement
        self._is_after = is_after
        self.happened = asyncio.Event()
        self._pool: asyncpg.Pool | None = None

    async def connect(self, dsn: str) -> asyncpg.Pool:
        """The pool of the process that will crash."""
        crash = self

        class Connection(asyncpg.Connection):
            async def execute(self, *args: Any, **how: Any) -> Any:
                return await crash.step(super().execute(*args, **how))

            async def fetch(self, *args: Any, **how: Any) -> Any:
                return await crash.step(super().fetch(*args, **how))

            async def fetchrow(self, *args: Any, **how: Any) -> Any:
                return await crash.step(super().fetchrow(*args, **how))

            async def fetchval(self, *args: Any, **how: Any) -> Any:
                return await crash.step(super().fetchval(*args, **how))

        self._pool = await asyncpg.create_pool(
            normalise_dsn(dsn),
            min_size=2,
            max_size=4,
            connection_class=Connection,
            server_settings=SERVER_SETTINGS,
        )
        return self._pool

    async def step(self, statement: Any) -> Any:
        """Carry out one statement, unless this is where the process ends."""
        self._left -= 1
        if self._left > 0:
            return await statement
        if self._left == 0 and self._is_after:
            await statement
        else:
            statement.close()
        assert self._pool is not None
        self._pool.terminate()
        self.happened.set()
        raise ConnectionError("the process is gone")


async def start_with(crash: Crash, dsn: str) -> bool:
    """Start an exchange; returns whether it crashed before it led."""
    driver = ExchangeDriver(dsn, connect=crash.connect)
    starting = asyncio.create_task(driver.start())
    crashing = asyncio.create_task(crash.happened.wait())
    await asyncio.wait({starting, crashing}, return_when=asyncio.FIRST_COMPLETED)
    starting.cancel()
    crashing.cancel()
    await asyncio.gather(starting, crashing, return_exceptions=True)
    await driver.end()
    await expire_lease(dsn)
    return crash.happened.is_set()


def market_of(engine: Engine) -> dict[str, Any]:
    """The state but for what each new leadership changes."""
    record: dict[str, Any] = msgspec.to_builtins(engine.to_record(), str_keys=True)
    return {k: v for k, v in record.items() if k not in ("seq", "epoch", "clock_ns")}


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
async def test_a_crash_at_any_statement_of_recovery_changes_nothing(
    dsn: str, stored: asyncpg.Connection, *, is_after: bool
) -> None:
    rows = await stored.fetch("SELECT * FROM exchange.journal ORDER BY seq")
    before = market_of((await recovered(dsn)).engine)
    statement = 1
    while await start_with(Crash(statement, is_after=is_after), dsn):
        statement += 1
        assert statement < 100
    assert statement > 8, "recovery is more than this many statements"

    now = await stored.fetch("SELECT * FROM exchange.journal ORDER BY seq")
    assert now[: len(rows)] == rows
    added = [row["command"] for row in now[len(rows) :]]
    assert all(b'"type":"LeaderStarted"' in command for command in added)
    assert (await verify_database(dsn)).verified
    driver = ExchangeDriver(dsn)
    await driver.start()
    assert market_of(driver.engine) == before
    await driver.end()


# --- snapshots --------------------------------------------------------------------------------


class WatchedJournal(Journal):
    """Remembers from where it was replayed."""

    replayed_after: int | None = None

    async def read_after(self, seq: int, limit: int) -> list[Row]:
        if self.replayed_after is None:
            self.replayed_after = seq
        return await super().read_after(seq, limit)


async def recovered(dsn: str) -> Recovered:
    """What recovery rebuilds."""
    return (await recovered_from(dsn))[0]


async def recovered_from(dsn: str) -> tuple[Recovered, int | None]:
    """What recovery rebuilds, and the seq of the snapshot that it started from."""
    pool = await writer_pool(dsn)
    try:
        journal = WatchedJournal(pool)
        head = await journal.head()
        state = await recover(journal, Snapshots(pool), head, lambda *_: None)
    finally:
        pool.terminate()
    return state, journal.replayed_after


async def snapshot_seqs(connection: asyncpg.Connection) -> list[int]:
    rows = await connection.fetch("SELECT seq FROM exchange.snapshot ORDER BY seq DESC")
    return [row["seq"] for row in rows]


def sealed(state: bytes) -> dict[str, bytes]:
    return {"state": state, "digest": hashlib.sha256(state).digest()}


def corrupt(kind: str, newest: asyncpg.Record, older: asyncpg.Record) -> dict[str, Any]:
    """The columns of the newest snapshot, as this kind of corruption leaves them."""
    state = newest["state"]
    middle = len(state) // 2
    kinds: dict[str, dict[str, Any]] = {
        "a byte altered": {"state": state[:middle] + b"#" + state[middle + 1 :]},
        "state cut": {"state": state[:middle]},
        "state empty": sealed(b""),
        "state is other JSON": sealed(b'{"market":{}}'),
        "digest altered": {"digest": bytes(32)},
        "another chain value": {"chain": bytes(32)},
        "state of another seq": {"state": older["state"], "digest": older["digest"]},
    }
    return kinds[kind]


KINDS = (
    "a byte altered",
    "state cut",
    "state empty",
    "state is other JSON",
    "digest altered",
    "another chain value",
    "state of another seq",
)


async def alter_snapshot(connection: asyncpg.Connection, seq: int, columns: dict[str, Any]) -> None:
    for column, value in columns.items():
        await connection.execute(
            f"UPDATE exchange.snapshot SET {column} = $1 WHERE seq = $2", value, seq
        )


@pytest.mark.parametrize("kind", KINDS)
async def test_a_corrupt_newest_snapshot_gives_way_to_the_one_before(
    kind: str, dsn: str, stored: asyncpg.Connection
) -> None:
    newest, older, *_ = await snapshot_seqs(stored)
    whole, start = await recovered_from(dsn)
    assert start == newest
    rows = await stored.fetch("SELECT * FROM exchange.snapshot ORDER BY seq DESC LIMIT 2")
    await alter_snapshot(stored, newest, corrupt(kind, *rows))
    again, start = await recovered_from(dsn)
    assert start == older
    assert again.engine.state_digest() == whole.engine.state_digest()
    assert again.read.to_record() == whole.read.to_record()


async def test_without_a_good_snapshot_everything_is_replayed(
    dsn: str, stored: asyncpg.Connection
) -> None:
    whole = await recovered(dsn)
    for seq in await snapshot_seqs(stored):
        await alter_snapshot(stored, seq, {"state": b"x"})
    again, start = await recovered_from(dsn)
    assert start == 0
    assert again.engine.state_digest() == whole.engine.state_digest()
    driver = ExchangeDriver(dsn)
    await driver.start()
    await driver.say("A buys 5@10000")
    await driver.end()


async def cut_journal(connection: asyncpg.Connection, end: int) -> None:
    """End the journal at an earlier row without a trace in itself, as a lost disk may do."""
    await connection.execute(GUARD_OFF)
    await connection.execute(f"DELETE FROM exchange.journal WHERE seq > {end}")
    await connection.execute(
        "UPDATE exchange.lease SET (last_seq, last_chain) ="
        " (SELECT seq, chain FROM exchange.journal ORDER BY seq DESC LIMIT 1)"
    )


async def test_a_snapshot_beyond_the_journals_end_keeps_the_market_shut(
    dsn: str, stored: asyncpg.Connection
) -> None:
    newest = (await snapshot_seqs(stored))[0]
    await cut_journal(stored, newest - 1)
    assert (await verify_database(dsn)).verified, "the journal alone does not show the loss"
    driver = ExchangeDriver(dsn)
    with pytest.raises(JournalBroken, match="acknowledged rows are missing") as refusal:
        await driver.start()
    assert refusal.value.seq == newest
    assert await last_seqs(stored) == [newest - 1, newest - 1]


async def test_a_snapshot_of_the_very_last_row_is_a_start(
    dsn: str, stored: asyncpg.Connection
) -> None:
    newest = (await snapshot_seqs(stored))[0]
    await cut_journal(stored, newest)
    state = await recovered(dsn)
    assert (state.seq, await last_seqs(stored)) == (newest, [newest, newest])


async def last_seqs(connection: asyncpg.Connection) -> Sequence[int]:
    """Where the journal and the lease row end."""
    return [
        await connection.fetchval("SELECT max(seq) FROM exchange.journal"),
        await connection.fetchval("SELECT last_seq FROM exchange.lease"),
    ]
