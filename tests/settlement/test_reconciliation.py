"""The pure comparison: engine, ledger, registry and bank against each other."""

import msgspec
import pytest

from engine.events import CashTotal, PositionsReported, UnitTotal
from settlement.entries import (
    CLIENTS_BANK,
    PUBLIC_FEES,
    cash_account,
    registry_account,
    units_account,
)
from settlement.findings import Break
from settlement.ports import SeriesTotals, UnitStatus
from settlement.reconciliation import Books, compare
from tests.settlement.world import BEA, DAY, PCER

REPORT = PositionsReported(
    DAY,
    (CashTotal("A", 900), CashTotal("B", 80)),
    (UnitTotal("A", BEA, 30), UnitTotal("B", PCER, 4)),
    20,
    (),
    "",
)
BALANCES = {
    cash_account("A"): 900,
    cash_account("B"): 80,
    cash_account("C"): 0,
    PUBLIC_FEES: 20,
    CLIENTS_BANK: -1_000,
    units_account("A", BEA): 30,
    units_account("B", PCER): 4,
    registry_account(BEA): -30,
    registry_account(PCER): -4,
}
TOTALS = (
    SeriesTotals(BEA, 100, {UnitStatus.HELD: 60, UnitStatus.LOCKED: 30, UnitStatus.FROZEN: 10}),
    SeriesTotals(PCER, 4, {UnitStatus.LOCKED: 4}),
)
BOOKS = Books(BALANCES, {}, {("A", BEA): 30, ("B", PCER): 4}, TOTALS)


def changed(**fields: object) -> Books:
    return msgspec.structs.replace(BOOKS, **fields)


def test_agreeing_books_have_no_break() -> None:
    assert compare(REPORT, BOOKS) == []


def test_an_empty_market_has_no_break() -> None:
    assert compare(PositionsReported(DAY, (), (), 0, (), ""), Books({}, {}, {}, ())) == []


BREAKS = {
    "cash the ledger lacks": (
        changed(balances=BALANCES | {cash_account("A"): 899, CLIENTS_BANK: -999}),
        [Break("cash_differs", {"participant_id": "A"}, 900, 899)],
    ),
    "cash the engine does not know": (
        changed(balances=BALANCES | {cash_account("C"): 1, CLIENTS_BANK: -1_001}),
        [Break("cash_differs", {"participant_id": "C"}, 0, 1)],
    ),
    "an account the ledger has not": (
        changed(
            balances={k: v for k, v in BALANCES.items() if k != cash_account("B")}
            | {CLIENTS_BANK: -920}
        ),
        [Break("cash_differs", {"participant_id": "B"}, 80, 0)],
    ),
    "fees": (
        changed(balances=BALANCES | {PUBLIC_FEES: 19, CLIENTS_BANK: -999}),
        [Break("fees_differ", {"account": "fees:public"}, 20, 19)],
    ),
    "bank": (
        changed(balances=BALANCES | {CLIENTS_BANK: -999}),
        [Break("bank_differs", {"account": "bank:clients"}, -1_000, -999)],
    ),
    "units in ledger and registry alike": (
        changed(
            balances=BALANCES | {units_account("A", BEA): 31, registry_account(BEA): -31},
            locked={("A", BEA): 31, ("B", PCER): 4},
        ),
        [Break("units_differ", {"participant_id": "A", "series_id": BEA}, 30, 31)],
    ),
    "the registry's lock": (
        changed(locked={("A", BEA): 29, ("B", PCER): 4, ("C", BEA): 1}),
        [
            Break("registry_lock_differs", {"participant_id": "A", "series_id": BEA}, 30, 29),
            Break("registry_lock_differs", {"participant_id": "C", "series_id": BEA}, 0, 1),
        ],
    ),
    "custody": (
        changed(balances=BALANCES | {registry_account(PCER): -5}),
        [Break("custody_differs", {"account": "registry:PCER-2023"}, -4, -5)],
    ),
    "issued": (
        changed(totals=(SeriesTotals(BEA, 101, TOTALS[0].by_status), TOTALS[1])),
        [Break("registry_issued_differs", {"series_id": BEA}, 101, 100)],
    ),
}


@pytest.mark.parametrize("case", BREAKS)
def test_each_difference_is_one_break_with_its_ids(case: str) -> None:
    books, breaks = BREAKS[case]
    assert compare(REPORT, books) == breaks


def test_a_locked_deposit_that_the_engine_still_awaits_is_explained() -> None:
    balances = BALANCES | {
        units_account("A", BEA): 37,
        units_account("C", BEA): 5,
        registry_account(BEA): -42,
    }
    locked = {("A", BEA): 37, ("B", PCER): 4, ("C", BEA): 5}
    books = changed(balances=balances, locked=locked)
    assert [found.kind for found in compare(REPORT, books)] == ["units_differ", "units_differ"]
    explained = msgspec.structs.replace(books, pending={("A", BEA): 7, ("C", BEA): 5})
    assert compare(REPORT, explained) == []
