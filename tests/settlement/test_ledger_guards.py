"""The books defend themselves: what the database refuses, whoever asks (RELIABILITY E2)."""

from sqlalchemy.ext.asyncio import AsyncEngine

from settlement.consumer import Settlement
from tests.settlement.conftest import execute, fund, refusal, rows
from tests.settlement.world import Market

NOT_GRANTED = "42501"
APPEND_ONLY = "JT004"
TABLES = (
    "settlement.account",
    "settlement.posting",
    "settlement.entry",
    "settlement.instruction",
    "settlement.instruction_state",
    "settlement.deposit",
    "settlement.unposted",
    "settlement.reconciliation",
    "settlement.break",
)
NEVER_DELETED = (
    *TABLES,
    "settlement.watermark",
    "settlement.outbox",
    "settlement.balance",
    "registry.series",
    "registry.account",
    "registry.transfer",
    "registry.unit_block",
)
REPLICA = "SET LOCAL session_replication_role = replica"
COLUMN = {
    "settlement.account": "owner",
    "settlement.posting": "seq",
    "settlement.entry": "amount",
    "settlement.instruction": "quantity",
    "settlement.instruction_state": "reason",
    "settlement.deposit": "quantity",
    "settlement.unposted": "reason",
    "settlement.reconciliation": "break_count",
    "settlement.break": "actual",
}


def post(cause: str, *entries: tuple[str, str, int], declared: int | None = None) -> str:
    """One statement that posts entries of (owner, asset, amount)."""
    count = len(entries) if declared is None else declared
    lines = ", ".join(f"('{owner}', '{asset}', {amount})" for owner, asset, amount in entries)
    return f"""
        WITH p AS (
            INSERT INTO settlement.posting (cause, kind, seq, trading_day, timestamp_ns,
                                            entry_count)
            VALUES ('{cause}', 'test', 1, 20240506, 1, {count}) RETURNING posting_id)
        INSERT INTO settlement.entry (posting_id, account_id, amount)
        SELECT p.posting_id, a.account_id, e.amount
          FROM p, (VALUES {lines}) AS e(owner, asset, amount)
          JOIN settlement.account a USING (owner, asset)
    """


async def balances(engine: AsyncEngine) -> list[tuple[object, ...]]:
    return await rows(engine, "SELECT * FROM settlement.balance ORDER BY account_id")


async def test_nobody_updates_what_is_written(books: AsyncEngine, superuser: AsyncEngine) -> None:
    for table in TABLES:
        statement = f"UPDATE {table} SET {COLUMN[table]} = {COLUMN[table]}"
        assert await refusal(books, statement) == NOT_GRANTED, table
        assert await refusal(superuser, statement) == APPEND_ONLY, table
        for trick in ("SET LOCAL ROLE jingtan_owner", REPLICA):
            assert await refusal(superuser, trick, statement) == APPEND_ONLY, (table, trick)


async def test_nobody_deletes(books: AsyncEngine, superuser: AsyncEngine) -> None:
    for table in NEVER_DELETED:
        for statement in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
            assert await refusal(books, statement) == NOT_GRANTED, statement
            assert await refusal(superuser, statement) == APPEND_ONLY, statement
            assert await refusal(superuser, REPLICA, statement) == APPEND_ONLY, statement


async def test_a_balanced_posting_moves_the_balances(
    books: AsyncEngine, market: Market, settlement: Settlement
) -> None:
    await fund(books, market, settlement)
    await execute(books, post("test:1", ("B", "cash", -10), ("C", "cash", 10)))
    query = """
        SELECT owner, amount FROM settlement.balance JOIN settlement.account USING (account_id)
         WHERE owner IN ('B', 'C') ORDER BY owner
    """
    assert await rows(books, query) == [("B", 99_999_990), ("C", 100_000_010)]


REFUSED = {
    "unbalanced": ("JT001", post("test:1", ("B", "cash", -10), ("C", "cash", 11))),
    "balanced_over_two_assets": (
        "JT001",
        post("test:1", ("B", "cash", -10), ("A", "units:BEA-2024", 10)),
    ),
    "overdrawn_cash": (
        "JT002",
        post("test:1", ("B", "cash", -100_000_001), ("C", "cash", 100_000_001)),
    ),
    "overdrawn_units": (
        "JT002",
        post(
            "test:1",
            ("A", "units:BEA-2024", -1_001),
            ("registry:BEA-2024", "units:BEA-2024", 1_001),
        ),
    ),
    "fewer_entries_than_declared": (
        "JT003",
        post("test:1", ("B", "cash", -10), ("C", "cash", 10), declared=3),
    ),
    "repeated_cause": ("23505", post("cash:2", ("B", "cash", -10), ("C", "cash", 10))),
    "posting_without_entries": (
        "JT003",
        "INSERT INTO settlement.posting (cause, kind, seq, trading_day, timestamp_ns, entry_count)"
        " VALUES ('test:1', 'test', 1, 20240506, 1, 2)",
    ),
    "entries_without_posting": (
        "JT003",
        "INSERT INTO settlement.entry SELECT 999999, account_id, CASE owner WHEN 'B' THEN 1"
        " ELSE -1 END FROM settlement.account WHERE owner IN ('B', 'C') AND asset = 'cash'",
    ),
    "more_entries_for_a_finished_posting": (
        "JT003",
        "INSERT INTO settlement.entry SELECT (SELECT min(posting_id) FROM settlement.posting),"
        " account_id, CASE owner WHEN 'B' THEN 1 ELSE -1 END"
        " FROM settlement.account WHERE owner IN ('B', 'C') AND asset = 'cash'",
    ),
    "entries_of_an_unknown_account": (
        "JT005",
        post("test:1", ("B", "cash", -10), ("C", "cash", 10)).replace(
            "a.account_id,", "a.account_id + 10000,"
        ),
    ),
    "entry_of_zero": (
        "23514",
        post("test:1", ("B", "cash", 0), ("C", "cash", 0)),
    ),
    "beyond_the_largest_amount": (
        "22003",
        post("test:1", ("C", "cash", 2**63 - 1), ("bank:clients", "cash", -(2**63 - 1))),
    ),
    "balance_by_hand": (NOT_GRANTED, "UPDATE settlement.balance SET amount = 1"),
    "balance_row_by_hand": (
        NOT_GRANTED,
        "INSERT INTO settlement.balance VALUES (999, 'house', 1)",
    ),
    "watermark_backwards": ("JT006", "UPDATE settlement.watermark SET seq = seq - 1"),
    "second_watermark": (NOT_GRANTED, "INSERT INTO settlement.watermark VALUES (false, 0, 0)"),
    "triggers_off": (NOT_GRANTED, "ALTER TABLE settlement.entry DISABLE TRIGGER ALL"),
    "replica_role": (NOT_GRANTED, "SET session_replication_role = replica"),
}


async def test_the_settlement_role_cannot_break_the_ledger(
    books: AsyncEngine, market: Market, settlement: Settlement
) -> None:
    await fund(books, market, settlement)
    before = await balances(books)
    refused = {case: await refusal(books, statement) for case, (_, statement) in REFUSED.items()}
    assert refused == {case: sqlstate for case, (sqlstate, _) in REFUSED.items()}
    assert await balances(books) == before


async def test_each_posting_of_a_statement_must_be_covered_when_it_happens(
    books: AsyncEngine, market: Market, settlement: Settlement
) -> None:
    await fund(books, market, settlement)
    late = post("test:1", ("B", "cash", -100_000_010), ("C", "cash", 100_000_010))
    cover = post("test:2", ("C", "cash", -20), ("B", "cash", 20))
    together = """
        WITH p AS (
            INSERT INTO settlement.posting (cause, kind, seq, trading_day, timestamp_ns,
                                            entry_count)
            VALUES ('test:1', 'test', 1, 20240506, 1, 2), ('test:2', 'test', 1, 20240506, 1, 2)
            RETURNING posting_id, cause)
        INSERT INTO settlement.entry (posting_id, account_id, amount)
        SELECT p.posting_id, a.account_id, e.amount
          FROM (VALUES ('test:1', 'B', -100000010), ('test:1', 'C', 100000010),
                       ('test:2', 'C', -20), ('test:2', 'B', 20)) AS e(cause, owner, amount)
          JOIN p USING (cause)
          JOIN settlement.account a ON a.owner = e.owner AND a.asset = 'cash'
    """
    assert await refusal(books, together) == "JT002"
    assert await refusal(books, cover, late) == ""


async def test_balances_change_by_postings_alone_even_for_a_superuser(
    superuser: AsyncEngine, books: AsyncEngine, market: Market, settlement: Settlement
) -> None:
    await fund(books, market, settlement)
    for statement in (
        "UPDATE settlement.balance SET amount = amount + 1",
        "INSERT INTO settlement.balance VALUES (999, 'house', 1)",
        "DELETE FROM settlement.balance",
    ):
        assert await refusal(superuser, statement) == APPEND_ONLY


async def test_an_instruction_is_written_once_and_ends_once(
    books: AsyncEngine, market: Market, settlement: Settlement
) -> None:
    await fund(books, market, settlement)
    await settlement.catch_up(market.trade("B", "A", 5))
    instruction = "INSERT INTO settlement.instruction SELECT * FROM settlement.instruction"
    state = "INSERT INTO settlement.instruction_state (trade_id, state, reason, posting_id,"
    state += " registry_transfer_id) SELECT trade_id, {} FROM settlement.instruction_state"
    state += " WHERE state = 'posted'"
    assert await refusal(books, instruction) == "23505"
    assert await refusal(books, state.format("'due', '', NULL, NULL")) == "23505"
    assert await refusal(books, state.format("'failed', 'no', NULL, NULL")) == "23505"
    assert await refusal(books, state.format("state, reason, posting_id, 1")) == "23505"


async def test_a_state_needs_its_instruction_and_a_posting_its_own(
    books: AsyncEngine, market: Market, settlement: Settlement
) -> None:
    await fund(books, market, settlement)
    state = "INSERT INTO settlement.instruction_state (trade_id, state, reason, posting_id,"
    state += " registry_transfer_id) VALUES "
    instruction = "INSERT INTO settlement.instruction VALUES"
    instruction += " (9, 1, 1, 1, 'i', 's', 1, 1, 1, 'b', 's', 0, 0)"
    assert await refusal(books, state + "(9, 'due', '', NULL, NULL)") == "23503"
    assert await refusal(books, instruction, state + "(9, 'posted', '', 1, 1)") == "23503"
    assert await refusal(books, instruction, state + "(9, 'posted', '', NULL, 1)") == "23514"
    assert await refusal(books, instruction, state + "(9, 'failed', '', NULL, 1)") == "23514"


async def test_a_closed_outbox_row_stays_closed(
    books: AsyncEngine, market: Market, settlement: Settlement
) -> None:
    await fund(books, market, settlement)
    reopen = "UPDATE settlement.outbox SET state = 'open', closed_seq = NULL"
    assert await refusal(books, reopen) == APPEND_ONLY


async def test_the_reader_reads_and_writes_nothing(dsn: str, superuser: AsyncEngine) -> None:
    for table in NEVER_DELETED:
        as_reader = "SET LOCAL ROLE jingtan_reader"
        assert await refusal(superuser, as_reader, f"SELECT * FROM {table}") == ""
        insert = f"INSERT INTO {table} DEFAULT VALUES"
        assert await refusal(superuser, as_reader, insert) == NOT_GRANTED
