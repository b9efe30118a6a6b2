"""The trading day: phases, halts, outages, calendar, reconciliation, rule versions."""

from collections.abc import Callable

import pytest

from engine import commands as c
from engine.codes import HaltCause, Phase, Product
from tests.market_driver import (
    HOUR,
    INSTRUMENT,
    MINUTE,
    MarketDriver,
    closed_market,
    open_market,
    rule_version,
    trading_day,
)
from tests.rulebook.outcome import outcome

PHASES = [
    # rule, phase, entering, amending, cancelling
    ("R-PHASE-1", Phase.CONTINUOUS, "rests 1", "rests 1", "cancelled 1 REQUESTED"),
    ("R-PHASE-1", Phase.BREAK, "refused MARKET_NOT_OPEN", "refused MARKET_NOT_OPEN",
     "cancelled 2 REQUESTED"),
    ("R-PHASE-1", Phase.CLOSED, "refused MARKET_NOT_OPEN", "refused MARKET_NOT_OPEN",
     "cancelled 2 REQUESTED"),
    ("R-PHASE-1", Phase.PRE_OPEN, "refused MARKET_NOT_OPEN", "refused MARKET_NOT_OPEN",
     "cancelled 2 REQUESTED"),
    ("R-HALT-1", Phase.HALTED, "refused MARKET_NOT_OPEN", "refused MARKET_NOT_OPEN",
     "cancelled 2 REQUESTED"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "phase", "entering", "amending", "cancelling"), PHASES)
def test_what_each_phase_allows(
    rule: str, phase: Phase, entering: str, amending: str, cancelling: str
) -> None:
    market = open_market("A sells 2@10000 GTC")
    if phase is Phase.HALTED:
        market.send("eco-1", c.HaltTrading(INSTRUMENT, HaltCause.REGULATOR, "inquiry"))
    while market.market.instruments[INSTRUMENT].phase is not phase:
        market.next_boundary()
    assert (entering, amending, cancelling) == (
        outcome(market.say("B buys 1@9000")),
        outcome(market.amend("A", 1, 1, 10_000)),
        outcome(market.cancel("A", 1)),
    ), rule


BY_HAND: list[tuple[str, Phase, str, c.AnyCommand, str]] = [
    # rule, phase, block or halt, command, what happens
    ("R-PHASE-2", Phase.PRE_OPEN, "", c.OpenMarket(), "refused OUTSIDE_TRADING_HOURS"),
    ("R-PHASE-2", Phase.CONTINUOUS, "", c.OpenMarket(), "refused MARKET_ALREADY_OPEN"),
    ("R-PHASE-2", Phase.CONTINUOUS, "", c.CloseMarket("storm"), ""),
    ("R-PHASE-2", Phase.PRE_OPEN, "", c.CloseMarket("storm"), ""),
    ("R-PHASE-2", Phase.CLOSED, "", c.CloseMarket("storm"), "refused OUTSIDE_TRADING_HOURS"),
    ("R-REC-1", Phase.CONTINUOUS, "breaks", c.OpenMarket(), "refused BREAKS_UNRESOLVED"),
    ("R-CAL-2", Phase.CONTINUOUS, "last day", c.OpenMarket(), "refused CALENDAR_EXHAUSTED"),
    ("R-HALT-1", Phase.CONTINUOUS, "", c.ResumeTrading("*", "on"), "refused HALT_UNCHANGED"),
]


@pytest.mark.parametrize(("rule", "phase", "obstacle", "command", "expected"), BY_HAND)
def test_opening_and_closing_by_hand(
    rule: str, phase: Phase, obstacle: str, command: c.AnyCommand, expected: str
) -> None:
    market = closed_market(days=1 if obstacle == "last day" else 5)
    if obstacle == "breaks":
        market.send(c.SYSTEM_ACTOR, c.RecordReconciliation(1, 3))
    market.next_boundary()
    while market.market.scheduled_phase is not phase:
        market.next_boundary()
    assert expected == outcome(market.send("op-1", command)), rule


OUTAGES = [
    # R-HALT-2: minutes without a leader from the session's start on, phase afterwards
    (0, Phase.CONTINUOUS),
    (4, Phase.CONTINUOUS),
    (6, Phase.HALTED),
    (130, Phase.BREAK),
    (24 * 60, Phase.HALTED),
]


@pytest.mark.parametrize(("minutes", "phase"), OUTAGES)
def test_outages(minutes: int, phase: Phase) -> None:
    """R-HALT-2"""
    market = open_market()
    market.crash(minutes * MINUTE)
    assert phase is market.market.instruments[INSTRUMENT].phase


CALENDARS: list[tuple[str, tuple[int, ...], str]] = [
    # rule, numbers of the days set on day 0, what happens; the resale interval is 2 days
    ("R-CAL-1", (1, 2, 3), ""),
    ("R-CAL-1", (3, 4), ""),
    ("R-CAL-1", (1,), "refused CALENDAR_INVALID"),
    ("R-CAL-1", (0, 1, 2), "refused CALENDAR_INVALID"),
    ("R-CAL-1", (2, 1), "refused CALENDAR_INVALID"),
    ("R-CAL-1", (), "refused CALENDAR_INVALID"),
]


@pytest.mark.parametrize(("rule", "numbers", "expected"), CALENDARS)
def test_calendars(rule: str, numbers: tuple[int, ...], expected: str) -> None:
    market = open_market(resale_interval_days=2)
    days = tuple(trading_day(number) for number in numbers)
    assert expected == outcome(market.send("op-1", c.SetTradingDays(days))), rule


def two_versions(market: MarketDriver) -> None:
    market.act(c.InstallRules(rule_version("second", 20240520)))


VERSIONS: list[tuple[Callable[[MarketDriver], None], c.InstallRules, str]] = [
    # Measures Art 18: before, version, what happens on 2024-05-06
    (lambda _: None, c.InstallRules(rule_version("second", 20240507)), ""),
    (lambda _: None, c.InstallRules(rule_version("second", 20240506)), "refused RULES_INVALID"),
    (lambda _: None, c.InstallRules(rule_version("beijing-1", 20240507)), "refused RULES_INVALID"),
    (two_versions, c.InstallRules(rule_version("third", 20240519)), "refused RULES_INVALID"),
    (two_versions, c.InstallRules(rule_version("third", 20240521)), ""),
]


@pytest.mark.parametrize(("before", "act", "expected"), VERSIONS)
def test_rule_versions(
    before: Callable[[MarketDriver], None], act: c.InstallRules, expected: str
) -> None:
    """Measures Art 18"""
    market = open_market()
    before(market)
    assert expected == outcome(market.send("op-1", c.ProposeAct(act, "table")))


EXPIRIES = [
    # R-SERIES-2: the series' last day, days later, what an order meets
    (20240508, 0, "rests 1"),
    (20240508, 2, "rests 1"),
    (20240508, 3, "refused SERIES_EXPIRED"),
    (0, 10, "rests 1"),
]


@pytest.mark.parametrize(("expires_day", "days", "expected"), EXPIRIES)
def test_a_series_trades_up_to_its_last_day(expires_day: int, days: int, expected: str) -> None:
    """R-SERIES-2"""
    market = open_market()
    market.act(c.ListSeries("BEA-2025", Product.BEA, 2025, "", expires_day))
    market.act(c.ListInstrument("BEA-2025", "BEA-2025", 10_000))
    for _ in range(days):
        market.next_day()
    assert expected == outcome(market.say("A buys 1@10000", instrument="BEA-2025"))


ID_LIVES = [
    # R-ID-3: trading days after the order's end, what the same body under the same id meets
    (0, ""),
    (5, ""),
    (6, "rests 1"),
]


@pytest.mark.parametrize(("days", "expected"), ID_LIVES)
def test_how_long_a_client_order_id_is_taken(days: int, expected: str) -> None:
    """R-ID-3"""
    market = open_market()
    market.say("A buys 1@9000", client_order_id="x")
    market.cancel("A", 1)
    market.advance_to(market.now_ns + HOUR)
    for _ in range(days):
        market.next_day()
    assert expected == outcome(market.say("A buys 1@9000", client_order_id="x"))
