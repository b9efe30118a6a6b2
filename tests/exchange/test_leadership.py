"""Who leads, on a real PostgreSQL: frozen leaders, waiting ones, long recoveries."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from exchange import lease, recovery, service
from exchange.database import open_pool
from exchange.faults import JournalBroken, LeaseLost, OutcomeUnknown, Unavailable
from exchange.journal import LEASE_SECONDS, Journal, Row
from exchange.lease import Lease
from tests.exchange.service_world import WRITER, buy, gated, read_rows, replayed
from tests.exchange_driver import ExchangeDriver, expire_lease

WAIT_SECONDS = 20
"""Bound of every wait: a test that waits for ever would stop all others."""


async def test_a_frozen_leader_is_replaced_and_acknowledges_nothing_when_it_thaws(
    driver: ExchangeDriver,
) -> None:
    async with gated(driver) as (first, gate):
        await first.submit(*buy("before"))
        gate.gate.clear()
        asking = asyncio.create_task(first.submit(*buy("during")))
        await driver.start()  # waits until the lease has expired
        assert driver.exchange.sequencer.epoch == first.sequencer.epoch + 1
        await driver.exchange.submit(*buy("after"))
        assert not asking.done()
        gate.gate.set()
        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(asking, 5)
        with pytest.raises(LeaseLost):
            await asyncio.wait_for(first.running, 5)
        with pytest.raises(Unavailable):
            await first.submit(*buy("too late"))
        known = driver.exchange.read.order_of_client_id
        assert {name for _, name in known} >= {"before", "after"}
        assert ("A", "during") not in known
        await driver.exchange.submit(*buy("still leading"))


async def test_a_second_process_waits_until_the_first_gives_the_lease_back(
    driver: ExchangeDriver,
) -> None:
    other = ExchangeDriver(driver.dsn)
    waiting = asyncio.create_task(other.start())
    await asyncio.sleep(LEASE_SECONDS + 0.5)
    assert not waiting.done()
    await driver.say("A buys 5@9000")
    digest = driver.digest()
    await driver.stop()
    await asyncio.wait_for(waiting, 5)
    assert other.exchange.read.seq >= driver.exchange.sequencer.durable_seq
    assert digest == driver.digest()
    await other.end()


async def test_a_recovery_longer_than_the_lease_keeps_it(
    driver: ExchangeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await driver.stop()
    await replayed(driver)  # without a snapshot, there is something to replay
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.4)
    monkeypatch.setattr(service, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(recovery, "PAGE_ROWS", 20)
    replay = recovery.Recovered.replay

    def slowly(state: recovery.Recovered, rows: list[Row]) -> None:
        busy_until = time.monotonic() + 0.7
        while time.monotonic() < busy_until:
            pass  # it computes: sleeping would let others run
        replay(state, rows)

    monkeypatch.setattr(recovery.Recovered, "replay", slowly)
    started, over = threading.Event(), threading.Event()
    watching = asyncio.create_task(
        asyncio.to_thread(asyncio.run, free_moments(driver.dsn, started, over))
    )
    await asyncio.to_thread(started.wait)
    await driver.start()
    over.set()
    assert await watching == 0


async def free_moments(dsn: str, started: threading.Event, over: threading.Event) -> int:
    """How often the lease was free, once it had been taken; watched from another loop."""
    connection = await asyncpg.connect(dsn)
    free = "SELECT expires_at <= clock_timestamp() FROM exchange.lease"
    started.set()
    while await connection.fetchval(free):
        pass
    found = 0
    while not over.is_set():
        found += await connection.fetchval(free)
        await asyncio.sleep(0.02)
    await connection.close()
    return found


async def test_a_recovery_survives_renewals_that_fail(
    driver: ExchangeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await driver.stop()
    failures = [OSError("gone"), asyncpg.InterfaceError("busy")]
    renewed = asyncio.Event()
    renew, first_broken_row = Lease.renew, Journal.first_broken_row

    async def unsteady(kept: Lease, epoch: int) -> int:
        if failures:
            raise failures.pop()
        renewed.set()
        return await renew(kept, epoch)

    async def held(journal: Journal, *args: Any) -> Any:
        await asyncio.wait_for(renewed.wait(), 5)
        return await first_broken_row(journal, *args)

    monkeypatch.setattr(Lease, "renew", unsteady)
    monkeypatch.setattr(Journal, "first_broken_row", held)
    monkeypatch.setattr(service, "RENEW_SECONDS", 0.01)
    await driver.start()
    await driver.say("A buys 5@9000")


class HeldLeader:
    """A leader held up in its recovery, and cut off from its lease until it is reconnected."""

    def __init__(self) -> None:
        self.held_up, self.go_on = asyncio.Event(), asyncio.Event()
        self.reconnected, self.has_found_out = asyncio.Event(), asyncio.Event()
        self._epoch = 0

    def plant(self, patch: pytest.MonkeyPatch) -> None:
        first_broken_row, renew = Journal.first_broken_row, Lease.renew

        async def held(journal: Journal, *args: Any) -> Any:
            if not self.held_up.is_set():
                self.held_up.set()
                await self.go_on.wait()
            return await first_broken_row(journal, *args)

        async def cut_off(kept: Lease, epoch: int) -> int:
            self._epoch = self._epoch or epoch
            if epoch == self._epoch:
                await self.reconnected.wait()
            try:
                return await renew(kept, epoch)
            except LeaseLost:
                self.has_found_out.set()
                raise

        patch.setattr(Journal, "first_broken_row", held)
        patch.setattr(Lease, "renew", cut_off)


@asynccontextmanager
async def held_in_recovery(
    driver: ExchangeDriver, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple["asyncio.Task[None]", HeldLeader]]:
    """The driver's start, held up until the end of the block; its lease has expired meanwhile."""
    leader = HeldLeader()
    leader.plant(monkeypatch)
    starting = asyncio.create_task(driver.start())
    await asyncio.wait_for(leader.held_up.wait(), WAIT_SECONDS)
    await expire_lease(driver.dsn)
    async with asyncio.timeout(WAIT_SECONDS):
        yield starting, leader
        leader.go_on.set()
        await asyncio.wait([starting])


async def test_a_leader_replaced_while_it_recovers_says_so_and_does_not_blame_the_journal(
    driver: ExchangeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await driver.stop()
    rival = ExchangeDriver(driver.dsn)
    rival.clock = driver.clock
    async with held_in_recovery(driver, monkeypatch) as (starting, _):
        await rival.start()
        await rival.say("A buys 5@9000")
    assert isinstance(starting.exception(), LeaseLost)
    await rival.say("A buys 5@9000")
    await rival.end()


async def test_a_leader_that_finds_its_lease_gone_after_recovery_does_not_start(
    driver: ExchangeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await driver.stop()
    pool = await open_pool(driver.dsn, WRITER, min_size=1, max_size=1)
    async with held_in_recovery(driver, monkeypatch) as (starting, leader):
        rival = await Lease(pool).claim("rival")
        leader.reconnected.set()
        await leader.has_found_out.wait()
    assert isinstance(starting.exception(), LeaseLost)
    await Lease(pool).renew(rival.epoch)
    pool.terminate()


async def test_a_row_beyond_the_end_that_no_later_leader_wrote_is_damage(
    driver: ExchangeDriver,
) -> None:
    await driver.stop()
    last = (await read_rows(driver))[-1]
    connection = await asyncpg.connect(driver.dsn)
    await connection.execute(
        "INSERT INTO exchange.journal SELECT seq + 1, epoch, engine_version, schema_version,"
        " timestamp_ns, trading_day, command, events, chain FROM exchange.journal WHERE seq = $1",
        last.seq,
    )
    await connection.close()
    with pytest.raises(JournalBroken) as broken:
        await driver.start()
    assert broken.value.seq == last.seq + 1
