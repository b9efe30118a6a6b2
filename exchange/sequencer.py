"""The one writer: stamps, applies and batches commands; nothing leaves before it is durable.

    submit -> [stamp seq, time] -> engine.apply -> open batch -> committer -> released, in order

Invariants
- only this class touches the engine; seq is contiguous;
- the engine is given each command as it is read back from its journaled form;
- a deadline d <= t is sequenced as AdvanceClock(d) before a command stamped t;
- replies, feeds and read models see a command only after its batch is in the journal;
- the window of commands that are not durable is bounded in rows, bytes and age; beyond it, and
  while the journal does not answer, commands are refused and deadlines wait;
- every future ends: with its durable step, or with OutcomeUnknown once the exchange stops.

A command that makes the engine raise anything but a refusal stops everything: the open batch is
discarded and the command is quarantined (exchange/committer.py).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

import msgspec
import structlog

from engine import ENGINE_VERSION
from engine.canonical import decode_envelope, encode
from engine.commands import SYSTEM_ACTOR, AdvanceClock, AnyCommand, Envelope, LeaderStarted
from engine.engine import Engine, instrument_of, scope_of
from engine.released import Released
from exchange.chain import link
from exchange.clock import Clock
from exchange.faults import OutcomeUnknown, Unavailable
from exchange.journal import Head, QuarantineCase, Row

MAX_PENDING_ROWS = 5_000
MAX_PENDING_BYTES = 16 * 1024 * 1024
MAX_PENDING_SECONDS = 2.0
MAX_BATCH_ROWS = 1_000
NS_PER_SECOND = 1_000_000_000

log = structlog.get_logger()

Listener = Callable[[Released], None]


class Pending(msgspec.Struct, frozen=True):
    """A sequenced command that is not durable yet."""

    row: Row
    released: Released
    waiter: "asyncio.Future[Released] | None"
    since: float


class Sequencer:
    """Gives every command its place in the log."""

    def __init__(self, engine: Engine, clock: Clock, head: Head) -> None:
        self._engine = engine
        self._clock = clock
        self.epoch = head.epoch
        self.chain = head.last_chain
        self.durable_chain = head.last_chain
        self.durable_seq = head.last_seq
        self._open: deque[Pending] = deque()
        self._in_flight: list[Pending] = []
        self._pending_bytes = 0
        self._listeners: list[Listener] = []
        self._durable_waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._stalled_ns = 0
        self.has_work = asyncio.Event()
        self.stalled: str = ""
        self.stopped: str = ""
        self.quarantine: QuarantineCase | None = None

    # --- asking -------------------------------------------------------------------------------

    def submit(self, actor: str, request_id: str, body: AnyCommand) -> "asyncio.Future[Released]":
        """Sequence a command; the future gives its released step once it is durable.

        Raises Unavailable before anything happened; the future raises OutcomeUnknown when the
        exchange stops before it knows the command durable.  A body that cannot be journaled
        raises what the encoder raises, and nothing happened either.
        """
        waiter: asyncio.Future[Released] = asyncio.get_running_loop().create_future()
        self._enter(actor, request_id, body, waiter)
        return waiter

    def submit_own(self, body: AnyCommand) -> None:
        """Sequence a command of the exchange itself, for which nobody waits; raises Unavailable."""
        self._enter(SYSTEM_ACTOR, "", body, None)

    def take_lead(self) -> None:
        """Sequence the first record after an outage; it alone may find deadlines overdue."""
        now_ns = max(self._clock.now_ns(), self._engine.market.clock_ns + 1)
        self._sequence(Envelope(now_ns, SYSTEM_ACTOR, "", LeaderStarted(self.epoch)), None)

    def tick(self) -> None:
        """Sequence what is due by now; while no command is taken, what is due waits."""
        if not self.refusal():
            self._pass_time()

    def refusal(self) -> str:
        """Why no command is taken now, '' if commands are."""
        if self.stopped or self.stalled:
            return self.stopped or self.stalled
        oldest = self._in_flight[0] if self._in_flight else (self._open[0] if self._open else None)
        if oldest is None:
            return ""
        if self.pending_count >= MAX_PENDING_ROWS or self._pending_bytes >= MAX_PENDING_BYTES:
            return "too many commands wait for the journal"
        if monotonic() - oldest.since > MAX_PENDING_SECONDS:
            return "the journal does not keep up"
        return ""

    def next_deadline(self) -> int:
        """When the next AdvanceClock is due, in market time (UTC ns)."""
        return self._engine.next_deadline()

    def listen(self, listener: Listener) -> None:
        """Call `listener` with every released step from now on, in seq order."""
        self._listeners.append(listener)

    async def wait_durable(self, seq: int) -> None:
        """Return once seq is durable; raises OutcomeUnknown if the exchange stops before."""
        if self.durable_seq >= seq:
            return
        if self.stopped:
            raise OutcomeUnknown(self.stopped)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._durable_waiters.append((seq, waiter))
        await waiter

    @property
    def sequenced_seq(self) -> int:
        """The last seq given, durable or not."""
        return self._engine.market.seq

    @property
    def pending_count(self) -> int:
        """Commands sequenced and not durable."""
        return len(self._open) + len(self._in_flight)

    # --- for the committer --------------------------------------------------------------------

    def take_batch(self) -> list[Pending]:
        """The next rows to commit; they stay in flight until released or stopped."""
        count = min(len(self._open), MAX_BATCH_ROWS)
        self._in_flight = [self._open.popleft() for _ in range(count)]
        if not self._open:
            self.has_work.clear()
        return self._in_flight

    def release_batch(self) -> None:
        """The batch in flight is durable: let everybody see it.

        Whatever a listener raises comes out of here, after every waiter of the batch has its step.
        """
        batch, self._in_flight = self._in_flight, []
        try:
            for pending in batch:
                self.durable_seq, self.durable_chain = pending.row.seq, pending.row.chain
                self._pending_bytes -= _size(pending.row)
                for listener in self._listeners:
                    listener(pending.released)
        finally:
            for pending in batch:
                if pending.waiter is not None and not pending.waiter.done():
                    pending.waiter.set_result(pending.released)
            self._wake_durable_waiters()

    def stall(self, error: Exception) -> None:
        """The journal does not answer: take nothing until it does."""
        if not self.stalled:
            self.stalled = "the journal's database does not answer"
            self._stalled_ns = self._clock.now_ns()
            log.warning("journal_unreachable", error=f"{type(error).__name__}: {error}")

    def recover(self) -> None:
        """The journal answers; after a long outage the market goes on as after a restart."""
        if not self.stalled:
            return
        outage_ns = self._clock.now_ns() - self._stalled_ns
        log.info("journal_reachable_again", outage_ms=outage_ns // 1_000_000)
        self.stalled = ""
        rules = self._engine.market.rules
        is_long = rules is not None and outage_ns > rules.auto_resume_seconds * NS_PER_SECOND
        if is_long and not self.stopped:
            self.take_lead()

    def stop_taking(self, why: str) -> None:
        """Refuse new commands; what is sequenced may still become durable."""
        self.stopped = self.stopped or why
        self.has_work.set()

    def stop(self, why: str) -> None:
        """Take nothing more; whoever waits for what is not durable learns that nobody knows."""
        self.stop_taking(why)
        for pending in (*self._in_flight, *self._open):
            _fail(pending.waiter, why)
        for _, waiter in self._durable_waiters:
            _fail(waiter, why)
        self._open.clear()
        self._durable_waiters = []

    # --- inside -------------------------------------------------------------------------------

    def _enter(
        self,
        actor: str,
        request_id: str,
        body: AnyCommand,
        waiter: "asyncio.Future[Released] | None",
    ) -> None:
        refusal = self.refusal()
        if refusal:
            raise Unavailable(refusal)
        now_ns = self._pass_time()
        if self.stopped:  # the engine broke on a deadline, not on this command
            raise Unavailable(self.stopped)
        self._sequence(Envelope(now_ns, actor, request_id, body), waiter)

    def _pass_time(self) -> int:
        """Sequence every deadline that is due; returns the time to stamp the next command with.

        The clock is read once: a deadline between two readings would go unnoticed.
        """
        now_ns = self._clock.now_ns()
        while True:
            stamp_ns = max(now_ns, self._engine.market.clock_ns + 1)
            deadline_ns = self._engine.next_deadline()
            if deadline_ns > stamp_ns or self.stopped:
                return stamp_ns
            self._sequence(Envelope(deadline_ns, SYSTEM_ACTOR, "", AdvanceClock()), None)

    def _sequence(self, envelope: Envelope, waiter: "asyncio.Future[Released] | None") -> None:
        """Apply a command and put it into the open batch; raises only if it cannot be journaled."""
        market = self._engine.market
        seq = market.seq + 1
        command_bytes = encode(envelope)
        envelope = decode_envelope(command_bytes)
        try:
            events = self._engine.apply(seq, envelope)
            event_bytes = encode(events)
        except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, nothing goes on
            self._quarantine(envelope, command_bytes, error)
            _fail(waiter, self.stopped)
            return
        self.chain = link(self.chain, seq, self.epoch, command_bytes, event_bytes)
        row = Row(
            seq,
            self.epoch,
            ENGINE_VERSION,
            envelope.timestamp_ns,
            market.day,
            command_bytes,
            event_bytes,
            self.chain,
        )
        self._open.append(Pending(row, Released(seq, envelope, events), waiter, monotonic()))
        self._pending_bytes += _size(row)
        self.has_work.set()

    def _quarantine(self, envelope: Envelope, command_bytes: bytes, error: Exception) -> None:
        self.stop_taking(f"the engine broke on {type(envelope.body).__name__}")
        log.error("engine_broke", command=command_bytes.decode(), exc_info=error)
        market = self._engine.market
        self.quarantine = QuarantineCase(
            scope_of(market, envelope),
            envelope.request_id,
            instrument_of(market, envelope.body),
            command_bytes,
            f"{type(error).__name__}: {error}".replace("\0", ""),  # which no text may hold
        )

    def _wake_durable_waiters(self) -> None:
        still: list[tuple[int, asyncio.Future[None]]] = []
        for seq, waiter in self._durable_waiters:
            if seq > self.durable_seq:
                still.append((seq, waiter))
            elif not waiter.done():
                waiter.set_result(None)
        self._durable_waiters = still


def _size(row: Row) -> int:
    return len(row.command) + len(row.events)


def _fail(waiter: "asyncio.Future[Any] | None", why: str) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_exception(OutcomeUnknown(why))
