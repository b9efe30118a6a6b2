"""A market in memory for tests: founds it, drives its clock, sends commands, keeps the events.

Days are 2024-05-06 (Monday) and on, five a week, 09:30-11:30 and 13:00-15:00 Asia/Shanghai,
PRE_OPEN from 09:00.  Participants are A, B, C (emitters, each its own group); their traders are
trader-A and so on.  Staff: op-1, op-2 (operators), eco-1, eco-2 (ecology department).
"""

from engine import beijing
from engine import commands as c
from engine import events as e
from engine.calendar import NEVER_NS, Session, TradingDay
from engine.codes import ParticipantClass, Product, Role, Side, TimeInForce
from engine.engine import Engine

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


class MarketDriver:
    """An engine with a hand-driven clock; every send returns the command's events."""

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = engine if engine is not None else Engine()
        self.now_ns = max(MIDNIGHT, self.engine.market.clock_ns + 1)
        self.log: list[tuple[c.Envelope, tuple[e.AnyEvent, ...]]] = []
        self._requests = 0

    @property
    def market(self):
        return self.engine.market

    def apply(self, actor: str, body: c.AnyCommand, request_id: str = "") -> tuple[e.AnyEvent, ...]:
        """Sequence one command now, without letting deadlines pass first."""
        if isinstance(body, c.EnterOrder):
            request_id = body.client_order_id
        envelope = c.Envelope(self.now_ns, actor, request_id, body)
        events = self.engine.apply(self.market.seq + 1, envelope)
        self.log.append((envelope, events))
        self.now_ns += 1
        return events

    def send(self, actor: str, body: c.AnyCommand, request_id: str = "") -> tuple[e.AnyEvent, ...]:
        """Let what is due happen, then sequence one command."""
        self.advance_to(self.now_ns)
        return self.apply(actor, body, request_id)

    def advance_to(self, to_ns: int) -> tuple[e.AnyEvent, ...]:
        """Pass time; returns all events of the deadlines on the way."""
        events: tuple[e.AnyEvent, ...] = ()
        while self.engine.next_deadline() <= to_ns:
            self.now_ns = self.engine.next_deadline()
            events += self.apply(c.SYSTEM_ACTOR, c.AdvanceClock())
        self.now_ns = max(self.now_ns, to_ns)
        return events

    def next_boundary(self) -> tuple[e.AnyEvent, ...]:
        """Pass time to the next deadline."""
        deadline = self.engine.next_deadline()
        assert deadline != NEVER_NS
        return self.advance_to(deadline)

    def act(self, act: c.Act, signers: tuple[str, str] = OPERATORS) -> tuple[e.AnyEvent, ...]:
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
        time_in_force: TimeInForce = TimeInForce.DAY,
        instrument: str = INSTRUMENT,
        client_order_id: str = "",
    ) -> tuple[e.AnyEvent, ...]:
        """Enter an order by the participant's trader."""
        self._requests += 1
        name = client_order_id or f"o{self._requests}"
        return self.send(
            f"trader-{participant}",
            c.EnterOrder(participant, name, instrument, side, price, quantity, time_in_force),
        )

    def buy(self, participant: str, quantity: int, price: int, **terms):
        return self.order(participant, Side.BUY, quantity, price, **terms)

    def sell(self, participant: str, quantity: int, price: int, **terms):
        return self.order(participant, Side.SELL, quantity, price, **terms)

    def cancel(self, participant: str, order_id: int):
        return self.send(f"trader-{participant}", c.CancelOrder(participant, order_id))

    def amend(self, participant: str, order_id: int, quantity: int, price: int):
        body = c.AmendOrder(participant, order_id, price, quantity)
        return self.send(f"trader-{participant}", body)

    def open_day(self) -> None:
        """Pass time until a session is open."""
        instruments = self.market.instruments
        while not any(i.phase == "CONTINUOUS" for i in instruments.values()):
            self.next_boundary()

    def end_day(self) -> tuple[e.AnyEvent, ...]:
        """Pass time until the trading day is over."""
        events: tuple[e.AnyEvent, ...] = ()
        while not any(isinstance(event, e.DayEnded) for event in events):
            events += self.next_boundary()
        return events

    def fund(self, participant: str, cash_fen: int = 0, units: int = 0, series: str = INSTRUMENT):
        """Credit cash and deposit units, confirmed by the registry."""
        if cash_fen:
            self.act(c.CreditCash(participant, cash_fen, "bank-1"))
        if units:
            events = self.act(c.DepositUnits(participant, series, units, "reg-1"))
            deposit_id = events[1].deposit_id
            self.send(c.SYSTEM_ACTOR, c.ConfirmUnitDeposit(deposit_id, True, ""))


def found(days: int = 30) -> MarketDriver:
    """A founded market with staff, rules and a calendar; no participant, no instrument."""
    driver = MarketDriver()
    grants = [c.AccessGrant(name, Role.OPERATOR) for name in OPERATORS]
    grants += [c.AccessGrant(name, Role.ECOLOGY) for name in ECOLOGY]
    version = beijing.rule_version("beijing-1", 20240501)
    driver.send(c.SYSTEM_ACTOR, c.FoundMarket(tuple(grants), version))
    driver.send("op-1", c.SetTradingDays(tuple(trading_day(n) for n in range(days))))
    return driver


def admit(driver: MarketDriver, participant: str, group: str = "", allowance: int = 0) -> None:
    """Admit an emitter with one trader."""
    body = c.AdmitParticipant(
        participant, f"Company {participant}", ParticipantClass.EMITTER, group or participant,
        allowance,
    )
    driver.send("op-1", body)
    grant = c.AccessGrant(f"trader-{participant}", Role.TRADER, participant)
    driver.act(c.GrantAccess(grant))


def list_instrument(driver: MarketDriver, name: str = INSTRUMENT, vintage: int = 2024) -> None:
    """List a series and an instrument of the same name at the reference price."""
    product = Product.BEA if name.startswith("BEA") else Product.PCER
    driver.act(c.ListSeries(name, product, vintage, "", 0))
    driver.act(c.ListInstrument(name, name, REFERENCE))


def open_market(cash_fen: int = 100_000_000_00, units: int = 100_000) -> MarketDriver:
    """A market in its first session: A, B, C each with cash and units of BEA-2024."""
    driver = found()
    list_instrument(driver)
    for participant in ("A", "B", "C"):
        admit(driver, participant)
        driver.fund(participant, cash_fen, units)
    driver.open_day()
    return driver
