"""The released feed: what consumers with a watermark of their own read from the journal."""

import asyncio

import pytest

from engine.released import Released
from exchange.faults import OutcomeUnknown
from tests.exchange_driver import running
from tests.seeded import FIRST_SEED, seeded


async def test_the_feed_gives_every_released_step_once_and_in_order(dsn: str) -> None:
    async with running(dsn) as driver:
        heard = []
        driver.exchange.listen(lambda step, _changes: heard.append(step))
        start = driver.exchange.sequencer.durable_seq
        trading = asyncio.create_task(driver.trade(seeded(FIRST_SEED), 150))
        read: list[Released] = []
        feed = driver.exchange.feed
        while not trading.done() or driver.exchange.sequencer.durable_seq > start + len(read):
            page = await feed.read_after(start + len(read), 17)
            assert len(page) <= 17
            read += page
            if not page and not trading.done():
                await feed.wait_beyond(start + len(read))
        await trading
        assert read == heard
        assert [step.seq for step in read] == list(range(start + 1, start + 1 + len(read)))


async def test_from_the_beginning_the_feed_is_the_whole_journal(dsn: str) -> None:
    async with running(dsn) as driver:
        steps = await driver.exchange.feed.read_after(0, 10_000)
        assert [step.seq for step in steps] == list(range(1, len(steps) + 1))
        assert steps[-1].seq == driver.exchange.sequencer.durable_seq
        assert await driver.exchange.feed.read_after(len(steps), 10) == []


async def test_waiting_for_more_ends_with_a_step_or_with_the_exchange(dsn: str) -> None:
    async with running(dsn) as driver:
        feed, seq = driver.exchange.feed, driver.exchange.sequencer.durable_seq
        await feed.wait_beyond(seq - 1)
        waiting = asyncio.create_task(feed.wait_beyond(seq))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await driver.say("A buys 1@9000")
        await asyncio.wait_for(waiting, 5)
        waiting = asyncio.create_task(feed.wait_beyond(driver.exchange.sequencer.durable_seq))
        await asyncio.sleep(0)
        await driver.stop()
        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(waiting, 5)
