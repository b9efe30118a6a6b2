"""The real exchange inside a test: on a database, started, stopped, killed, and given commands.

    async with running(dsn) as driver:      # founded, in its first session, A, B and C funded
        await driver.say("A buys 5@10000")
        await driver.revive()               # SIGKILL and restart, without waiting for the lease
        assert driver.digest() == before

People, days and instruments are those of tests/market_driver.py.  Market time is a DemoClock that
starts on 2024-05-06 and stands still while the exchange is down.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from engine import commands as c
from engine.calendar import NEVER_NS
from engine.codes import Phase, Side
from engine.engine import Engine
from engine.released import Released
from exchange.clock import DemoClock
from exchange.database import open_pool
from exchange.faults import OutcomeUnknown, Unavailable
from exchange.journal import Journal
from exchange.recovery import follow
from exchange.service import Exchange, Outcome
from exchange.snapshots import Snapshots
from tests.market_driver import (
    INSTRUMENT,
    MIDNIGHT,
    OPERATORS,
    MarketDriver,
    closed_market,
    parse_order,
)

PARTICIPANTS = ("A", "B", "C")
CLOCK_COMMANDS = (c.AdvanceClock, c.LeaderStarted)
"""What the exchange sequences by itself."""


async def writer_pool(dsn: str) -> asyncpg.Pool:
    """Connections as the exchange has them."""
    return await open_pool(dsn, "jingtan_journal_writer", min_size=2, max_size=4)


class ExchangeDriver:
    """One exchange on one database; at most one life at a time."""

    exchange: Exchange
    """The one of this life."""

    def __init__(
        self,
        dsn: str,
        start_ns: int = MIDNIGHT,
        connect: Callable[[str], Awaitable[asyncpg.Pool]] = writer_pool,
    ) -> None:
        """`connect` may give connections with faults in them."""
        self.dsn = dsn
        self._connect = connect
        self.clock = DemoClock(start_ns)
        self.acknowledged: list[Released] = []
        """Every step whose submitter was told that it is durable, over all lives."""
        self._pool: asyncpg.Pool | None = None
        self._requests = 0

    # --- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Recover and lead, once the lease is free; raises what Exchange.start raises.

        Returns when the record of this leadership is durable.
        """
        assert self._pool is None, "it runs already"
        self._pool = await self._connect(self.dsn)
        self.exchange = Exchange(self._pool, self.clock, self.take_snapshot, lambda *_: None)
        try:
            await self.exchange.start()
        except BaseException:
            self._drop_pool()
            raise
        await self.all_durable()

    async def stop(self) -> None:
        """Stop in order: drain, snapshot, give the lease back."""
        await self.exchange.stop()
        self._drop_pool()

    async def kill(self) -> None:
        """End as by SIGKILL: no drain, no snapshot; the lease runs on until it expires."""
        self.exchange.running.cancel()
        self.exchange.sequencer.stop("killed")
        await asyncio.wait([self.exchange.running])
        self._drop_pool()

    async def revive(self) -> None:
        """Kill and start again without waiting for the lease."""
        await self.kill()
        await expire_lease(self.dsn)
        await self.start()

    async def end(self) -> None:
        """Leave nothing running, whatever state it is in."""
        if self._pool is not None:
            await self.kill()

    async def take_snapshot(self) -> None:
        """Replay what is durable beside the exchange and leave a snapshot, as a follower does."""
        assert self._pool is not None
        await follow(Journal(self._pool), Snapshots(self._pool))

    # --- commands -----------------------------------------------------------------------------

    async def submit(self, actor: str, body: c.AnyCommand, request_id: str = "") -> Outcome:
        """Sequence one command now and wait until it is durable."""
        if isinstance(body, c.EnterOrder):
            request_id = body.client_order_id
        outcome = await self.exchange.submit(actor, request_id, body)
        self.acknowledged.append(outcome.step)
        return outcome

    async def say(self, text: str) -> Released:
        """Enter an order written as text, such as "A buys 5@10000"."""
        participant, side, quantity, price, time_in_force = parse_order(text)
        name = self.new_name()
        body = c.EnterOrder(participant, name, INSTRUMENT, side, price, quantity, time_in_force)
        return (await self.submit(f"trader-{participant}", body)).step

    async def act(self, act: c.Act, signers: tuple[str, str] = OPERATORS) -> Released:
        """Propose and approve; returns the approval's step."""
        proposed = await self.submit(signers[0], c.ProposeAct(act, "test"))
        act_id = proposed.step.events[0].act_id  # type: ignore[union-attr]
        return (await self.submit(signers[1], c.ApproveAct(act_id))).step

    async def repeat(self, market: MarketDriver) -> None:
        """Do to an empty exchange what was done to a market in memory, at the same times.

        Order, act and deposit ids come out the same.
        """
        for envelope, _ in market.log:
            if not isinstance(envelope.body, CLOCK_COMMANDS):
                self.clock.leap_to(envelope.timestamp_ns)
                await self.submit(envelope.actor, envelope.body, envelope.request_id)

    async def trade(self, chance: random.Random, count: int, at_once: int = 50) -> None:
        """`count` random orders and cancels of A, B and C, `at_once` of them in flight."""
        while count > 0:
            size = min(count, at_once)
            await asyncio.gather(*(self._trade_once(chance) for _ in range(size)))
            count -= size

    async def trade_until_gone(self, chance: random.Random) -> None:
        """Trade without a pause until the exchange takes nothing more; for load in a task."""
        while True:
            try:
                await self.trade(chance, 20, at_once=20)
            except (Unavailable, OutcomeUnknown):
                return

    def new_name(self) -> str:
        """A client order id that was not used before."""
        self._requests += 1
        return f"x{self._requests}"

    # --- time ---------------------------------------------------------------------------------

    async def next_boundary(self) -> None:
        """Leap to the next deadline; returns once what was due is durable."""
        sequencer = self.exchange.sequencer
        assert sequencer.next_deadline() != NEVER_NS
        self.clock.leap_to(sequencer.next_deadline())
        sequencer.tick()
        await self.all_durable()

    async def all_durable(self) -> None:
        """Return once everything that is sequenced now is durable."""
        sequencer = self.exchange.sequencer
        await sequencer.wait_durable(sequencer.sequenced_seq)

    async def open_day(self) -> None:
        """Leap until a session is open."""
        while not self._is_in(Phase.CONTINUOUS):
            await self.next_boundary()

    async def end_day(self) -> None:
        """Leap until the trading day is over."""
        while not self._is_in(Phase.CLOSED):
            await self.next_boundary()

    # --- looking ------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        """The engine itself, which may be ahead of what is durable."""
        return self.exchange._engine

    def digest(self) -> bytes:
        """The engine's state digest."""
        return self.engine.state_digest()

    # --- inside -------------------------------------------------------------------------------

    def _is_in(self, phase: Phase) -> bool:
        return any(view.phase is phase for view in self.exchange.read.instruments.values())

    async def _trade_once(self, chance: random.Random) -> None:
        participant = chance.choice(PARTICIPANTS)
        own = self.exchange.read.orders_of.get(participant, {})
        if own and chance.random() < 0.2:
            cancel = c.CancelOrder(participant, chance.choice(list(own)))
            await self.submit(f"trader-{participant}", cancel)
            return
        side = chance.choice(list(Side))
        price, quantity = chance.randint(9_980, 10_020), chance.randint(1, 9)
        verb = "buys" if side is Side.BUY else "sells"
        await self.say(f"{participant} {verb} {quantity}@{price}")

    def _drop_pool(self) -> None:
        assert self._pool is not None
        self._pool.terminate()
        self._pool = None


@asynccontextmanager
async def running(dsn: str, market: MarketDriver | None = None) -> AsyncIterator[ExchangeDriver]:
    """An exchange that has repeated `market` (closed_market() by default) and opened its day."""
    driver = ExchangeDriver(dsn)
    await driver.start()
    try:
        await driver.repeat(market if market is not None else closed_market())
        await driver.open_day()
        yield driver
    finally:
        await driver.end()


async def expire_lease(dsn: str) -> None:
    """As if the lease's time had passed since its holder died."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("UPDATE exchange.lease SET expires_at = '-infinity'")
    finally:
        await connection.close()
