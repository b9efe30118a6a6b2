"""Damage from outside, done past every guard: reconciliation finds each with its ids (E3)."""

from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.events import PositionsReported
from settlement.consumer import Settlement
from settlement.findings import KINDS
from settlement.reconciliation import reconcile
from settlement.registry.embedded import EmbeddedRegistry
from tests.settlement.conftest import fund, rows
from tests.settlement.world import BEA, Market

SCHEMAS = {
    "settlement": (
        "account",
        "balance",
        "posting",
        "entry",
        "instruction",
        "instruction_state",
        "deposit",
        "unposted",
    ),
    "registry": ("series", "account", "transfer", "unit_block"),
}

B_CASH = "(SELECT account_id FROM settlement.account WHERE owner = 'B' AND asset = 'cash')"
C_CASH = B_CASH.replace("'B'", "'C'")
FEES = B_CASH.replace("'B'", "'fees:public'")
BANK = B_CASH.replace("'B'", "'bank:clients'")
CUSTODY = B_CASH.replace("'B'", "'registry:BEA-2024'").replace("'cash'", "'units:BEA-2024'")
B_UNITS = B_CASH.replace("'cash'", "'units:BEA-2024'")
TRADE_1 = "(SELECT posting_id FROM settlement.posting WHERE cause = 'trade:1')"
B_BLOCK = "holder = 'B' AND closed_by IS NULL"


class Damage(NamedTuple):
    """What is done, and breaks that it must give: (kind, an id among its ids)."""

    sql: str
    breaks: set[tuple[str, str]]


def move(account: str, amount: int) -> str:
    return f"UPDATE settlement.balance SET amount = amount + {amount} WHERE account_id = {account}"


def enter(cause: str, kind: str, *entries: tuple[str, int]) -> str:
    """A posting with its entries, the balances left alone; statements joined by ';'."""
    lines = "; ".join(
        "INSERT INTO settlement.entry SELECT posting_id, "
        f"{account}, {amount} FROM settlement.posting WHERE cause = '{cause}'"
        for account, amount in entries
    )
    return (
        "INSERT INTO settlement.posting (cause, kind, seq, trading_day, timestamp_ns, entry_count)"
        f" VALUES ('{cause}', '{kind}', 9, 20240506, 9, {len(entries)}); {lines}"
    )


DAMAGES = {
    "a balance is raised": Damage(
        move(B_CASH, 1), {("balance_differs", "B"), ("cash_differs", "B")}
    ),
    "money moves between two balances": Damage(
        f"{move(B_CASH, 5)}; {move(C_CASH, -5)}",
        {("cash_differs", "B"), ("cash_differs", "C"), ("balance_differs", "C")},
    ),
    "fees are pocketed": Damage(
        f"{move(FEES, -5)}; {move(B_CASH, 5)}",
        {("fees_differ", "fees:public"), ("cash_differs", "B")},
    ),
    "the bank account is touched": Damage(
        move(BANK, -7), {("bank_differs", "bank:clients"), ("balance_differs", "bank:clients")}
    ),
    "custody is touched": Damage(
        move(CUSTODY, -7),
        {("custody_differs", "registry:BEA-2024"), ("balance_differs", "registry:BEA-2024")},
    ),
    "a balance is gone": Damage(
        f"DELETE FROM settlement.balance WHERE account_id = {B_CASH}",
        {("balance_differs", "B"), ("cash_differs", "B")},
    ),
    "a balance goes below zero": Damage(
        "ALTER TABLE settlement.balance DROP CONSTRAINT balance_check; "
        f"UPDATE settlement.balance SET amount = -1 WHERE account_id = {B_CASH}",
        {("balance_beyond_zero", "B"), ("balance_differs", "B")},
    ),
    "an entry is changed": Damage(
        f"UPDATE settlement.entry SET amount = amount - 1 WHERE posting_id = {TRADE_1}"
        f" AND account_id = {B_CASH}",
        {("posting_unbalanced", "{trade:1}"), ("legs_differ", "B"), ("balance_differs", "B")},
    ),
    "an entry and its balance are changed": Damage(
        f"UPDATE settlement.entry SET amount = amount - 1 WHERE posting_id = {TRADE_1}"
        f" AND account_id = {B_CASH}; {move(B_CASH, -1)}",
        {("posting_unbalanced", "{trade:1}"), ("legs_differ", "B"), ("cash_differs", "B")},
    ),
    "an entry is deleted": Damage(
        f"DELETE FROM settlement.entry WHERE posting_id = {TRADE_1} AND account_id = {B_CASH}",
        {("posting_incomplete", "trade:1"), ("legs_differ", "B")},
    ),
    "a posting is deleted, its entries stay": Damage(
        "DELETE FROM settlement.posting WHERE cause = 'trade:1'",
        {("posting_incomplete", "{trade:1}"), ("transfer_unexplained", "trade:1")},
    ),
    "a posting and its entries are deleted": Damage(
        f"DELETE FROM settlement.entry WHERE posting_id = {TRADE_1}; "
        "DELETE FROM settlement.posting WHERE cause = 'trade:1'",
        {("balance_differs", "B"), ("legs_differ", "B"), ("transfer_unexplained", "trade:1")},
    ),
    "a posting declares other entries": Damage(
        "UPDATE settlement.posting SET entry_count = 6 WHERE cause = 'trade:1'",
        {("posting_incomplete", "trade:1")},
    ),
    "a trade is posted twice": Damage(
        enter("trade:1 again", "trade", (B_CASH, -9), (C_CASH, 9)),
        {("instruction_missing", "trade:1 again"), ("transfer_missing", "trade:1 again")},
    ),
    "units come in that nobody deposited": Damage(
        enter("deposit:99", "units_in", (CUSTODY, -9), (B_UNITS, 9)),
        {("deposit_missing", "deposit:99"), ("transfer_missing", "deposit:99")},
    ),
    "money comes in that the market has not seen": Damage(
        enter("cash:99", "cash_in", (BANK, -9), (B_CASH, 9))
        + f"; {move(BANK, -9)}; {move(B_CASH, 9)}",
        {("cash_differs", "B")},
    ),
    "two participants change names": Damage(
        "ALTER TABLE settlement.account DROP CONSTRAINT account_kind_owner_asset_key; "
        "UPDATE settlement.account SET owner = CASE owner WHEN 'B' THEN 'C' ELSE 'B' END"
        " WHERE owner IN ('B', 'C')",
        {("cash_differs", "B"), ("cash_differs", "C"), ("legs_differ", "B")},
    ),
    "an instruction is changed": Damage(
        "UPDATE settlement.instruction SET quantity = quantity + 1 WHERE trade_id = 1",
        {("legs_differ", "{trade:1}"), ("transfer_differs", "1")},
    ),
    "an instruction is deleted": Damage(
        "DELETE FROM settlement.instruction_state WHERE trade_id = 1; "
        "DELETE FROM settlement.instruction WHERE trade_id = 1",
        {("instruction_missing", "trade:1"), ("legs_differ", "{trade:1}")},
    ),
    "an instruction loses its final state": Damage(
        "DELETE FROM settlement.instruction_state WHERE trade_id = 1 AND state = 'posted'",
        {("instruction_not_posted", "1"), ("instruction_missing", "trade:1")},
    ),
    "an instruction is called failed": Damage(
        "UPDATE settlement.instruction_state SET state = 'failed', reason = 'no',"
        " posting_id = NULL WHERE trade_id = 1 AND state = 'posted'",
        {("instruction_not_posted", "1")},
    ),
    "an instruction points to another posting": Damage(
        "UPDATE settlement.instruction_state SET posting_id ="
        " (SELECT posting_id FROM settlement.posting WHERE cause = 'trade:2')"
        " WHERE trade_id = 1 AND state = 'posted'",
        {("instruction_missing", "trade:1")},
    ),
    "an instruction points to another transfer": Damage(
        "UPDATE settlement.instruction_state SET registry_transfer_id ="
        " registry_transfer_id + 1 WHERE trade_id = 1 AND state = 'posted'",
        {("transfer_differs", "1")},
    ),
    "a deposit is deleted": Damage(
        "DELETE FROM settlement.deposit WHERE deposit_id = 1",
        {("deposit_missing", "deposit:1"), ("legs_differ", "{deposit:1}")},
    ),
    "a deposit is changed": Damage(
        "UPDATE settlement.deposit SET quantity = 999 WHERE deposit_id = 1",
        {("legs_differ", "A")},
    ),
    "a withdrawal is put aside": Damage(
        "INSERT INTO settlement.unposted VALUES ('cash:98', 3, 'LEDGER_OVERDRAWN')",
        {("movement_not_posted", "cash:98")},
    ),
    "a transfer is deleted": Damage(
        "DELETE FROM registry.transfer WHERE idempotency_key = 'trade:1'",
        {("transfer_missing", "trade:1"), ("transfer_differs", "1")},
    ),
    "a transfer is changed": Damage(
        "UPDATE registry.transfer SET quantity = 99 WHERE idempotency_key = 'trade:1'",
        {("transfer_differs", "1")},
    ),
    "a transfer is taken back": Damage(
        "UPDATE registry.transfer SET status = 'pending' WHERE idempotency_key = 'trade:1'",
        {("transfer_missing", "trade:1"), ("transfer_differs", "1")},
    ),
    "a transfer is forged": Damage(
        "INSERT INTO registry.transfer (idempotency_key, kind, series_id, from_holder, to_holder,"
        " quantity, status) VALUES ('trade:77', 'transfer', 'BEA-2024', 'A', 'B', 1, 'posted')",
        {("transfer_unexplained", "trade:77"), ("serials_not_conserved", "trade:77")},
    ),
    "a block changes hands without a transfer": Damage(
        f"UPDATE registry.unit_block SET holder = 'C' WHERE {B_BLOCK}",
        {("registry_lock_differs", "B"), ("registry_lock_differs", "C")},
    ),
    "a block loses its lock": Damage(
        f"UPDATE registry.unit_block SET status = 'held' WHERE {B_BLOCK}",
        {("registry_lock_differs", "B")},
    ),
    "a block shrinks": Damage(
        f"UPDATE registry.unit_block SET serial_to = serial_to - 1 WHERE {B_BLOCK}"
        " AND serial_to > serial_from",
        {("serials_missing", BEA), ("registry_issued_differs", BEA)},
    ),
    "a block grows": Damage(
        f"UPDATE registry.unit_block SET serial_to = serial_to + 1 WHERE {B_BLOCK}"
        " AND serial_from = 1",
        {("serials_overlap", BEA), ("serials_not_conserved", "trade:1")},
    ),
    "a block is deleted": Damage(
        f"DELETE FROM registry.unit_block WHERE {B_BLOCK} AND serial_from = 1",
        {("serials_missing", BEA), ("registry_lock_differs", "B")},
    ),
    "a block is copied": Damage(
        "INSERT INTO registry.unit_block SELECT opened_by, line + 9, series_id, serial_from,"
        f" serial_to, 'C', status FROM registry.unit_block WHERE {B_BLOCK}",
        {("serials_overlap", "C"), ("registry_issued_differs", BEA)},
    ),
    "a closed block opens again": Damage(
        "UPDATE registry.unit_block SET closed_by = NULL WHERE closed_by ="
        " (SELECT transfer_id FROM registry.transfer WHERE idempotency_key = 'trade:1')",
        {("serials_overlap", BEA), ("serials_not_conserved", "trade:1")},
    ),
    "units appear beyond all issues": Damage(
        "INSERT INTO registry.unit_block SELECT opened_by, 99, series_id, 9001, 9009, 'B', 'held'"
        f" FROM registry.unit_block WHERE {B_BLOCK} LIMIT 1",
        {("serials_never_issued", "9001"), ("registry_issued_differs", BEA)},
    ),
    "a series counts more than was issued": Damage(
        "UPDATE registry.series SET last_serial = last_serial + 3",
        {("serials_missing", "1501"), ("registry_issued_differs", BEA)},
    ),
}


async def settle_a_day(books: AsyncEngine, market: Market) -> tuple[int, PositionsReported]:
    settlement = Settlement(books, market, market)
    await fund(books, market, settlement)
    market.trade("B", "A", 10)
    market.trade("C", "A", 20)
    market.trade("B", "A", 30)
    await settlement.catch_up(seq := market.report())
    (report,) = market.records[seq - 1].events
    assert isinstance(report, PositionsReported)
    return seq, report


async def find_breaks(
    connection: AsyncConnection, seq: int, report: PositionsReported
) -> set[tuple[str, str]]:
    """(kind, id) for every id of every break of a reconciliation now."""
    await reconcile(connection, EmbeddedRegistry(connection), seq + 1, report)
    found = await connection.execute(
        text("SELECT kind, ids FROM settlement.break WHERE report_seq = :seq"), {"seq": seq + 1}
    )
    return {(kind, named) for kind, ids in found for named in ids.values()}


async def unguard(connection: AsyncConnection) -> None:
    for schema, tables in SCHEMAS.items():
        for table in tables:
            await connection.execute(text(f"ALTER TABLE {schema}.{table} DISABLE TRIGGER ALL"))


async def test_sound_books_have_no_break(
    books: AsyncEngine, superuser: AsyncEngine, market: Market
) -> None:
    seq, report = await settle_a_day(books, market)
    async with superuser.connect() as connection:
        assert await find_breaks(connection, seq, report) == set()


async def test_every_damage_is_found_with_its_ids(
    books: AsyncEngine, superuser: AsyncEngine, market: Market
) -> None:
    seq, report = await settle_a_day(books, market)
    posted = await rows(books, "SELECT cause, posting_id FROM settlement.posting")
    posting_ids = {f"{{{cause}}}": str(posting_id) for cause, posting_id in posted}
    missed = {}
    for name, damage in DAMAGES.items():
        async with superuser.connect() as connection:
            await unguard(connection)
            for statement in damage.sql.split("; "):
                result = await connection.execute(text(statement))
                assert result.rowcount != 0, (name, statement)
            found = await find_breaks(connection, seq, report)
        expected = {(kind, posting_ids.get(named, named)) for kind, named in damage.breaks}
        if not expected <= found:
            missed[name] = expected - found
    assert missed == {}


async def test_every_kind_of_finding_is_planted() -> None:
    assert {kind for damage in DAMAGES.values() for kind, _ in damage.breaks} >= set(KINDS)
