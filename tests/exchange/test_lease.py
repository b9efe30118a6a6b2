"""The lease and its fence, on a real PostgreSQL: who may write, and that nobody else can."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
import pytest_asyncio

from engine import ENGINE_VERSION
from exchange import lease as module
from exchange.chain import GENESIS, link
from exchange.database import open_pool
from exchange.embedded import EmbeddedPostgres
from exchange.faults import LeaseLost
from exchange.journal import Head, Journal, QuarantineCase, Row
from exchange.lease import Lease
from exchange.statements import timely
from migrations.upgrade import upgrade

WRITER = "jingtan_journal_writer"
DATABASE = "lease_tests"


@pytest.fixture(scope="module")
def lease_dsn(shared_server: str) -> Iterator[str]:
    """One database for all of these tests: its journal grows from test to test."""
    create = f"CREATE DATABASE {DATABASE} TEMPLATE migrated STRATEGY FILE_COPY"
    asyncio.run(execute(shared_server, create))
    yield shared_server.replace("/postgres?", f"/{DATABASE}?")
    asyncio.run(execute(shared_server, f"DROP DATABASE {DATABASE} WITH (FORCE)"))


@pytest_asyncio.fixture
async def pool(lease_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """The writer's connections; nobody holds the lease."""
    pool = await open_pool(lease_dsn, WRITER, min_size=1, max_size=4)
    await expire(pool)
    yield pool
    pool.terminate()


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()


def rows_after(head: Head, count: int, epoch: int = 0) -> list[Row]:
    """The next rows of a journal, chained."""
    rows: list[Row] = []
    chain = head.last_chain
    for seq in range(head.last_seq + 1, head.last_seq + count + 1):
        command, events = f"command {seq}".encode(), b"[]"
        epoch = epoch or head.epoch
        chain = link(chain, seq, epoch, command, events)
        rows.append(Row(seq, epoch, ENGINE_VERSION, seq, 20240506, command, events, chain))
    return rows


async def expire(pool: asyncpg.Pool) -> None:
    await pool.execute("UPDATE exchange.lease SET expires_at = '-infinity'")


# --- the lease ------------------------------------------------------------------------------------


async def test_the_first_leader_gets_epoch_one_and_an_empty_journal(dsn: str) -> None:
    pool = await open_pool(dsn, WRITER, min_size=1, max_size=1)
    assert await Lease(pool).claim("a") == Head(1, 0, GENESIS)
    assert await Lease(pool).holder() == "a"
    pool.terminate()


async def test_a_lease_in_force_is_waited_for(pool: asyncpg.Pool) -> None:
    lease = Lease(pool)
    first = await lease.claim("a")
    second = asyncio.create_task(lease.claim("b"))
    await asyncio.sleep(3 * module.CLAIM_POLL_SECONDS)
    assert not second.done()
    await lease.renew(first.epoch)
    await lease.release(first.epoch)
    assert (await second).epoch == first.epoch + 1
    assert await lease.holder() == "b"


async def test_a_lease_expires_by_itself(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEASE_SECONDS", 0.3)
    first = await Lease(pool).claim("a")
    started = time.monotonic()
    second = await Lease(pool).claim("b")
    assert 0.2 < time.monotonic() - started < 5
    assert second.epoch == first.epoch + 1


async def test_of_many_that_want_a_free_lease_one_gets_it(pool: asyncpg.Pool) -> None:
    claims = [asyncio.create_task(Lease(pool).claim(str(n))) for n in range(8)]
    done, waiting = await asyncio.wait(claims, timeout=0.5)
    for claim in waiting:
        claim.cancel()
    (claimed,) = [claim.result() for claim in done]
    assert await Journal(pool).head() == claimed


async def test_who_was_replaced_can_neither_renew_nor_give_the_lease_away(
    pool: asyncpg.Pool,
) -> None:
    lease = Lease(pool)
    first = await lease.claim("a")
    await expire(pool)
    second = await lease.claim("b")
    with pytest.raises(LeaseLost):
        await lease.renew(first.epoch)
    await lease.release(first.epoch)
    third = asyncio.create_task(lease.claim("c"))
    await asyncio.sleep(2 * module.CLAIM_POLL_SECONDS)
    assert not third.done()
    third.cancel()
    await lease.renew(second.epoch)


async def test_an_expired_lease_that_nobody_took_is_still_kept(pool: asyncpg.Pool) -> None:
    lease, journal = Lease(pool), Journal(pool)
    head = await lease.claim("a")
    await expire(pool)
    await journal.append(head.epoch, head.last_seq, rows_after(head, 1))
    late = asyncio.create_task(lease.claim("b"))
    await asyncio.sleep(2 * module.CLAIM_POLL_SECONDS)
    assert not late.done()  # the append renewed it
    late.cancel()


async def test_renewal_tells_the_databases_time(pool: asyncpg.Pool) -> None:
    lease = Lease(pool)
    head = await lease.claim("a")
    before = time.time_ns() // 1_000
    assert before - 10 <= await lease.renew(head.epoch) <= time.time_ns() // 1_000 + 10


# --- the fence ------------------------------------------------------------------------------------


async def test_an_append_moves_the_lease_row_with_the_rows(pool: asyncpg.Pool) -> None:
    journal = Journal(pool)
    head = await Lease(pool).claim("a")
    rows, end = rows_after(head, 3), head.last_seq
    await journal.append(head.epoch, end, rows)
    assert await journal.head() == Head(head.epoch, end + 3, rows[-1].chain)
    assert await journal.read_after(end, 10) == rows
    assert await journal.read_after(end + 1, 1) == rows[1:2]
    assert await journal.read(end + 2) == rows[1]
    assert await journal.read(end + 4) is None


async def test_the_same_batch_twice_is_written_once(pool: asyncpg.Pool) -> None:
    journal = Journal(pool)
    head = await Lease(pool).claim("a")
    rows = rows_after(head, 3)
    await journal.append(head.epoch, head.last_seq, rows)
    with pytest.raises(LeaseLost):
        await journal.append(head.epoch, head.last_seq, rows)
    assert await journal.read_after(head.last_seq, 10) == rows


async def test_a_replaced_leader_writes_nothing(pool: asyncpg.Pool) -> None:
    lease, journal = Lease(pool), Journal(pool)
    first = await lease.claim("a")
    await expire(pool)
    second = await lease.claim("b")
    with pytest.raises(LeaseLost):
        await journal.append(first.epoch, first.last_seq, rows_after(first, 2))
    assert await journal.read_after(first.last_seq, 10) == []
    await journal.append(second.epoch, second.last_seq, rows_after(second, 1))
    assert (await journal.head()).epoch == second.epoch


async def test_of_two_leaders_that_write_at_once_one_gets_through(pool: asyncpg.Pool) -> None:
    journal = Journal(pool)
    head = await Lease(pool).claim("a")
    batches = [rows_after(head, count) for count in range(1, 9)]
    tries = [journal.append(head.epoch, head.last_seq, rows) for rows in batches]
    ends = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(end) for end in ends].count(LeaseLost) == len(batches) - 1
    (winner,) = [rows for rows, end in zip(batches, ends, strict=True) if end is None]
    assert await journal.read_after(head.last_seq, 10) == winner


async def test_a_row_that_does_not_fit_takes_its_batch_and_the_lease_row_back(
    pool: asyncpg.Pool,
) -> None:
    journal = Journal(pool)
    head = await Lease(pool).claim("a")
    rows = rows_after(head, 2)
    rows[1] = rows[0]
    with pytest.raises(asyncpg.UniqueViolationError):
        await journal.append(head.epoch, head.last_seq, rows)
    assert await journal.head() == head


async def test_the_head_waits_for_a_statement_that_is_still_at_work(pool: asyncpg.Pool) -> None:
    journal = Journal(pool)
    head = await Lease(pool).claim("a")
    async with pool.acquire() as other:
        async with other.transaction():
            await other.execute("UPDATE exchange.lease SET epoch = epoch + 1")
            asking = asyncio.create_task(journal.head())
            await asyncio.sleep(0.1)
            assert not asking.done()
        assert (await asking).epoch == head.epoch + 1


async def test_quarantined_cases_are_kept_in_order(pool: asyncpg.Pool) -> None:
    journal = Journal(pool)
    cases = [QuarantineCase("s", f"r{n}", "BEA-2024", b"{}", "error") for n in range(3)]
    for case in cases:
        await journal.quarantine(1, 0, case)
    found = await journal.quarantined_after(0)
    assert [case for _, case in found] == cases  # the only ones of these tests
    assert await journal.quarantined_after(found[1][0]) == found[2:]


# --- statements that end in time ------------------------------------------------------------------


async def test_a_frozen_server_holds_no_statement_longer_than_its_time(
    postgres: EmbeddedPostgres,
) -> None:
    await upgrade(postgres.dsn)
    pool = await open_pool(postgres.dsn, WRITER, min_size=2, max_size=2)
    postmaster = postgres.postmaster_pid
    assert postmaster is not None
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(postmaster)], capture_output=True, text=True, check=True
    )
    frozen = [postmaster, *map(int, children.stdout.split())]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    started = time.monotonic()
    try:
        for _ in range(3):  # more than there are connections: none is lost to the pool
            with pytest.raises(TimeoutError):
                async with timely(pool, 0.2) as connection:
                    await connection.execute("SELECT 1")
        assert time.monotonic() - started < 3
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    async with timely(pool) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    pool.terminate()


async def test_a_statement_that_fails_costs_no_connection(pool: asyncpg.Pool) -> None:
    async with timely(pool) as connection:
        pid = connection.get_server_pid()
    for _ in range(3):
        with pytest.raises(asyncpg.UndefinedTableError):
            async with timely(pool) as connection:
                await connection.execute("SELECT * FROM nowhere")
    async with timely(pool) as connection:
        assert connection.get_server_pid() == pid
