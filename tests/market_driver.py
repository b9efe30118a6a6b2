"""A market in memory for tests: founds it, drives its clock, sends commands, keeps the events.

Days are 2024-05-06 (Monday) and on, five a week, 09:30-11:30 and 13:00-15:00 Asia/Shanghai,
PRE_OPEN from 09:00.  Participants are A, B, C (emitters, each its own group); their traders are
trader-A and so on.  Staff: op-1, op-2 (operators), eco-1, eco-2 (ecology department).

Orders can be written as text: "A buys 5@10000", "B sells 3@9900 GTC" (tonnes at ticks).
"""

from typing import Any

import msgspec

from engine import beijing
from engine import commands as c
from engine import events as e
from engine.calendar import NEVER_NS, Session, TradingDay
from engine.codes import ParticipantClass, Product, Role, Side, TimeInForce
from engine.engine import Engine
from engine.market import Market, MarketRecord
from engine.reasons import words
from engine.rules import RuleVersion

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MIDNIGHT = 1_714_924_800 * SECOND - 8 * HOUR
"""2024-05-06 00:00 in Shanghai, UTC ns."""

OPERATORS = ("op-1", "op-2")
ECOLOGY = ("eco-1", "eco-2")
INSTRUMENT = "BEA-2024"
REFERENCE = 10_000
"""Reference price in ticks: 100.00 CNY/t, limits 8,000 to 12,000."""
SIDES = {"buys": Side.BUY, "sells": Side.SELL}


def trading_day(number: int) -> TradingDay:
    """The number-th trading day from 2024-05-06, without holidays; weekends are skipped."""
    weeks, weekday = divmod(number, 5)
    midnight = MIDNIGHT + (7 * weeks + weekday) * DAY
    date = 6 + 7 * weeks + weekday
    month, day = (5, date) if date <= 31 else (6, date - 31)
    return TradingDay(
        20240000 + 100 * month + day,
        midnight + 9 * HOUR,
        (
            Session(midnight + 9 * HOUR + 30 * MINUTE, midnight + 11 * HOUR + 30 * MINUTE),
            Session(midnight + 13 * HOUR, midnight + 15 * HOUR),
        ),
    )


def parse_order(text: str) -> tuple[str, Side, int, int, TimeInForce]:
    """Participant, side, quantity, price and time in force of an order written as text."""
    participant, verb, terms, *rest = text.split()
    quantity, price = terms.split("@")
    time_in_force = TimeInForce(rest[0]) if rest else TimeInForce.DAY
    return participant, SIDES[verb], int(quantity), int(price), time_in_force


def copy_of(record: MarketRecord) -> MarketRecord:
    """What a snapshot gives back: the record encoded and decoded."""
    return msgspec.json.decode(msgspec.json.encode(record), type=MarketRecord)


Frame = tuple[Any, ...]
"""The events of one command or of several."""


class MarketDriver:
    """An engine with a hand-driven clock; every send returns the command's events."""

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = engine if engine is not None else Engine()
        self.now_ns = max(MIDNIGHT, self.engine.market.clock_ns + 1)
        self.log: list[tuple[c.Envelope, Frame]] = []
        self._requests = 0

    @property
    def market(self) -> Market:
        return self.engine.market

    def apply(self, actor: str, body: c.AnyCommand, request_id: str = "") -> Frame:
        """Sequence one command now, without letting deadlines pass first."""
        if isinstance(body, c.EnterOrder):
            request_id = body.client_order_id
        envelope = c.Envelope(self.now_ns, actor, request_id, body)
        events = self.engine.apply(self.market.seq + 1, envelope)
        self.log.append((envelope, events))
        for event in events:
            if isinstance(event, e.CommandRefused | e.OrderRejected | e.ActFailed):
                words(event.reason, event.facts, "en")
                words(event.reason, event.facts, "zh")
        self.now_ns += 1
        return events

    def send(self, actor: str, body: c.AnyCommand, request_id: str = "") -> Frame:
        """Let what is due happen, then sequence one command."""
        self.advance_to(self.now_ns)
        return self.apply(actor, body, request_id)

    def advance_to(self, to_ns: int) -> Frame:
        """Pass time; returns all events of the deadlines on the way."""
        events: Frame = ()
        while self.engine.next_deadline() <= max(to_ns, self.now_ns):
            self.now_ns = self.engine.next_deadline()
            events += self.apply(c.SYSTEM_ACTOR, c.AdvanceClock())
        self.now_ns = max(self.now_ns, to_ns)
        return events

    def next_boundary(self) -> Frame:
        """Pass time to the next deadline."""
        deadline = self.engine.next_deadline()
        assert deadline != NEVER_NS
        return self.advance_to(deadline)

    def act(self, act: c.Act, signers: tuple[str, str] = OPERATORS) -> Frame:
        """Propose and approve; returns the approval's events."""
        events = self.send(signers[0], c.ProposeAct(act, "test"))
        assert isinstance(events[0], e.ActProposed), events
        return self.send(signers[1], c.ApproveAct(events[0].act_id))

    def order(
        self,
        participant: str,
        side: Side,
        quantity: int,
        price: int,
        *,
        time_in_force: TimeInForce = TimeInForce.DAY,
        instrument: str = INSTRUMENT,
        client_order_id: str = "",
    ) -> Frame:
        """Enter an order by the participant's trader."""
        self._requests += 1
        name = client_order_id or f"o{self._requests}"
        return self.send(
            f"trader-{participant}",
            c.EnterOrder(participant, name, instrument, side, price, quantity, time_in_force),
        )

    def say(self, text: str, **terms: Any) -> Frame:
        """Enter an order written as text."""
        participant, side, quantity, price, time_in_force = parse_order(text)
        terms["time_in_force"] = time_in_force
        return self.order(participant, side, quantity, price, **terms)

    def buy(self, participant: str, quantity: int, price: int, **terms: Any) -> Frame:
        return self.order(participant, Side.BUY, quantity, price, **terms)

    def sell(self, participant: str, quantity: int, price: int, **terms: Any) -> Frame:
        return self.order(participant, Side.SELL, quantity, price, **terms)

    def cancel(self, participant: str, order_id: int) -> Frame:
        return self.send(f"trader-{participant}", c.CancelOrder(participant, order_id))

    def amend(self, participant: str, order_id: int, quantity: int, price: int) -> Frame:
        body = c.AmendOrder(participant, order_id, price, quantity)
        return self.send(f"trader-{participant}", body)

    def open_day(self) -> None:
        """Pass time until a session is open."""
        instruments = self.market.instruments
        while not any(i.phase == "CONTINUOUS" for i in instruments.values()):
            self.next_boundary()

    def end_day(self) -> Frame:
        """Pass time until the trading day is over."""
        events: Frame = ()
        while not any(isinstance(event, e.DayEnded) for event in events):
            events += self.next_boundary()
        return events

    def next_day(self) -> Frame:
        """End the day and open the next one; returns the events of its start."""
        self.end_day()
        events = self.next_boundary()
        self.open_day()
        return events

    def crash(self, outage_ns: int) -> Frame:
        """Lose the leader for a while; returns the events of the next one's start."""
        self.now_ns += outage_ns
        return self.apply(c.SYSTEM_ACTOR, c.LeaderStarted(self.market.epoch + 1))

    def restart(self) -> None:
        """Go on with an engine restored from a snapshot of this one."""
        digest = self.engine.state_digest()
        self.engine = Engine.from_record(copy_of(self.engine.to_record()))
        assert self.engine.state_digest() == digest

    def fund(
        self, participant: str, cash_fen: int = 0, units: int = 0, series: str = INSTRUMENT
    ) -> None:
        """Credit cash and deposit units, confirmed by the registry."""
        if cash_fen:
            self.act(c.CreditCash(participant, cash_fen, "bank-1"))
        if units:
            events = self.act(c.DepositUnits(participant, series, units, "reg-1"))
            deposit_id = events[1].deposit_id
            self.send(c.SYSTEM_ACTOR, c.ConfirmUnitDeposit(deposit_id, is_locked=True, refusal=""))


def rule_version(name: str = "beijing-1", day: int = 20240501, **changed: Any) -> RuleVersion:
    """The Beijing profile as a version, with some parameters changed."""
    version = beijing.rule_version(name, day)
    return msgspec.structs.replace(version, rules=msgspec.structs.replace(version.rules, **changed))


def found(days: int = 30, **rules: Any) -> MarketDriver:
    """A founded market with staff, rules and a calendar; no participant, no instrument."""
    driver = MarketDriver()
    grants = [c.AccessGrant(name, Role.OPERATOR) for name in OPERATORS]
    grants += [c.AccessGrant(name, Role.ECOLOGY) for name in ECOLOGY]
    driver.send(c.SYSTEM_ACTOR, c.FoundMarket(tuple(grants), rule_version(**rules)))
    driver.send("op-1", c.SetTradingDays(tuple(trading_day(n) for n in range(days))))
    return driver


def admit(
    driver: MarketDriver,
    participant: str,
    group: str = "",
    allowance: int = 0,
    participant_class: ParticipantClass = ParticipantClass.EMITTER,
) -> None:
    """Admit a participant with one trader."""
    body = c.AdmitParticipant(
        participant, f"Company {participant}", participant_class, group or participant, allowance
    )
    driver.send("op-1", body)
    grant = c.AccessGrant(f"trader-{participant}", Role.TRADER, participant)
    driver.act(c.GrantAccess(grant))


def list_instrument(driver: MarketDriver, name: str = INSTRUMENT, vintage: int = 2024) -> None:
    """List a series and an instrument of the same name at the reference price."""
    product = Product.BEA if name.startswith("BEA") else Product.PCER
    driver.act(c.ListSeries(name, product, vintage, "", 0))
    driver.act(c.ListInstrument(name, name, REFERENCE))


def closed_market(
    cash_fen: int = 100_000_000_00, units: int = 100_000, days: int = 30, **rules: Any
) -> MarketDriver:
    """A market before its first day: A, B, C each with cash and units of BEA-2024."""
    driver = found(days, **rules)
    list_instrument(driver)
    for participant in ("A", "B", "C"):
        admit(driver, participant)
        driver.fund(participant, cash_fen, units)
    return driver


def open_market(*orders: str, **terms: Any) -> MarketDriver:
    """A market like closed_market() in its first session, with these orders entered."""
    driver = closed_market(**terms)
    driver.open_day()
    for text in orders:
        driver.say(text)
    return driver
