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

from engine.canonical import decode_envelope
from engine.codes import HaltCause
from engine.commands import ALL_INSTRUMENTS, AnyCommand, HaltTrading, RefuseRequest
from engine.engine import instrument_of
from engine.events import DayEnded, RequestRepeated
from engine.released import Released
from exchange.clock import Clock
from exchange.committer import Committer, EngineBroken
from exchange.faults import ClockUnusable, JournalBroken, LeaseLost, OutcomeUnknown, Unavailable
from exchange.feed import JournalFeed, released
from exchange.journal import Journal, QuarantineCase
from exchange.lease import RENEW_SECONDS, Lease
from exchange.readmodel.model import Changes, ReadModel
from exchange.recovery import Progress, recover
from exchange.sequencer import Sequencer
from exchange.snapshots import Snapshots
from exchange.statements import UNKNOWN_RESULT

TICK_SECONDS = 0.05
MAX_CLOCK_DIFFERENCE_NS = 2_000_000_000
SNAPSHOT_EVERY_COMMANDS = 50_000
STOP_SECONDS = 30.0

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
        """Recover and take the lead.

        Raises JournalBroken, ClockUnusable, LeaseLost, EngineBroken or UNKNOWN_RESULT, and opens
        nothing then.
        """
        head = await self._lease.claim(f"{socket.gethostname()}:{os.getpid()}")
        keeping = asyncio.create_task(self._keep_lease(head.epoch))
        try:
            state = await recover(self._journal, self._snapshots, head, self._progress)
        finally:
            keeping.cancel()
            kept = await asyncio.gather(keeping, return_exceptions=True)
        if isinstance(kept[0], LeaseLost):
            raise kept[0]
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
        await self._take_lead()
        self.running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop in order: what was acknowledged is durable and a snapshot holds the state.

        If the database does not answer in STOP_SECONDS, whoever waits learns that nobody knows.
        """
        self.sequencer.stop_taking("the exchange is stopping")
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.wait([self.running])
                if self._is_durable():
                    await self._save_snapshot()
                await self._lease.release(self.sequencer.epoch)
        except UNKNOWN_RESULT as error:
            log.error("stopped_without_the_journal", error=f"{type(error).__name__}: {error}")
        finally:
            self.running.cancel()
            await asyncio.wait([self.running])
            self.sequencer.stop("the exchange has stopped")

    def listen(self, listener: Listener) -> None:
        """Call `listener` with each released step and what it changed, in order."""
        self._listeners.append(listener)

    async def submit(self, actor: str, request_id: str, body: AnyCommand) -> Outcome:
        """Sequence a command and wait until it is durable.

        Raises Unavailable (nothing happened) or OutcomeUnknown (ask by request id).  A repeated
        request gets the first answer, read back from the journal.
        """
        step = await self.sequencer.submit(actor, request_id, body)
        first = step.events[0] if step.events else None
        if not isinstance(first, RequestRepeated):
            return Outcome(step, is_repeated=False)
        try:
            row = await self._journal.read(first.original_seq)
        except UNKNOWN_RESULT as error:
            raise OutcomeUnknown(f"row {first.original_seq} cannot be read") from error
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

    async def _keep_lease(self, epoch: int) -> None:
        """Renew the lease during recovery, which may take longer than the lease lasts."""
        while True:
            try:
                await self._lease.renew(epoch)
            except UNKNOWN_RESULT as error:
                log.warning("lease_not_renewed", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(RENEW_SECONDS)

    def _check_clock(self, last_ns: int) -> None:
        self._clock.resume_after(last_ns)
        ahead_ns = last_ns - self._clock.now_ns()
        if ahead_ns > MAX_CLOCK_DIFFERENCE_NS:
            raise ClockUnusable(
                f"the journal's last time is {ahead_ns // 1_000_000_000} s ahead of this clock"
            )

    async def _take_lead(self) -> None:
        """Sequence LeaderStarted and the refusal of every request quarantined since."""
        market = self._engine.market
        cases = await self._journal.quarantined_after(market.last_quarantine_id)
        bodies = [self._refuse(number, case) for number, case in cases if case.request_id]
        self.sequencer.take_lead()
        for body in bodies:
            if not self.sequencer.stopped:
                self.sequencer.submit_own(body)
        if self.sequencer.quarantine is not None:
            raise EngineBroken(f"{self.sequencer.stopped}: {self.sequencer.quarantine.error}")

    def _refuse(self, number: int, case: QuarantineCase) -> RefuseRequest:
        """The refusal of a quarantined request; the market before it knows what it was about."""
        log.error("request_quarantined", request_id=case.request_id, error=case.error)
        body = decode_envelope(case.command).body
        instrument_id = instrument_of(self._engine.market, body) or case.instrument_id
        return RefuseRequest(number, case.scope, case.request_id, instrument_id)

    async def _run(self) -> None:
        """Serve until stopped; raises LeaseLost or EngineBroken when there is no way on."""
        parts = (self._committer.run(), self._tick(), self._follow())
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _is_durable(self) -> bool:
        """Whether the exchange ended in order, so that the engine is where the journal is."""
        failed = self.running.cancelled() or self.running.exception() is not None
        sequencer = self.sequencer
        return not failed and sequencer.sequenced_seq == sequencer.durable_seq

    async def _save_snapshot(self) -> None:
        sequencer = self.sequencer
        await self._snapshots.save(
            sequencer.durable_seq,
            sequencer.durable_chain,
            self._engine.to_record(),
            self.read.to_record(),
        )

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
            try:
                self.sequencer.submit_own(body)
            except Unavailable:
                return  # nothing trades either; the next renewal tries again
        self._is_clock_halted = is_apart

    async def _tick(self) -> None:
        """Let time pass in silence."""
        while True:
            self.sequencer.tick()
            await asyncio.sleep(TICK_SECONDS)

    async def _follow(self) -> None:
        """Have a follower take snapshots: at each day's end and every so many commands."""
        while True:
            await self._snapshot_due.wait()
            self._snapshot_due.clear()
            try:
                await self._take_snapshot()
            except (JournalBroken, *UNKNOWN_RESULT) as error:
                log.error("snapshot_failed", error=f"{type(error).__name__}: {error}")
