"""The one writer: stamps, applies and batches commands; nothing leaves before it is durable.

    submit -> [stamp seq, time] -> engine.apply -> open batch -> committer -> released, in order

Invariants: only this class touches the engine; seq is contiguous; a deadline d <= t is sequenced
as AdvanceClock(d) before a command stamped t; replies, feeds and read models see a command only
after its batch is in the journal; the window of commands that are not durable is bounded in
rows, bytes and age, and beyond it commands are refused before they are sequenced.

A command that makes the engine raise anything but a refusal stops everything: the open batch is
discarded and the command is quarantined (exchange/committer.py).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

import msgspec

from engine import ENGINE_VERSION
from engine.canonical import encode
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
        self.has_work = asyncio.Event()
        self.stalled: str = ""
        self.stopped: str = ""
        self.quarantine: QuarantineCase | None = None

    # --- asking -------------------------------------------------------------------------------

    def submit(self, actor: str, request_id: str, body: AnyCommand) -> "asyncio.Future[Released]":
        """Sequence a command; the future gives its released step once it is durable.

        Raises Unavailable before anything happened; the future raises OutcomeUnknown when the
        exchange stops before it knows the command durable.
        """
        self._check_open()
        self.tick()
        waiter: asyncio.Future[Released] = asyncio.get_running_loop().create_future()
        now_ns = max(self._clock.now_ns(), self._engine.market.clock_ns + 1)
        self._sequence(Envelope(now_ns, actor, request_id, body), waiter)
        return waiter

    def take_lead(self, body: LeaderStarted) -> None:
        """Sequence the first record of this leadership; it alone may find deadlines overdue."""
        now_ns = max(self._clock.now_ns(), self._engine.market.clock_ns + 1)
        self._sequence(Envelope(now_ns, SYSTEM_ACTOR, "", body), None)

    def tick(self) -> None:
        """Sequence what is due by now."""
        while not self.stopped and self._engine.next_deadline() <= self._clock.now_ns():
            deadline_ns = self._engine.next_deadline()
            self._sequence(Envelope(deadline_ns, SYSTEM_ACTOR, "", AdvanceClock()), None)

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
        """The batch in flight is durable: let everybody see it."""
        batch, self._in_flight = self._in_flight, []
        for pending in batch:
            self.durable_seq, self.durable_chain = pending.row.seq, pending.row.chain
            self._pending_bytes -= len(pending.row.command) + len(pending.row.events)
            for listener in self._listeners:
                listener(pending.released)
            if pending.waiter is not None and not pending.waiter.done():
                pending.waiter.set_result(pending.released)
        self._wake_durable_waiters()

    def stop_taking(self, why: str) -> None:
        """Refuse new commands; what is sequenced may still become durable."""
        self.stopped = self.stopped or why
        self.has_work.set()

    def stop(self, why: str) -> None:
        """Take nothing more; whoever waits for what is not durable learns that nobody knows."""
        self.stopped = self.stopped or why
        for pending in (*self._in_flight, *self._open):
            _fail(pending.waiter, why)
        for _, waiter in self._durable_waiters:
            _fail(waiter, why)
        self._open.clear()
        self._durable_waiters = []
        self.has_work.set()

    # --- inside -------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self.stopped:
            raise Unavailable(self.stopped)
        if self.stalled:
            raise Unavailable(self.stalled)
        oldest = self._in_flight[0] if self._in_flight else (self._open[0] if self._open else None)
        if oldest is None:
            return
        if self.pending_count >= MAX_PENDING_ROWS or self._pending_bytes >= MAX_PENDING_BYTES:
            raise Unavailable("too many commands wait for the journal")
        if monotonic() - oldest.since > MAX_PENDING_SECONDS:
            raise Unavailable("the journal does not keep up")

    def _sequence(self, envelope: Envelope, waiter: "asyncio.Future[Released] | None") -> None:
        market = self._engine.market
        seq = market.seq + 1
        try:
            events = self._engine.apply(seq, envelope)
        except Exception as error:
            self._quarantine(envelope, error)
            raise OutcomeUnknown(self.stopped) from error
        command_bytes, event_bytes = encode(envelope), encode(events)
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
        self._pending_bytes += len(command_bytes) + len(event_bytes)
        self.has_work.set()

    def _quarantine(self, envelope: Envelope, error: Exception) -> None:
        market = self._engine.market
        self.quarantine = QuarantineCase(
            scope_of(market, envelope),
            envelope.request_id,
            instrument_of(market, envelope.body),
            encode(envelope),
            f"{type(error).__name__}: {error}",
        )
        self.stopped = f"the engine broke on {type(envelope.body).__name__}: {error}"
        self.has_work.set()

    def _wake_durable_waiters(self) -> None:
        still: list[tuple[int, asyncio.Future[None]]] = []
        for seq, waiter in self._durable_waiters:
            if seq > self.durable_seq:
                still.append((seq, waiter))
            elif not waiter.done():
                waiter.set_result(None)
        self._durable_waiters = still


def _fail(waiter: "asyncio.Future[Any] | None", why: str) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_exception(OutcomeUnknown(why))
