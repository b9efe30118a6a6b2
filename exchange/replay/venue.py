"""A market of its own in the real engine, for one recorded day: founded, listed, funded, open.

One instrument without fees and with the widest limits the rules allow; one participant (MAKER)
owns every recorded resting order, another (TAKER) every rebuilt incoming one, so that self-trade
prevention has nothing to prevent as long as the maker's own orders do not cross.  The recorded
day, from midnight on, is one session of the engine's calendar.

Everything is done through Engine.apply; the book is only read.
"""

from typing import Any

from engine import beijing
from engine import commands as c
from engine.book import Book, Level
from engine.calendar import Session, TradingDay
from engine.codes import (
    CancelReason,
    ParticipantClass,
    Product,
    Role,
    Side,
    SourceStatus,
    TimeInForce,
)
from engine.engine import Engine
from engine.events import (
    ActApproved,
    ActProposed,
    AnyEvent,
    CommandRefused,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    TradeExecuted,
)
from engine.rules import BASIS_POINTS, Rules, RuleVersion, Source

INSTRUMENT = "REPLAY"
MAKER = "MAKER"
TAKER = "TAKER"
OPERATORS = ("operator-1", "operator-2")

DAY = 2000_01_01
HOUR_NS = 3_600 * 1_000_000_000
STARTS_NS = HOUR_NS
MIDNIGHT_NS = 2 * HOUR_NS
"""Engine time of the recorded midnight: founding comes before it."""
CLOSES_NS = MIDNIGHT_NS + 25 * HOUR_NS

CASH_FEN = 10**15
CASH_CREDITS = 100
UNITS = 10**10
UNIT_DEPOSITS = 10


class CommandFailed(Exception):
    """The engine did not do what a recorded message asks for; str() says which reason it gave."""


def replay_rules() -> Rules:
    """The Beijing rules with nothing in the way: no fee, no resale interval, the widest limits."""
    wide: dict[str, Any] = {
        "max_order_tonnes": 1_000_000_000,
        "price_limit_bps": BASIS_POINTS - 1,
        "resale_interval_days": 0,
        "withdrawal_interval_days": 0,
        "public_fee_ppm": 0,
        "position_limit_tonnes": 10**12,
    }
    kept = {name: getattr(beijing.RULES, name) for name in Rules.__struct_fields__}
    return Rules(**(kept | wide))


class Venue:
    """The replay market; quantities in units, prices in ticks, times in ns after midnight."""

    def __init__(self, reference_ticks: int) -> None:
        self.engine = Engine()
        self.commands = 0
        self._due_ns = self._now_ns = 0
        self._names = 0
        self._found(reference_ticks)
        self.book: Book = self.engine.market.books[INSTRUMENT]

    def set_time(self, time_ns: int) -> None:
        """Commands from here on are stamped with this time, or a little later to stay apart."""
        self._due_ns = MIDNIGHT_NS + time_ns

    def level(self, side: Side, price_ticks: int) -> Level | None:
        """The level at a price, None if nothing rests there; O(depth)."""
        for level in self.book.levels(side):
            if level.price_ticks == price_ticks:
                return level
            if (level.price_ticks > price_ticks) is (side is Side.SELL):
                return None
        return None

    def rest(self, side: Side, price_ticks: int, quantity: int) -> int:
        """Enter a maker's order that rests whole; returns its order id."""
        events = self._enter(MAKER, side, price_ticks, quantity)
        for event in events:
            if isinstance(event, OrderCanceled):
                raise CommandFailed(_crossing(event.reason))
        return _accepted(events).order_id

    def reduce(self, order_id: int, by: int) -> None:
        """Amend a maker's order down, which keeps its priority; by < its leaves."""
        order = self.book.orders[order_id]
        body = c.AmendOrder(MAKER, order_id, order.price_ticks, order.quantity - by)
        self._apply(MAKER, body)

    def cancel(self, order_id: int) -> None:
        """Cancel what is left of a maker's order."""
        self._apply(MAKER, c.CancelOrder(MAKER, order_id))

    def take(self, side: Side, price_ticks: int, quantity: int) -> list[TradeExecuted]:
        """Enter a taker's order and cancel what does not trade; returns the trades."""
        events = self._enter(TAKER, side, price_ticks, quantity)
        trades = [event for event in events if isinstance(event, TradeExecuted)]
        if sum(trade.quantity for trade in trades) < quantity:
            self._apply(TAKER, c.CancelOrder(TAKER, _accepted(events).order_id))
        return trades

    def _enter(
        self, owner: str, side: Side, price_ticks: int, quantity: int
    ) -> tuple[AnyEvent, ...]:
        self._names += 1
        name = str(self._names)
        body = c.EnterOrder(owner, name, INSTRUMENT, side, price_ticks, quantity, TimeInForce.GTC)
        return self._apply(owner, body, name)

    def _apply(self, actor: str, body: c.AnyCommand, request_id: str = "") -> tuple[AnyEvent, ...]:
        self.commands += 1
        self._now_ns = max(self._due_ns, self._now_ns + 1)
        envelope = c.Envelope(self._now_ns, actor, request_id, body)
        events = self.engine.apply(self.engine.market.seq + 1, envelope)
        first = events[0] if events else None
        if isinstance(first, CommandRefused | OrderRejected):
            facts = ", ".join(f"{name} {value}" for name, value in first.facts.items())
            raise CommandFailed(f"{first.reason} ({facts})" if facts else first.reason)
        return events

    def _found(self, reference_ticks: int) -> None:
        grants = tuple(c.AccessGrant(person, Role.OPERATOR) for person in OPERATORS)
        self._apply(c.SYSTEM_ACTOR, c.FoundMarket(grants, _rule_version()))
        day = TradingDay(DAY, STARTS_NS, (Session(MIDNIGHT_NS, CLOSES_NS),))
        self._apply(OPERATORS[0], c.SetTradingDays((day,)))
        self._act(c.ListSeries(INSTRUMENT, Product.BEA, 2024, "", 0))
        self._act(c.ListInstrument(INSTRUMENT, INSTRUMENT, reference_ticks))
        for name in (MAKER, TAKER):
            kind = ParticipantClass.VOLUNTARY_INSTITUTION
            self._apply(OPERATORS[0], c.AdmitParticipant(name, name, kind, name, 0))
            self._act(c.GrantAccess(c.AccessGrant(name, Role.TRADER, name)))
            self._fund(name)
        for boundary_ns in (STARTS_NS, MIDNIGHT_NS):
            self._due_ns = boundary_ns
            self._apply(c.SYSTEM_ACTOR, c.AdvanceClock())

    def _fund(self, participant_id: str) -> None:
        for number in range(CASH_CREDITS):
            self._act(c.CreditCash(participant_id, CASH_FEN, f"cash-{number}"))
        for number in range(UNIT_DEPOSITS):
            act = c.DepositUnits(participant_id, INSTRUMENT, UNITS, f"units-{number}")
            confirmed = c.ConfirmUnitDeposit(self._act(act), is_locked=True, refusal="")
            self._apply(c.SYSTEM_ACTOR, confirmed)

    def _act(self, act: c.Act) -> int:
        first, second = OPERATORS
        proposed = self._apply(first, c.ProposeAct(act, "replay"))[0]
        if not isinstance(proposed, ActProposed):
            raise CommandFailed(f"not proposed: {proposed}")
        approved = self._apply(second, c.ApproveAct(proposed.act_id))[0]
        if not isinstance(approved, ActApproved):
            raise CommandFailed(f"not approved: {approved}")
        return proposed.act_id


def _rule_version() -> RuleVersion:
    source = Source(SourceStatus.ASSUMED, "chosen so that no rule stands in a recording's way")
    sources = dict.fromkeys(Rules.__struct_fields__, source)
    return RuleVersion("replay", DAY, "Replay of a recorded day", "none", replay_rules(), sources)


def _accepted(events: tuple[AnyEvent, ...]) -> OrderAccepted:
    first = events[0]
    if not isinstance(first, OrderAccepted):
        raise CommandFailed(f"the order was not accepted: {first}")
    return first


def _crossing(reason: CancelReason) -> str:
    if reason is CancelReason.SELF_TRADE_PREVENTED:
        return "it would trade with the other side of the book at once"
    return str(reason)
