"""Dated rule versions: every number the market decides by, with its source.

A rule version is set by a command, journaled, and in effect from its date until the next
version's (Art 18: the exchange makes the trading rules and publishes them; Art 36: time travel
between texts).  Nothing here is read from process settings.

Rounding: half_up(n, d) is the only rounding of money and prices, for values >= 0.
"""

import msgspec

from engine.codes import ParticipantClass, SourceStatus

PPM = 1_000_000
BASIS_POINTS = 10_000


def half_up(numerator: int, denominator: int) -> int:
    """numerator / denominator rounded to the nearest integer, halves away from zero (>= 0)."""
    return (2 * numerator + denominator) // (2 * denominator)


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of one rule version; the unit is the last word of each name."""

    currency: str
    price_tick_fen: int
    lot_tonnes: int
    min_order_tonnes: int
    max_order_tonnes: int
    price_limit_bps: int
    resale_interval_days: int
    withdrawal_interval_days: int
    public_fee_ppm: int
    position_limit_tonnes: int
    emitter_adds_allowance_to_limit: bool
    admitted_classes: tuple[ParticipantClass, ...]
    idempotency_days: int
    act_expiry_seconds: int
    auto_resume_seconds: int


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one parameter's value comes from."""

    status: SourceStatus
    basis: str


class RuleVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules in effect from trading day `effective_from_day` (yyyymmdd) on."""

    rule_version_id: str
    effective_from_day: int
    title: str
    basis: str
    rules: Rules
    sources: dict[str, Source]


def find_fault(version: RuleVersion) -> tuple[str, str] | None:
    """The first (field, fault) that makes a rule version unusable, or None."""
    rules = version.rules
    bounds = (
        ("price_tick_fen", rules.price_tick_fen, 1, 1_000_000),
        ("lot_tonnes", rules.lot_tonnes, 1, 1_000_000),
        ("min_order_tonnes", rules.min_order_tonnes, 1, 1_000_000_000),
        (
            "max_order_tonnes",
            rules.max_order_tonnes,
            rules.min_order_tonnes,
            1_000_000_000,
        ),
        ("price_limit_bps", rules.price_limit_bps, 1, BASIS_POINTS - 1),
        ("resale_interval_days", rules.resale_interval_days, 0, 250),
        ("withdrawal_interval_days", rules.withdrawal_interval_days, 0, 250),
        ("public_fee_ppm", rules.public_fee_ppm, 0, PPM),
        ("position_limit_tonnes", rules.position_limit_tonnes, 1, 10**12),
        ("idempotency_days", rules.idempotency_days, 1, 250),
        ("act_expiry_seconds", rules.act_expiry_seconds, 60, 30 * 86_400),
        ("auto_resume_seconds", rules.auto_resume_seconds, 0, 86_400),
    )
    for name, value, low, high in bounds:
        if not low <= value <= high:
            return name, f"{low}..{high}"
    if not rules.admitted_classes:
        return "admitted_classes", "at least one"
    for name, text in (("title", version.title), ("basis", version.basis)):
        if not text.strip():
            return name, "not blank"
    for name in Rules.__struct_fields__:
        source = version.sources.get(name)
        if source is None or not source.basis.strip():
            return "sources", f"no source for {name}"
    return None


def price_limits(reference_ticks: int, rules: Rules) -> tuple[int, int]:
    """Lowest and highest price in ticks, both allowed: reference -/+ the limit, half-up."""
    span = rules.price_limit_bps
    lower = half_up(reference_ticks * (BASIS_POINTS - span), BASIS_POINTS)
    upper = half_up(reference_ticks * (BASIS_POINTS + span), BASIS_POINTS)
    return max(lower, 1), upper


def fee_on(value_fen: int, rate_ppm: int) -> int:
    """Fee in fen on a cumulative order value; a fill pays this less what was charged before."""
    return half_up(value_fen * rate_ppm, PPM)
