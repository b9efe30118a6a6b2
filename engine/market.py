"""The market's whole state, and the record it is saved as.

Everything a later decision depends on is here and in MarketRecord; books, calendar cursor and the
cached values are rebuilt from it.  Dictionaries are looked up by key; where one is walked and the
order could show in events, it is walked sorted, since a restored market has another insertion
order than a running one.
"""

import msgspec

from engine.accounts import Account
from engine.book import Book
from engine.calendar import NEVER_NS, Calendar, TradingDay
from engine.canonical import digest
from engine.codes import HaltCause, ParticipantClass, Phase, Product
from engine.commands import AccessGrant, Act, IssueKey
from engine.faults import InvariantBroken, Refused
from engine.order import Order
from engine.rules import Rules, RuleVersion

NEVER_DAY = 9999_99_99
"""A trading day beyond the known calendar."""


class Participant(msgspec.Struct, frozen=True):
    """An admitted company or institution."""

    participant_id: str
    name: str
    participant_class: ParticipantClass
    group_id: str
    annual_allowance_tonnes: int


class Series(msgspec.Struct, frozen=True):
    """Units that are alike: product, vintage, restriction, expiry."""

    series_id: str
    product: Product
    vintage: int
    restriction: str
    expires_day: int


class DayTrading(msgspec.Struct):
    """Public trading of an instrument so far today."""

    open_ticks: int = 0
    high_ticks: int = 0
    low_ticks: int = 0
    last_ticks: int = 0
    volume_tonnes: int = 0
    turnover_ticks: int = 0
    trade_count: int = 0


class Instrument(msgspec.Struct):
    """What trades: one series, its price limits, its phase, its day."""

    instrument_id: str
    series_id: str
    product: Product
    tick_fen: int
    reference_price_ticks: int
    lower_limit_ticks: int
    upper_limit_ticks: int
    phase: Phase
    today: DayTrading


class PendingAct(msgspec.Struct, frozen=True):
    """A sensitive act that has one signature."""

    act_id: int
    act: Act
    proposer: str
    expires_ns: int


class PendingDeposit(msgspec.Struct, frozen=True):
    """A deposit that the registry has not answered."""

    participant_id: str
    series_id: str
    quantity: int


class Freeze(msgspec.Struct, frozen=True):
    """Units whose use is suspended (Art 16)."""

    participant_id: str
    series_id: str
    quantity: int


class RequestRecord(msgspec.Struct):
    """A request id in use: what it stood for, and until when it is remembered."""

    body_hash: str
    seq: int
    day_number: int
    is_open_order: bool = False


class MarketRecord(msgspec.Struct):
    """The market as saved in a snapshot and hashed by state_digest()."""

    seq: int = 0
    clock_ns: int = 0
    epoch: int = 0
    day: int = 0
    day_number: int = 0
    scheduled_phase: Phase = Phase.CLOSED
    opening_block: str = ""
    halts: dict[str, HaltCause] = {}
    rule_versions: list[RuleVersion] = []
    rule_version_id: str = ""
    days: tuple[TradingDay, ...] = ()
    calendar_done_ns: int = -1
    participants: dict[str, Participant] = {}
    accounts: dict[str, Account] = {}
    access: dict[str, AccessGrant] = {}
    keys: dict[str, IssueKey] = {}
    insiders: dict[str, str] = {}
    series: dict[str, Series] = {}
    instruments: dict[str, Instrument] = {}
    orders: list[Order] = []
    acts: dict[int, PendingAct] = {}
    deposits: dict[int, PendingDeposit] = {}
    freezes: dict[int, Freeze] = {}
    requests: dict[str, RequestRecord] = {}
    last_order_id: int = 0
    last_trade_id: int = 0
    last_act_id: int = 0
    last_freeze_id: int = 0
    last_quarantine_id: int = 0
    fees_fen: int = 0
    net_credited_fen: int = 0
    net_deposited: dict[str, int] = {}
    break_count: int = 0


class Market(MarketRecord):
    """The running market: the record, with books, calendar and caches beside it."""

    books: dict[str, Book] = {}
    calendar: Calendar = msgspec.field(default_factory=Calendar)
    groups: dict[str, list[str]] = {}
    act_deadline_ns: int = NEVER_NS
    rules: Rules | None = None
    resale_day: int = NEVER_DAY
    withdrawal_day: int = NEVER_DAY

    # --- look-ups that refuse -----------------------------------------------------------------

    def participant(self, participant_id: str) -> Participant:
        """An admitted participant, or Refused(PARTICIPANT_UNKNOWN)."""
        found = self.participants.get(participant_id)
        if found is None:
            raise Refused("PARTICIPANT_UNKNOWN", "participant_id", participant=participant_id)
        return found

    def known_series(self, series_id: str) -> Series:
        """A listed series, or Refused(SERIES_UNKNOWN)."""
        found = self.series.get(series_id)
        if found is None:
            raise Refused("SERIES_UNKNOWN", "series_id", series=series_id)
        return found

    def instrument(self, instrument_id: str) -> Instrument:
        """A listed instrument, or Refused(INSTRUMENT_UNKNOWN)."""
        found = self.instruments.get(instrument_id)
        if found is None:
            raise Refused("INSTRUMENT_UNKNOWN", "instrument_id", instrument=instrument_id)
        return found

    def rules_now(self) -> Rules:
        """The rules in effect; a founded market always has some."""
        if self.rules is None:
            raise InvariantBroken("a founded market has rules")
        return self.rules

    # --- derived values -----------------------------------------------------------------------

    def refresh(self) -> None:
        """Recompute the cached values after days, rules or acts changed."""
        for version in self.rule_versions:
            if version.rule_version_id == self.rule_version_id:
                self.rules = version.rules
        self.act_deadline_ns = min((a.expires_ns for a in self.acts.values()), default=NEVER_NS)
        if self.rules is not None:
            after = self.calendar.day_after
            self.resale_day = after(self.day, self.rules.resale_interval_days) or NEVER_DAY
            self.withdrawal_day = after(self.day, self.rules.withdrawal_interval_days) or NEVER_DAY

    def next_deadline(self) -> int:
        """When something is due next (UTC ns), NEVER_NS if nothing is; O(1)."""
        return min(self.calendar.next_ns(), self.act_deadline_ns)

    def exposure(self, group_id: str, product: Product) -> int:
        """Tonnes of a product that a controlled group has or may come to by open buy orders."""
        total = 0
        for participant_id in self.groups[group_id]:
            account = self.accounts[participant_id]
            total += account.open_buys.get(product, 0)
            for series_id, position in account.positions.items():
                if self.series[series_id].product is product:
                    total += position.total
        return total

    def join_group(self, participant: Participant) -> None:
        """Count a participant to its controlling owner."""
        self.groups.setdefault(participant.group_id, []).append(participant.participant_id)

    def forget_open(self, order: Order) -> None:
        """An order is final: its client_order_id is remembered for a number of days only."""
        record = self.requests[order_key(order.participant_id, order.client_order_id)]
        record.is_open_order = False
        record.day_number = self.day_number

    # --- saving -------------------------------------------------------------------------------

    def to_record(self) -> MarketRecord:
        """The saved form; shares its parts with the running market."""
        saved = {name: getattr(self, name) for name in MarketRecord.__struct_fields__}
        saved["days"] = self.calendar.days
        saved["calendar_done_ns"] = self.calendar.done_ns
        saved["orders"] = [
            order for name in sorted(self.books) for order in self.books[name].in_priority()
        ]
        return MarketRecord(**saved)

    def state_digest(self) -> bytes:
        """SHA-256 over the canonical record: equal wherever the same commands were applied."""
        return digest(self.to_record())


def request_key(scope: str, request_id: str) -> str:
    """Key of a request id in its scope: a participant for orders, else a person."""
    return f"{scope}|{request_id}"


def participant_scope(participant_id: str) -> str:
    """Scope of client_order_ids; no person's id can equal it, as ids have no colon."""
    return f"participant:{participant_id}"


def order_key(participant_id: str, client_order_id: str) -> str:
    """Key of an order's request id."""
    return request_key(participant_scope(participant_id), client_order_id)


def restore(record: MarketRecord) -> Market:
    """A running market from its saved form."""
    market = Market(**{name: getattr(record, name) for name in MarketRecord.__struct_fields__})
    market.calendar = Calendar(record.days, record.calendar_done_ns)
    market.books = {name: Book() for name in record.instruments}
    for order in record.orders:
        market.books[order.instrument_id].add(order)
    for participant_id in sorted(record.participants):
        market.join_group(record.participants[participant_id])
    market.orders = []
    market.refresh()
    return market
