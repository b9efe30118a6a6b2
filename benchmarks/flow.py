"""A deterministic flow of commands for measurements: 60 % adds, 30 % cancels, 10 % crossing.

Members trade around a slowly moving mid, so that resting orders stay near it.
"""

import random

from engine import beijing
from engine import commands as c
from engine.calendar import Session, TradingDay
from engine.codes import ParticipantClass, Product, Role, Side, TimeInForce
from engine.engine import Engine
from engine.events import ActProposed, AnyEvent, OrderAccepted

NS = 1_000_000_000
INSTRUMENT = "BEA-2024"
MEMBERS = 20
MID = 10_000
CASH_FEN = 10**15
UNITS = 900_000
ADD_SHARE = 0.60
CANCEL_SHARE = 0.30


class Flow:
    """An open market and an endless stream of commands for it."""

    def __init__(self, seed: int = 1, *, is_recording: bool = False) -> None:
        self.engine = Engine()
        self.seq = 0
        self.now_ns = NS
        self._chance = random.Random(seed)
        self._resting: list[tuple[str, int]] = []
        self._number = 0
        self._mid = MID
        self.log: list[tuple[c.Envelope, tuple[AnyEvent, ...]]] = []
        self.is_recording = is_recording
        self._set_up()

    def next_envelope(self) -> c.Envelope:
        """The next command of the mix."""
        draw = self._chance.random()
        if draw < CANCEL_SHARE and self._resting:
            place = self._chance.randrange(len(self._resting))
            self._resting[place], last = self._resting[-1], self._resting[place]
            self._resting.pop()
            member, order_id = last
            return self._envelope(f"t-{member}", "", c.CancelOrder(member, order_id))
        is_crossing = draw >= CANCEL_SHARE + ADD_SHARE
        return self.order(is_crossing=is_crossing)

    def order(self, *, is_crossing: bool) -> c.Envelope:
        """An order that rests behind the mid, or one that crosses it."""
        chance = self._chance
        self._mid += chance.choice((-1, 0, 0, 1))
        self._mid = min(max(self._mid, MID - 500), MID + 500)
        side = chance.choice((Side.BUY, Side.SELL))
        distance = -3 if is_crossing else chance.randint(1, 400)
        price = self._mid - distance if side is Side.BUY else self._mid + distance
        self._number += 1
        member = f"M{self._number % MEMBERS}"
        name = f"o{self._number}"
        quantity = chance.randint(1, 20) * (3 if is_crossing else 1)
        terms = (INSTRUMENT, side, price, quantity, TimeInForce.DAY)
        return self._envelope(f"t-{member}", name, c.EnterOrder(member, name, *terms))

    def apply(self, envelope: c.Envelope) -> tuple[AnyEvent, ...]:
        """Apply a command, remember what rests and, if recording, the command."""
        self.seq += 1
        events = self.engine.apply(self.seq, envelope)
        if self.is_recording:
            self.log.append((envelope, events))
        first = events[0]
        if isinstance(first, OrderAccepted):
            self._resting.append((first.participant_id, first.order_id))
        return events

    def fill_book(self, orders: int) -> None:
        """Rest this many orders."""
        while len(self.engine.market.books[INSTRUMENT].orders) < orders:
            self.apply(self.order(is_crossing=False))

    def _envelope(self, actor: str, request_id: str, body: c.AnyCommand) -> c.Envelope:
        self.now_ns += 1_000
        return c.Envelope(self.now_ns, actor, request_id, body)

    def _set_up(self) -> None:
        grants = (c.AccessGrant("op-1", Role.OPERATOR), c.AccessGrant("op-2", Role.OPERATOR))
        version = beijing.rule_version("bench", 20240101)
        self._system(c.FoundMarket(grants, version))
        days = tuple(
            TradingDay(20240101 + n, (n * 20 + 10) * NS, (_session(n * 20 + 11, n * 20 + 20),))
            for n in range(10)
        )
        days = (_long(days[0]), *(_later(day) for day in days[1:]))
        self.apply(self._envelope("op-1", "", c.SetTradingDays(days)))
        self._act(c.ListSeries(INSTRUMENT, Product.BEA, 2024, "", 0))
        self._act(c.ListInstrument(INSTRUMENT, INSTRUMENT, MID))
        for number in range(MEMBERS):
            self._admit(f"M{number}")
        for boundary in (days[0].starts_ns, days[0].sessions[0].opens_ns):
            self.now_ns = boundary - 1_000
            self._system(c.AdvanceClock())

    def _admit(self, member: str) -> None:
        emitter = ParticipantClass.EMITTER
        body = c.AdmitParticipant(member, member, emitter, member, 10**9)
        self.apply(self._envelope("op-1", "", body))
        self._act(c.GrantAccess(c.AccessGrant(f"t-{member}", Role.TRADER, member)))
        self._act(c.CreditCash(member, CASH_FEN, "bench"))
        deposit = self._act(c.DepositUnits(member, INSTRUMENT, UNITS, "bench"))
        self._system(c.ConfirmUnitDeposit(deposit, is_locked=True, refusal=""))

    def _act(self, act: c.Act) -> int:
        proposed = self.apply(self._envelope("op-1", "", c.ProposeAct(act, "bench")))[0]
        assert isinstance(proposed, ActProposed)
        self.apply(self._envelope("op-2", "", c.ApproveAct(proposed.act_id)))
        return proposed.act_id

    def _system(self, body: c.AnyCommand) -> None:
        self.apply(self._envelope(c.SYSTEM_ACTOR, "", body))


def _session(opens_s: int, closes_s: int) -> Session:
    return Session(opens_s * NS, closes_s * NS)


def _long(day: TradingDay) -> TradingDay:
    """The first day lasts as long as any measurement."""
    session = Session(day.sessions[0].opens_ns, 10**6 * NS)
    return TradingDay(day.day, day.starts_ns, (session,))


def _later(day: TradingDay) -> TradingDay:
    shift = 10**6 * NS
    sessions = tuple(Session(s.opens_ns + shift, s.closes_ns + shift) for s in day.sessions)
    return TradingDay(day.day, day.starts_ns + shift, sessions)


def recorded(commands: int) -> Flow:
    """A flow that has applied and recorded this many commands of the mix after its set-up."""
    flow = Flow(is_recording=True)
    for _ in range(commands):
        flow.apply(flow.next_envelope())
    return flow
