"""Stand-ins for what the sequencer and the committer work with, each with faults to order.

MemoryJournal   keeps rows and the lease row as exchange/journal.py does; every call takes the
                next fault from its list
MemoryLease     renews, or fails as ordered, and tells a database's time
HandClock       stands still until it is moved
BrittleEngine   breaks on a client id, or on every deadline
Shell           all of it put together around a market in its first session
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from time import time_ns
from typing import Literal, NamedTuple

from engine import commands as c
from engine import events as e
from engine.codes import Side, TimeInForce
from engine.engine import Engine
from engine.market import Market
from engine.released import Released
from exchange.chain import GENESIS
from exchange.committer import Committer
from exchange.faults import LeaseLost
from exchange.journal import Head, QuarantineCase, Row
from exchange.sequencer import Sequencer
from tests.market_driver import INSTRUMENT, copy_of, open_market

NS = 1_000_000_000
EPOCH = 7
POISON = "poison"


class Fault(NamedTuple):
    """What goes wrong with one call: an error before or after it took effect, or "late": it takes
    effect just before the next append.  A held call first waits for an event."""

    moment: Literal["", "before", "after", "late"] = ""
    error: Exception | None = None
    hold: asyncio.Event | None = None


class MemoryJournal:
    """A journal and its lease row, in memory."""

    def __init__(self, head: Head) -> None:
        self.row = head
        self.rows: list[Row] = []
        self.cases: list[tuple[int, int, QuarantineCase]] = []
        self.append_faults: deque[Fault] = deque()
        self.head_faults: deque[Fault] = deque()
        self.quarantine_faults: deque[Fault] = deque()
        self.appends = 0
        self._late: list[tuple[int, int, list[Row]]] = []

    async def append(self, epoch: int, previous_seq: int, rows: Sequence[Row]) -> None:
        self.appends += 1
        fault = await self._meet(self.append_faults)
        if fault.moment == "late" and fault.error is not None:
            self._late.append((epoch, previous_seq, list(rows)))
            raise fault.error
        for statement in self._late:
            self._commit(*statement)
        self._late.clear()
        if not self._commit(epoch, previous_seq, list(rows)):
            raise LeaseLost("the lease row is elsewhere")
        if fault.moment == "after" and fault.error is not None:
            raise fault.error

    async def head(self) -> Head:
        await self._meet(self.head_faults)
        return self.row

    async def quarantine(self, epoch: int, after_seq: int, case: QuarantineCase) -> None:
        await self._meet(self.quarantine_faults)
        self.cases.append((epoch, after_seq, case))

    def seize(self, epoch: int = EPOCH + 1) -> None:
        """Another process takes the lease."""
        self.row = Head(epoch, self.row.last_seq, self.row.last_chain)

    def _commit(self, epoch: int, previous_seq: int, rows: list[Row]) -> bool:
        if (self.row.epoch, self.row.last_seq) != (epoch, previous_seq):
            return False
        self.rows += rows
        self.row = Head(epoch, rows[-1].seq, rows[-1].chain)
        return True

    @staticmethod
    async def _meet(faults: deque[Fault]) -> Fault:
        await asyncio.sleep(0)
        fault = faults.popleft() if faults else Fault()
        if fault.hold is not None:
            await fault.hold.wait()
        if fault.moment == "before" and fault.error is not None:
            raise fault.error
        return fault


class MemoryLease:
    """A lease that is kept, until it is told otherwise."""

    def __init__(self) -> None:
        self.faults: deque[Exception] = deque()
        self.renewals = 0
        self.ahead_ns = 0
        self.answer_seconds = 0.0

    async def renew(self, epoch: int) -> int:
        self.renewals += 1
        if epoch != EPOCH:
            raise LeaseLost(f"epoch {epoch}")
        if self.faults:
            raise self.faults.popleft()
        now_ns = time_ns()
        await asyncio.sleep(self.answer_seconds)
        return (now_ns + self.ahead_ns) // 1_000


class HandClock:
    """Market time as the test sets it."""

    def __init__(self, at_ns: int) -> None:
        self.at_ns = at_ns
        self.step_ns = 0
        """By how much it moves at each look."""

    def now_ns(self) -> int:
        self.at_ns += self.step_ns
        return self.at_ns

    def resume_after(self, last_ns: int) -> None:
        """It stays where it was set."""


class BrittleEngine(Engine):
    """Breaks halfway through a command, as an engine with a mistake would."""

    breaks_on: type[c.Command] = c.EnterOrder
    breaks_with: Exception | None = ZeroDivisionError("by a mistake")
    """None: it gives something that is no event."""

    def apply(self, seq: int, envelope: c.Envelope) -> tuple[e.AnyEvent, ...]:
        is_order = isinstance(envelope.body, c.EnterOrder)
        is_meant = isinstance(envelope.body, self.breaks_on)
        if is_meant and (not is_order or envelope.request_id == POISON):
            self.market.seq = seq
            if self.breaks_with is None:
                return (1j,)  # type: ignore[return-value]
            raise self.breaks_with
        return super().apply(seq, envelope)


class Shell:
    """A sequencer and a committer around a market in memory that is open for trading."""

    def __init__(self, *orders: str) -> None:
        driver = open_market(*orders)
        self.engine = BrittleEngine(driver.market)
        self.start = Engine.from_record(copy_of(driver.engine.to_record()))
        """The market as it was before anything went through the shell."""
        self.clock = HandClock(driver.now_ns)
        head = Head(EPOCH, driver.market.seq, GENESIS)
        self.sequencer = Sequencer(self.engine, self.clock, head)
        self.journal = MemoryJournal(head)
        self.lease = MemoryLease()
        self.ahead: list[int] = []
        self.committer = Committer(self.sequencer, self.journal, self.lease, self.ahead.append)
        self.released: list[Released] = []
        self.sequencer.listen(self.released.append)
        self._number = 0

    @property
    def market(self) -> Market:
        return self.engine.market

    def buy(
        self, client_order_id: str = "", quantity: int = 1, price_ticks: int = 9_000
    ) -> "asyncio.Future[Released]":
        """Submit an order of A's that rests."""
        self._number += 1
        name = client_order_id or f"o{self._number}"
        body = c.EnterOrder("A", name, INSTRUMENT, Side.BUY, price_ticks, quantity, TimeInForce.DAY)
        return self.sequencer.submit("trader-A", name, body)

    def commit(self) -> None:
        """Make one batch durable by hand."""
        self.sequencer.take_batch()
        self.sequencer.release_batch()

    def seqs(self) -> list[int]:
        """Seqs of the journal's rows."""
        return [row.seq for row in self.journal.rows]
