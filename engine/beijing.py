"""The `beijing` profile: the rule version the Beijing market starts from.

Measures: 京政发〔2024〕6号.  "Assumed" means that the text in force could not be read and the
operator confirms the value; docs/rulebook.md explains each number.
"""

from engine.codes import ParticipantClass, SourceStatus
from engine.rules import Rules, RuleVersion, Source


def _sourced(basis: str) -> Source:
    return Source(SourceStatus.SOURCED, basis)


def _assumed(basis: str) -> Source:
    return Source(SourceStatus.ASSUMED, basis)


RULES = Rules(
    currency="CNY",
    price_tick_fen=1,
    lot_tonnes=1,
    min_order_tonnes=1,
    max_order_tonnes=9_999,
    price_limit_bps=2_000,
    resale_interval_days=1,
    withdrawal_interval_days=1,
    public_fee_ppm=7_500,
    position_limit_tonnes=1_000_000,
    emitter_adds_allowance_to_limit=True,
    admitted_classes=(
        ParticipantClass.EMITTER,
        ParticipantClass.REPORTING_UNIT,
        ParticipantClass.VOLUNTARY_INSTITUTION,
    ),
    idempotency_days=5,
    act_expiry_seconds=86_400,
    auto_resume_seconds=300,
)

SOURCES = {
    "currency": _sourced("published prices are in CNY per tonne"),
    "price_tick_fen": _sourced("published prices, e.g. 104.89 CNY/t on 2024-09-02"),
    "lot_tonnes": _sourced("published volumes, e.g. 348,304 t on 2024-09-02"),
    "min_order_tonnes": _sourced("one lot"),
    "max_order_tonnes": _assumed("2014 rules: from 10,000 t negotiated transfer is compulsory"),
    "price_limit_bps": _assumed("2014 rules: +-20 % of the reference price"),
    "resale_interval_days": _assumed("national rule: bought today, sellable the next trading day"),
    "withdrawal_interval_days": _assumed("national rule: proceeds withdrawable the next day"),
    "public_fee_ppm": _assumed("7.5 per mille on each side (Art 18: fees reasonable and public)"),
    "position_limit_tonnes": _sourced("2014 rules: 1,000,000 t a controlled group"),
    "emitter_adds_allowance_to_limit": _sourced("2014 rules: annual allowance + 1,000,000 t"),
    "admitted_classes": _sourced("Art 17: key emitters and volunteering units, no natural person"),
    "idempotency_days": _assumed("the exchange's own rule: five trading days"),
    "act_expiry_seconds": _assumed("the exchange's own rule: a day to find the second person"),
    "auto_resume_seconds": _assumed("the exchange's own rule: five minutes of missed session"),
}


def rule_version(rule_version_id: str, effective_from_day: int) -> RuleVersion:
    """The profile as a rule version in effect from the given trading day (yyyymmdd)."""
    return RuleVersion(
        rule_version_id=rule_version_id,
        effective_from_day=effective_from_day,
        title="Beijing carbon market trading rules (北京碳市场交易规则)",
        basis="京政发〔2024〕6号 第十七至二十条",
        rules=RULES,
        sources=SOURCES,
    )
