"""A random market: Hypothesis sends anything to the engine, in any order, at any time.

After every step the engine's own invariants hold and the mirror, which has seen nothing but the
events, agrees with the engine's state.
"""

from functools import cache
from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine import commands as c
from engine import events as e
from engine.canonical import decode_envelope, encode
from engine.codes import FreezeReason, HaltCause, Role, Side, TimeInForce
from engine.engine import Engine
from tests.market_driver import (
    DAY,
    ECOLOGY,
    HOUR,
    MINUTE,
    OPERATORS,
    SECOND,
    MarketDriver,
    admit,
    found,
    list_instrument,
    rule_version,
    trading_day,
)
from tests.property.mirror import Mirror

PARTICIPANTS = ("A", "B", "C", "D")
GROUPS = {"A": "holding", "B": "holding", "C": "C", "D": "D"}
INSTRUMENTS = ("BEA-2024", "BEA-2025", "PCER-1")
LAST_DAY = 34
PROFILES: tuple[dict[str, Any], ...] = (
    {},
    {"resale_interval_days": 0, "withdrawal_interval_days": 0, "public_fee_ppm": 333_333},
    {"resale_interval_days": 2, "withdrawal_interval_days": 3, "position_limit_tonnes": 120,
     "auto_resume_seconds": 3_600, "price_limit_bps": 200},
    {"lot_tonnes": 3, "min_order_tonnes": 3, "idempotency_days": 1, "act_expiry_seconds": 3_600},
)  # fmt: skip

Terms = tuple[str, Side, int, int, TimeInForce]

participants = st.sampled_from(PARTICIPANTS)
instruments = st.sampled_from(INSTRUMENTS)
scopes = st.sampled_from((*INSTRUMENTS, c.ALL_INSTRUMENTS))
sides = st.sampled_from(Side)
prices = st.integers(9_990, 10_010) | st.sampled_from((8_000, 9_900, 10_100, 12_000, 12_001))
quantities = st.integers(1, 30) | st.sampled_from((0, -1, 100, 9_999, 10_000))
picks = st.integers(0, 50)
near_prices = st.integers(9_997, 10_003)
bursts = st.lists(
    st.tuples(participants, sides, near_prices, st.integers(1, 10), st.sampled_from(TimeInForce)),
    min_size=4,
    max_size=16,
)
people = st.sampled_from((*OPERATORS, *ECOLOGY, "trader-A", "officer-B", "nobody"))


@cache
def prepared_log(profile: int) -> tuple[bytes, ...]:
    """The commands that set a market of a profile up to its first session."""
    driver = found(days=20, **PROFILES[profile])
    for name, vintage in zip(INSTRUMENTS, (2024, 2025, 2024), strict=True):
        list_instrument(driver, name, vintage)
    for name in PARTICIPANTS:
        admit(driver, name, GROUPS[name], allowance=50)
        driver.fund(name, 10_000_000)
        for series in INSTRUMENTS[:2]:
            driver.fund(name, units=40, series=series)
    driver.act(c.GrantAccess(c.AccessGrant("officer-B", Role.COMPLIANCE, "B")))
    driver.open_day()
    return tuple(encode(envelope) for envelope, _ in driver.log)


class MarketMachine(RuleBasedStateMachine):
    """Each rule sends one command, or lets time pass."""

    @initialize(profile=st.integers(0, len(PROFILES) - 1))
    def start(self, profile: int) -> None:
        engine = Engine()
        self.mirror = Mirror()
        interval = PROFILES[profile].get("resale_interval_days", 1)
        self.mirror.resale_interval_days = interval
        for seq, data in enumerate(prepared_log(profile), 1):
            self.mirror.apply(engine.apply(seq, decode_envelope(data)))
        self.driver = MarketDriver(engine)
        self.last_request: c.Envelope | None = None
        self.versions = 1

    @invariant()
    def events_tell_the_state(self) -> None:
        if hasattr(self, "driver"):
            for _, events in self.driver.log:
                self.mirror.apply(events)
            self.driver.log.clear()
            self.driver.engine.check_invariants()
            self.mirror.compare(self.driver.market)

    # --- trading ------------------------------------------------------------------------------

    @rule(what=instruments, orders=bursts, lots=st.sampled_from((1, 3)))
    def trade(self, what: str, orders: list[Terms], lots: int) -> None:
        self._open()
        for who, side, price, quantity, time_in_force in orders:
            terms: dict[str, Any] = {"time_in_force": time_in_force, "instrument": what}
            self.driver.order(who, side, quantity * lots, price, **terms)

    @rule(orders=bursts)
    def trade_the_main_instrument(self, orders: list[Terms]) -> None:
        self.trade(INSTRUMENTS[0], orders, 3)

    @rule(who=participants, what=instruments, side=sides, price=prices, quantity=quantities)
    def enter(self, who: str, what: str, side: Side, price: int, quantity: int) -> None:
        self.driver.order(who, side, quantity, price, instrument=what)

    @rule(who=participants, side=sides, quantity=st.integers(1, 30), pick=picks)
    def cross(self, who: str, side: Side, quantity: int, pick: int) -> None:
        """An order that meets whatever rests in the busiest place."""
        price = 10_010 if side is Side.BUY else 9_990
        self.driver.order(who, side, quantity, price, instrument=INSTRUMENTS[pick % 2])

    @rule(pick=picks, price=prices, quantity=quantities)
    def amend(self, pick: int, price: int, quantity: int) -> None:
        order_id, owner = self._some_order(pick)
        self.driver.amend(owner, order_id, quantity, price)

    @rule(pick=picks, more=st.integers(-5, 5))
    def resize(self, pick: int, more: int) -> None:
        order_id, owner = self._some_order(pick)
        for book in self.driver.market.books.values():
            order = book.orders.get(order_id)
            if order is not None:
                self.driver.amend(owner, order_id, order.quantity + more, order.price_ticks)
                return

    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        order_id, owner = self._some_order(pick)
        self.driver.cancel(owner, order_id)

    @rule(quantity=st.integers(1, 2))
    def repeat_a_client_order_id(self, quantity: int) -> None:
        self.driver.buy("C", quantity, 9_995, client_order_id="again")

    # --- money and units --------------------------------------------------------------------------

    @rule(who=participants, cash_fen=st.integers(0, 2_000_000))
    def move_cash(self, who: str, cash_fen: int) -> None:
        if cash_fen % 2:
            self._propose(c.CreditCash(who, cash_fen, "bank"))
        else:
            self._propose(c.WithdrawCash(who, cash_fen, "bank"))

    @rule(who=participants, series=instruments, quantity=st.integers(0, 80))
    def move_units(self, who: str, series: str, quantity: int) -> None:
        if quantity % 2:
            self._propose(c.DepositUnits(who, series, quantity, "registry"))
        else:
            self._propose(c.WithdrawUnits(who, series, quantity, "registry"))

    @precondition(lambda self: self.driver.market.deposits)
    @rule(pick=picks, is_locked=st.booleans())
    def answer_deposit(self, pick: int, is_locked: bool) -> None:  # noqa: FBT001
        deposit_id = _some(sorted(self.driver.market.deposits), pick, 99)
        body = c.ConfirmUnitDeposit(deposit_id, is_locked=is_locked, refusal="")
        self.driver.send(c.SYSTEM_ACTOR, body)

    @rule(who=participants, series=instruments, quantity=st.integers(1, 90))
    def freeze(self, who: str, series: str, quantity: int) -> None:
        act = c.FreezeUnits(who, series, quantity, FreezeReason.COURT, "document")
        self._propose(act, ECOLOGY)

    @precondition(lambda self: self.driver.market.freezes)
    @rule(pick=picks)
    def release(self, pick: int) -> None:
        freeze_id = _some(sorted(self.driver.market.freezes), pick, 99)
        self._propose(c.ReleaseUnits(freeze_id, "document"), ECOLOGY)

    # --- acts -------------------------------------------------------------------------------------

    @rule(pick=picks, person=people)
    def approve(self, pick: int, person: str) -> None:
        act_id = _some(sorted(self.driver.market.acts), pick, 999)
        self.driver.send(person, c.ApproveAct(act_id))

    @precondition(lambda self: self.driver.market.acts)
    @rule(pick=picks)
    def approve_rightly(self, pick: int) -> None:
        acts = self.driver.market.acts
        act = acts[_some(sorted(acts), pick, 0)]
        approver = "eco-2" if act.proposer == "eco-1" else "op-2"
        self.driver.send(approver, c.ApproveAct(act.act_id))

    @rule(pick=picks, person=people)
    def reject(self, pick: int, person: str) -> None:
        act_id = _some(sorted(self.driver.market.acts), pick, 999)
        self.driver.send(person, c.RejectAct(act_id, "no"))

    @rule(person=st.sampled_from(("officer-B", "trader-D")), other=participants)
    def move_person(self, person: str, other: str) -> None:
        self._propose(c.GrantAccess(c.AccessGrant(person, Role.TRADER, other)))

    @rule(pick=st.integers(1, 4), limit=st.sampled_from((150, 2_000)), fee=st.integers(0, 20_000))
    def install_rules(self, pick: int, limit: int, fee: int) -> None:
        market = self.driver.market
        self.versions += 1
        later = market.day + pick
        version = rule_version(f"v{self.versions}", later)
        changed = {"price_limit_bps": limit, "public_fee_ppm": fee}
        rules = msgspec.structs.replace(market.rules_now(), **changed)
        self._propose(c.InstallRules(msgspec.structs.replace(version, rules=rules)))

    # --- the run of the market --------------------------------------------------------------------

    @rule(ns=st.sampled_from((1, SECOND, 20 * MINUTE, 90 * MINUTE)))
    def pass_time(self, ns: int) -> None:
        self.driver.advance_to(self.driver.now_ns + ns)

    @rule()
    def pass_to_next_session(self) -> None:
        if self.driver.market.calendar.next_boundary() is not None:
            self.driver.next_boundary()

    @rule()
    def pass_to_next_day(self) -> None:
        day = self.driver.market.day
        while self.driver.market.day == day and self.driver.market.calendar.next_boundary():
            self.driver.next_boundary()

    @rule(ns=st.sampled_from((1, MINUTE, 10 * MINUTE, 5 * HOUR, DAY, 4 * DAY)))
    def crash(self, ns: int) -> None:
        self.driver.crash(ns)

    @rule()
    def restart(self) -> None:
        self.driver.restart()

    @rule(scope=scopes, cause=st.sampled_from(HaltCause), person=people)
    def halt(self, scope: str, cause: HaltCause, person: str) -> None:
        self.driver.send(person, c.HaltTrading(scope, cause, "note"))

    @precondition(lambda self: self.driver.market.halts)
    @rule(pick=picks)
    def resume(self, pick: int) -> None:
        halts = sorted(self.driver.market.halts)
        self.driver.send("eco-1", c.ResumeTrading(halts[pick % len(halts)], "note"))

    @rule(person=st.sampled_from(("op-1", "eco-1")))
    def close_early(self, person: str) -> None:
        self.driver.send(person, c.CloseMarket("note"))

    @rule(breaks=st.integers(0, 1))
    def reconcile(self, breaks: int) -> None:
        self.driver.send(c.SYSTEM_ACTOR, c.RecordReconciliation(1, breaks))

    @precondition(lambda self: self.driver.market.opening_block)
    @rule()
    def open_by_hand(self) -> None:
        self.driver.send("op-1", c.OpenMarket())

    @rule(skip=st.integers(0, 2), count=st.integers(1, 9), hours=st.sampled_from((0, 0, 1)))
    def set_trading_days(self, skip: int, count: int, hours: int) -> None:
        days = self.driver.market.calendar.days
        first = skip + sum(day.starts_ns <= self.driver.now_ns for day in days)
        new = [trading_day(number) for number in range(first, min(first + count, LAST_DAY))]
        if hours and new:
            starts_ns = self.driver.now_ns + hours * HOUR
            new[0] = msgspec.structs.replace(new[0], starts_ns=starts_ns)
        self.driver.send("op-1", c.SetTradingDays(tuple(new)))

    @rule(what=instruments, who=participants, number=picks)
    def quarantine(self, what: str, who: str, number: int) -> None:
        refused = c.RefuseRequest(number, f"participant:{who}", f"broken-{number}", what)
        self.driver.send(c.SYSTEM_ACTOR, refused)

    @rule()
    def report(self) -> None:
        self.driver.send("op-1", c.ReportPositions())

    # --- inside -----------------------------------------------------------------------------------

    def _propose(self, act: c.Act, signers: tuple[str, str] = OPERATORS) -> None:
        """Propose an act; every other one is approved at once."""
        (event,) = self.driver.send(signers[0], c.ProposeAct(act, "reason"))
        if isinstance(event, e.ActProposed) and event.act_id % 2:
            self.driver.send(signers[1], c.ApproveAct(event.act_id))

    def _open(self) -> None:
        """Clear what keeps the market from trading, as an operator would."""
        market = self.driver.market
        for scope in sorted(market.halts):
            self.driver.send("eco-1", c.ResumeTrading(scope, "note"))
        self.driver.send(c.SYSTEM_ACTOR, c.RecordReconciliation(1, 0))
        while market.scheduled_phase != "CONTINUOUS" and market.calendar.next_boundary():
            self.driver.next_boundary()
        if market.opening_block:
            self.driver.send("op-1", c.OpenMarket())

    def _some_order(self, pick: int) -> tuple[int, str]:
        """An open order's id and owner; one that is not open, if none is."""
        orders = sorted(
            (order.order_id, order.participant_id)
            for book in self.driver.market.books.values()
            for order in book.orders.values()
        )
        return orders[pick % len(orders)] if orders else (1, "A")


def _some(ids: list[int], pick: int, otherwise: int) -> int:
    return ids[pick % len(ids)] if ids else otherwise
