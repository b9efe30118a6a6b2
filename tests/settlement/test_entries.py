"""Which entries a movement gives."""

import pytest

from engine.events import CashCredited, CashWithdrawn, UnitDepositRequested, UnitsWithdrawn
from settlement.entries import (
    CLIENTS_BANK,
    PUBLIC_FEES,
    AccountKey,
    Posting,
    cash_account,
    posting_of,
    registry_account,
    series_of,
    units_account,
)
from settlement.movements import Movement, read_batch
from tests.settlement.world import BEA, Market


def movements_of(market: Market) -> tuple[Movement, ...]:
    return read_batch(market.records, 0, 0).movements


def posting(market: Market) -> Posting:
    (movement,) = movements_of(market)
    return posting_of(movement)


def test_a_trade_pays_against_delivery_and_each_side_its_fee(market: Market) -> None:
    market.trade("B", "A", quantity=100, price_ticks=10_000)
    assert posting(market) == Posting(
        "trade:1",
        "trade",
        seq=2,
        trading_day=20240506,
        timestamp_ns=2_000,
        entries=(
            (cash_account("B"), -1_007_500),
            (cash_account("A"), 992_500),
            (PUBLIC_FEES, 15_000),
            (units_account("A", BEA), -100),
            (units_account("B", BEA), 100),
        ),
    )


def test_a_trade_without_fees_has_no_entry_of_zero(market: Market) -> None:
    market.trade("B", "A", quantity=1, price_ticks=1)
    assert PUBLIC_FEES not in dict(posting(market).entries)


@pytest.mark.parametrize(
    ("event", "kind", "entries"),
    [
        (
            CashCredited(5, "A", 700, "bank"),
            "cash_in",
            ((CLIENTS_BANK, -700), (cash_account("A"), 700)),
        ),
        (
            CashWithdrawn(5, "A", 700, "bank"),
            "cash_out",
            ((cash_account("A"), -700), (CLIENTS_BANK, 700)),
        ),
        (
            UnitDepositRequested(5, "A", BEA, 30, "paper"),
            "units_in",
            ((registry_account(BEA), -30), (units_account("A", BEA), 30)),
        ),
        (
            UnitsWithdrawn(5, "A", BEA, 30, "paper"),
            "units_out",
            ((units_account("A", BEA), -30), (registry_account(BEA), 30)),
        ),
    ],
)
def test_money_and_units_come_from_outside_and_go_back(
    market: Market, event: object, kind: str, entries: object
) -> None:
    market.append(event)  # type: ignore[arg-type]
    assert (posting(market).kind, posting(market).entries) == (kind, entries)


def test_every_posting_sums_to_zero_per_asset(market: Market) -> None:
    market.credit("A", 5)
    market.request_deposit("A", 5)
    market.withdraw("A", 5)
    market.withdraw_units("A", 5)
    for quantity in range(1, 200, 7):
        market.trade("B", "A", quantity, price_ticks=9_973)
    for movement in movements_of(market):
        sums: dict[str, int] = {}
        for account, amount in posting_of(movement).entries:
            sums[account.asset] = sums.get(account.asset, 0) + amount
        assert set(sums.values()) == {0}


def test_an_asset_names_its_series() -> None:
    assert series_of(units_account("A", BEA).asset) == BEA
    assert series_of(cash_account("A").asset) == ""
    assert cash_account("A") == AccountKey("participant", "A", "cash")
