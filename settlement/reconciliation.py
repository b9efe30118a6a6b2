"""Reconciliation: engine = ledger = registry = bank, at exactly one seq.

Runs in the transaction that has posted everything up to the report's seq and nothing beyond it.
Each difference is a break with its kind and the ids to look for it; breaks are stored and block
the next opening.  Deposits that wait for the engine's event are in the ledger already; the
report lists them, so they are explained and no break.

`compare` is pure: what the engine reports against totals of the books.  Faults inside the books
come from findings.py.
"""

from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.events import PositionsReported
from settlement import outbox
from settlement.entries import (
    CASH,
    CLIENTS_BANK,
    PUBLIC_FEES,
    AccountKey,
    cash_account,
    registry_account,
    series_of,
    units_account,
)
from settlement.findings import Break, find_faults
from settlement.ports import RegistryPort, SeriesTotals

_BALANCES = text("""
    SELECT a.kind, a.owner, a.asset, b.amount
      FROM settlement.account a JOIN settlement.balance b USING (account_id)
""")

_PENDING = text("""
    SELECT participant_id, series_id, CAST(sum(quantity) AS bigint)
      FROM settlement.deposit
     WHERE is_locked AND deposit_id = ANY(CAST(:deposit_ids AS bigint[]))
     GROUP BY participant_id, series_id
""")

_STORE = text("""
    INSERT INTO settlement.reconciliation (report_seq, trading_day, state_digest, break_count)
    VALUES (:report_seq, :trading_day, :state_digest, :break_count)
""")

_STORE_BREAKS = text("""
    INSERT INTO settlement.break (report_seq, number, kind, ids, expected, actual)
    SELECT :report_seq, b.number, b.kind, CAST(b.ids AS jsonb), b.expected, b.actual
      FROM unnest(CAST(:kinds AS text[]), CAST(:ids AS text[]), CAST(:expected AS bigint[]),
                  CAST(:actual AS bigint[]))
           WITH ORDINALITY AS b(kind, ids, expected, actual, number)
""")


class Books(msgspec.Struct, frozen=True):
    """Totals of ledger and registry; tonnes of pending deposits that are locked already."""

    balances: Mapping[AccountKey, int]
    pending: Mapping[tuple[str, str], int]
    locked: Mapping[tuple[str, str], int]
    totals: Iterable[SeriesTotals]


def compare(report: PositionsReported, books: Books) -> list[Break]:
    """Every difference of totals: expected is the engine's or the ledger's, actual the other's."""
    return [
        *_cash_breaks(report, books),
        *_units_breaks(report, books),
        *_house_breaks(report, books),
        *_registry_breaks(books),
    ]


async def reconcile(
    connection: AsyncConnection, registry: RegistryPort, report_seq: int, report: PositionsReported
) -> None:
    """Compare, store the breaks and owe the market the outcome."""
    breaks = compare(report, await _load_books(connection, registry, report))
    breaks += await find_faults(connection, report_seq)
    values = {
        "report_seq": report_seq,
        "trading_day": report.day,
        "state_digest": report.state_digest,
        "break_count": len(breaks),
    }
    await connection.execute(_STORE, values)
    if breaks:
        columns = {
            "report_seq": report_seq,
            "kinds": [found.kind for found in breaks],
            "ids": [msgspec.json.encode(found.ids).decode() for found in breaks],
            "expected": [found.expected for found in breaks],
            "actual": [found.actual for found in breaks],
        }
        await connection.execute(_STORE_BREAKS, columns)
    await outbox.owe(connection, [outbox.reconciliation_done(report_seq, len(breaks))])


async def _load_books(
    connection: AsyncConnection, registry: RegistryPort, report: PositionsReported
) -> Books:
    balances = await connection.execute(_BALANCES)
    pending = await connection.execute(_PENDING, {"deposit_ids": list(report.pending_deposits)})
    return Books(
        {AccountKey(kind, owner, asset): amount for kind, owner, asset, amount in balances},
        {(participant_id, series_id): tonnes for participant_id, series_id, tonnes in pending},
        await registry.locked(),
        await registry.totals(),
    )


def _cash_breaks(report: PositionsReported, books: Books) -> list[Break]:
    expected = {cash_account(total.participant_id): total.cash_fen for total in report.cash}
    actual = {
        key: amount
        for key, amount in books.balances.items()
        if key.kind == "participant" and key.asset == CASH
    }
    return [
        Break("cash_differs", {"participant_id": key.owner}, *amounts)
        for key, *amounts in _differences(expected, actual)
    ]


def _units_breaks(report: PositionsReported, books: Books) -> list[Break]:
    expected = {
        units_account(total.participant_id, total.series_id): total.quantity
        for total in report.units
    }
    for (participant_id, series_id), tonnes in books.pending.items():
        key = units_account(participant_id, series_id)
        expected[key] = expected.get(key, 0) + tonnes
    return [
        Break("units_differ", _holding_ids(key), *amounts)
        for key, *amounts in _differences(expected, _ledger_units(books))
    ]


def _house_breaks(report: PositionsReported, books: Books) -> list[Break]:
    fees_fen = books.balances.get(PUBLIC_FEES, 0)
    bank_fen = books.balances.get(CLIENTS_BANK, 0)
    cash_fen = sum(
        amount
        for key, amount in books.balances.items()
        if key.asset == CASH and key.kind != "external"
    )
    breaks = []
    if fees_fen != report.fees_fen:
        ids = {"account": PUBLIC_FEES.owner}
        breaks.append(Break("fees_differ", ids, report.fees_fen, fees_fen))
    if bank_fen != -cash_fen:
        breaks.append(Break("bank_differs", {"account": CLIENTS_BANK.owner}, -cash_fen, bank_fen))
    return breaks


def _registry_breaks(books: Books) -> list[Break]:
    ledger = _ledger_units(books)
    locked = {units_account(*slot): tonnes for slot, tonnes in books.locked.items()}
    breaks = [
        Break("registry_lock_differs", _holding_ids(key), *amounts)
        for key, *amounts in _differences(ledger, locked)
    ]
    series_tonnes: dict[AccountKey, int] = {}
    for key, tonnes in ledger.items():
        account = registry_account(series_of(key.asset))
        series_tonnes[account] = series_tonnes.get(account, 0) - tonnes
    custody = {
        key: amount
        for key, amount in books.balances.items()
        if key.kind == "external" and key.asset != CASH
    }
    breaks += [
        Break("custody_differs", {"account": key.owner}, *amounts)
        for key, *amounts in _differences(series_tonnes, custody)
    ]
    for total in books.totals:
        standing = sum(total.by_status.values())
        if standing != total.issued:
            ids = {"series_id": total.series_id}
            breaks.append(Break("registry_issued_differs", ids, total.issued, standing))
    return breaks


def _ledger_units(books: Books) -> dict[AccountKey, int]:
    return {
        key: amount
        for key, amount in books.balances.items()
        if key.kind == "participant" and key.asset != CASH
    }


def _holding_ids(key: AccountKey) -> dict[str, str]:
    return {"participant_id": key.owner, "series_id": series_of(key.asset)}


def _differences(
    expected: Mapping[AccountKey, int], actual: Mapping[AccountKey, int]
) -> list[tuple[AccountKey, int, int]]:
    return [
        (key, expected.get(key, 0), actual.get(key, 0))
        for key in sorted({*expected, *actual})
        if expected.get(key, 0) != actual.get(key, 0)
    ]
