"""The running exchange: recovered, leading, serving; the one object that the edge talks to.

    start: claim the lease -> recover -> LeaderStarted -> refuse what was quarantined -> serve
    stop:  take nothing more -> drain -> snapshot -> release the lease

Commands go in by `submit`; everything read comes from `read`, which released steps alone feed.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable

import asyncpg
import msgspec
import structlog

from engine.codes import HaltCause
from engine.commands import (
    ALL_INSTRUMENTS,
    SYSTEM_ACTOR,
    AnyCommand,
    HaltTrading,
    LeaderStarted,
    RefuseRequest,
)
from engine.events import DayEnded, RequestRepeated
from engine.released import Released
from exchange.clock import Clock
from exchange.committer import Committer
from exchange.faults import ClockUnusable, OutcomeUnknown, Unavailable
from exchange.feed import JournalFeed, released
from exchange.journal import Journal
from exchange.lease import Lease
from exchange.readmodel.model import Changes, ReadModel
from exchange.recovery import Progress, recover
from exchange.sequencer import Sequencer
from exchange.snapshots import Snapshots

TICK_SECONDS = 0.05
MAX_CLOCK_DIFFERENCE_NS = 2_000_000_000
SNAPSHOT_EVERY_COMMANDS = 50_000

log = structlog.get_logger()

Listener = Callable[[Released, Changes], None]


class Outcome(msgspec.Struct, frozen=True):
    """What came of a command; is_repeated when the same request was answered before."""

    step: Released
    is_repeated: bool


class Exchange:
    """The exchange as one process runs it."""

    running: asyncio.Task[None]
    """Ends when the exchange stops; its exception says why it could not go on."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        clock: Clock,
        take_snapshot: Callable[[], Awaitable[None]],
        progress: Progress,
    ) -> None:
        """`take_snapshot` has a follower take one, away from this process's event loop."""
        self._journal = Journal(pool)
        self._lease = Lease(pool)
        self._snapshots = Snapshots(pool)
        self._clock = clock
        self._take_snapshot = take_snapshot
        self._progress = progress
        self._listeners: list[Listener] = []
        self._is_clock_halted = False
        self._snapshot_due = asyncio.Event()
        self._snapshot_seq = 0
        self.read = ReadModel()
        self.recovered_seq = 0

    async def start(self) -> None:
        """Recover and take the lead; raises JournalBroken or ClockUnusable and opens nothing."""
        head = await self._lease.claim(f"{socket.gethostname()}:{os.getpid()}")
        keeper = asyncio.create_task(self._keep_lease(head.epoch))
        try:
            state = await recover(self._journal, self._snapshots, head, self._progress)
        finally:
            keeper.cancel()
        self._check_clock(state.engine.market.clock_ns)
        self._engine = state.engine
        self.read = state.read
        self.recovered_seq = self._snapshot_seq = state.seq
        self.sequencer = Sequencer(state.engine, self._clock, head)
        self.sequencer.listen(self._on_released)
        self.feed = JournalFeed(self._journal, self.sequencer)
        self._committer = Committer(
            self.sequencer, self._journal, self._lease, self._on_database_time
        )
        self.sequencer.take_lead(LeaderStarted(head.epoch))
        await self._refuse_quarantined(state.engine.market.last_quarantine_id)
        self.running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop in order: what was acknowledged is durable and a snapshot holds the state."""
        self.sequencer.stop_taking("the exchange is stopping")
        await asyncio.wait([self.running])
        if self.running.exception() is not None:
            return
        await self._committer.drain()
        sequencer = self.sequencer
        await self._snapshots.save(
            sequencer.durable_seq,
            sequencer.durable_chain,
            self._engine.to_record(),
            self.read.to_record(),
        )
        await self._lease.release(sequencer.epoch)

    def listen(self, listener: Listener) -> None:
        """Call `listener` with each released step and what it changed, in order."""
        self._listeners.append(listener)

    async def submit(self, actor: str, request_id: str, body: AnyCommand) -> Outcome:
        """Sequence a command and wait until it is durable.

        Raises Unavailable (nothing happened) or OutcomeUnknown (ask by request id).  A repeated
        request gets the first answer, read back from the journal.
        """
        step = await asyncio.shield(self.sequencer.submit(actor, request_id, body))
        first = step.events[0] if step.events else None
        if not isinstance(first, RequestRepeated):
            return Outcome(step, is_repeated=False)
        row = await self._journal.read(first.original_seq)
        if row is None:
            raise OutcomeUnknown(f"row {first.original_seq} is not in the journal")
        return Outcome(released(row), is_repeated=True)

    def journal_status(self) -> dict[str, int | str]:
        """Where the journal stands, for operators."""
        sequencer = self.sequencer
        return {
            "durable_seq": sequencer.durable_seq,
            "epoch": sequencer.epoch,
            "chain": sequencer.durable_chain.hex(),
            "pending": sequencer.pending_count,
            "stalled": sequencer.stalled,
            "recovered_seq": self.recovered_seq,
            "snapshot_seq": self._snapshot_seq,
        }

    # --- inside -------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Serve until stopped; raises LeaseLost or EngineBroken when there is no way on."""
        helpers = [asyncio.create_task(self._tick()), asyncio.create_task(self._follow())]
        try:
            await self._committer.run()
        finally:
            for helper in helpers:
                helper.cancel()

    async def _keep_lease(self, epoch: int) -> None:
        while True:
            await self._lease.renew(epoch)
            await asyncio.sleep(0.5)

    def _check_clock(self, last_ns: int) -> None:
        self._clock.resume_after(last_ns)
        ahead_ns = last_ns - self._clock.now_ns()
        if ahead_ns > MAX_CLOCK_DIFFERENCE_NS:
            raise ClockUnusable(
                f"the journal's last time is {ahead_ns // 1_000_000_000} s ahead of this clock"
            )

    async def _refuse_quarantined(self, last_quarantine_id: int) -> None:
        for number, case in await self._journal.quarantined_after(last_quarantine_id):
            log.error("request_quarantined", request_id=case.request_id, error=case.error)
            body = RefuseRequest(number, case.scope, case.request_id, case.instrument_id)
            self.sequencer.submit(SYSTEM_ACTOR, "", body)

    def _on_released(self, step: Released) -> None:
        changes = self.read.apply(step)
        for listener in self._listeners:
            listener(step, changes)
        is_day_end = any(isinstance(event, DayEnded) for event in step.events)
        if is_day_end or step.seq - self._snapshot_seq >= SNAPSHOT_EVERY_COMMANDS:
            self._snapshot_seq = step.seq
            self._snapshot_due.set()

    def _on_database_time(self, ahead_ns: int) -> None:
        """Halt once when this machine's clock and the database's part."""
        is_apart = abs(ahead_ns) > MAX_CLOCK_DIFFERENCE_NS
        if is_apart and not self._is_clock_halted:
            note = f"clock differs by {ahead_ns} ns from the database's"
            log.error("clock_jump", ahead_ns=ahead_ns)
            body = HaltTrading(ALL_INSTRUMENTS, HaltCause.TECHNICAL, note)
            self.sequencer.submit(SYSTEM_ACTOR, "", body)
        self._is_clock_halted = is_apart

    async def _tick(self) -> None:
        """Let time pass in silence."""
        while not self.sequencer.stopped:
            try:
                self.sequencer.tick()
            except OutcomeUnknown:
                return
            await asyncio.sleep(TICK_SECONDS)

    async def _follow(self) -> None:
        """Have a follower take snapshots: at each day's end and every so many commands."""
        while True:
            await self._snapshot_due.wait()
            self._snapshot_due.clear()
            try:
                await self._take_snapshot()
            except (OSError, Unavailable) as error:
                log.warning("snapshot_failed", error=str(error))
