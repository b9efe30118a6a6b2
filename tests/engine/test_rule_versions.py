"""Dated rule versions: installing them, and when they take effect (Art 18, 36)."""

from typing import Any

import pytest
from msgspec.structs import replace

from engine import beijing
from engine import commands as c
from engine import events as e
from engine.codes import CancelReason
from engine.rules import RuleVersion, Source, fee_on, find_fault, half_up, price_limits
from tests.engine.expected import canceled
from tests.market_driver import INSTRUMENT, found, open_market, rule_version


def install(day: int = 20240507, name: str = "beijing-2", **rules: Any) -> c.InstallRules:
    return c.InstallRules(rule_version(name, day, **rules))


def test_a_version_is_published_when_it_is_approved() -> None:
    market = open_market()
    act = install()
    assert (e.RulesInstalled(act.rule_version),) == market.act(act)[1:]


def test_a_version_takes_effect_at_the_start_of_its_day() -> None:
    market = open_market()
    market.act(install(price_limit_bps=1_000))
    before = market.market.rules_now().price_limit_bps
    events = market.next_day()
    assert (before, market.market.rules_now().price_limit_bps) == (2_000, 1_000)
    assert (
        e.RulesTookEffect("beijing-2", 20240507),
        e.DayStarted(20240507),
        e.ReferencePriceSet(INSTRUMENT, 20240507, 10_000, 9_000, 11_000),
    ) == events[:3]


def test_a_version_dated_on_a_day_without_trading_takes_effect_on_the_next_one() -> None:
    market = open_market()
    market.act(install(20240511))
    for _ in range(4):
        market.next_day()
    events = market.next_day()
    assert e.RulesTookEffect("beijing-2", 20240513) == events[0]


def test_the_latest_version_that_is_due_counts() -> None:
    market = open_market()
    market.act(install(20240511, lot_tonnes=2))
    market.act(install(20240512, "beijing-3", lot_tonnes=3))
    for _ in range(5):
        market.next_day()
    assert (market.market.rule_version_id, market.market.rules_now().lot_tonnes) == ("beijing-3", 3)


def test_a_version_takes_effect_once() -> None:
    market = open_market()
    market.act(install())
    market.next_day()
    assert not [x for x in market.next_day() if isinstance(x, e.RulesTookEffect)]


def test_founding_rules_dated_later_hold_from_the_start() -> None:
    market = found(min_order_tonnes=7)
    market.act(install(20300101))
    market.next_boundary()
    assert market.market.rule_version_id == "beijing-1"


def test_narrower_limits_cancel_the_orders_outside_them() -> None:
    market = open_market("A buys 5@8500 GTC", "B sells 5@10500 GTC")
    market.act(install(price_limit_bps=1_000))
    events = market.next_day()
    assert canceled(1, 5, CancelReason.OUTSIDE_PRICE_LIMITS) in events
    assert list(market.market.books[INSTRUMENT].orders) == [2]


def test_a_new_admission_rule_does_not_touch_who_is_in() -> None:
    market = open_market()
    market.act(install(admitted_classes=(beijing.RULES.admitted_classes[1],)))
    market.next_day()
    assert isinstance(market.say("A buys 1@10000")[0], e.OrderAccepted)


@pytest.mark.parametrize(
    ("day", "name", "fault"),
    [
        (20240506, "beijing-2", "effective_from_day"),
        (20240501, "beijing-2", "effective_from_day"),
        (20240601, "beijing-1", "rule_version_id"),
        (20240601, "bei jing", "rule_version_id"),
    ],
)
def test_a_version_has_a_new_id_and_a_later_day(day: int, name: str, fault: str) -> None:
    market = open_market()
    (event,) = market.send("op-1", c.ProposeAct(install(day, name), "please"))
    assert fault in event.field


def test_versions_are_installed_in_the_order_of_their_days() -> None:
    market = open_market()
    market.act(install(20240601))
    (event,) = market.send("op-1", c.ProposeAct(install(20240531, "beijing-3"), "please"))
    assert (event.reason, event.field) == ("RULES_INVALID", "rule_version/effective_from_day")


def test_a_version_whose_day_has_come_before_the_second_signature_fails() -> None:
    market = open_market(act_expiry_seconds=7 * 86_400)
    (proposed,) = market.send("op-1", c.ProposeAct(install(), "please"))
    market.next_day()
    (event,) = market.send("op-2", c.ApproveAct(proposed.act_id))
    assert (event.reason, event.field) == ("RULES_INVALID", "rule_version/effective_from_day")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"price_tick_fen": 0}, "price_tick_fen"),
        ({"lot_tonnes": 0}, "lot_tonnes"),
        ({"min_order_tonnes": 0}, "min_order_tonnes"),
        ({"min_order_tonnes": 10, "max_order_tonnes": 9}, "max_order_tonnes"),
        ({"price_limit_bps": 10_000}, "price_limit_bps"),
        ({"price_limit_bps": 0}, "price_limit_bps"),
        ({"resale_interval_days": -1}, "resale_interval_days"),
        ({"withdrawal_interval_days": 251}, "withdrawal_interval_days"),
        ({"public_fee_ppm": 1_000_001}, "public_fee_ppm"),
        ({"position_limit_tonnes": 0}, "position_limit_tonnes"),
        ({"idempotency_days": 0}, "idempotency_days"),
        ({"act_expiry_seconds": 59}, "act_expiry_seconds"),
        ({"auto_resume_seconds": 86_401}, "auto_resume_seconds"),
        ({"admitted_classes": ()}, "admitted_classes"),
    ],
)
def test_a_parameter_out_of_its_range_makes_a_version_unusable(
    changed: dict[str, Any], field: str
) -> None:
    market = found()
    (event,) = market.send("op-1", c.ProposeAct(install(**changed), "please"))
    assert ("RULES_INVALID", f"rule_version/{field}") == (event.reason, event.field)


OUTERMOST: dict[str, tuple[int, int]] = {
    "price_tick_fen": (1, 1_000_000),
    "lot_tonnes": (1, 1_000_000),
    "min_order_tonnes": (1, 9_999),
    "max_order_tonnes": (1, 1_000_000_000),
    "price_limit_bps": (1, 9_999),
    "resale_interval_days": (0, 250),
    "withdrawal_interval_days": (0, 250),
    "public_fee_ppm": (0, 1_000_000),
    "position_limit_tonnes": (1, 10**12),
    "idempotency_days": (1, 250),
    "act_expiry_seconds": (60, 30 * 86_400),
    "auto_resume_seconds": (0, 86_400),
}


@pytest.mark.parametrize(("name", "bounds"), OUTERMOST.items())
def test_every_number_has_its_range(name: str, bounds: tuple[int, int]) -> None:
    version = rule_version()
    low, high = bounds
    usable = [
        find_fault(replace(version, rules=replace(version.rules, **{name: value}))) is None
        for value in (low - 1, low, high, high + 1)
    ]
    assert usable == [False, True, True, False]


def without_source(name: str, replacement: Source | None) -> RuleVersion:
    version = rule_version()
    sources = {key: value for key, value in version.sources.items() if key != name}
    return replace(version, sources=sources | ({name: replacement} if replacement else {}))


@pytest.mark.parametrize(
    ("version", "field"),
    [
        (without_source("lot_tonnes", None), "sources"),
        (without_source("lot_tonnes", replace(beijing.SOURCES["lot_tonnes"], basis=" ")),
         "sources"),
        (replace(rule_version(), title=""), "title"),
        (replace(rule_version(), basis=" "), "basis"),
    ],
    ids=["no source", "blank source", "no title", "no basis"],
)  # fmt: skip
def test_a_version_without_its_basis_is_unusable(version: RuleVersion, field: str) -> None:
    fault = find_fault(version)
    assert fault is not None
    assert field == fault[0]


def test_the_beijing_profile_is_usable_and_every_number_has_its_source() -> None:
    version = beijing.rule_version("beijing-1", 20240501)
    assert find_fault(version) is None
    assert set(version.rules.__struct_fields__) == set(version.sources)


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [
        (0, 7, 0),
        (1, 2, 1),
        (1, 3, 0),
        (2, 3, 1),
        (3, 2, 2),
        (5, 2, 3),
        (10**30 + 1, 2, 5 * 10**29 + 1),
    ],
)
def test_halves_are_rounded_up(numerator: int, denominator: int, rounded: int) -> None:
    assert rounded == half_up(numerator, denominator)


@pytest.mark.parametrize(
    ("reference", "limits"),
    [(10_000, (8_000, 12_000)), (10_489, (8_391, 12_587)), (3, (2, 4)), (2, (2, 2)), (1, (1, 1))],
)
def test_price_limits_are_rounded_half_up_and_at_least_a_tick(
    reference: int, limits: tuple[int, int]
) -> None:
    assert limits == price_limits(reference, beijing.RULES)


def test_the_lowest_price_is_one_tick_however_wide_the_limits_are() -> None:
    assert price_limits(3, replace(beijing.RULES, price_limit_bps=9_999)) == (1, 6)


@pytest.mark.parametrize(
    ("value_fen", "fee_fen"), [(0, 0), (66, 0), (67, 1), (200, 2), (10_489, 79)]
)
def test_a_fee_is_rounded_half_up_to_the_fen(value_fen: int, fee_fen: int) -> None:
    assert fee_fen == fee_on(value_fen, 7_500)
