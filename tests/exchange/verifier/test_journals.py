"""The verifier against real journals: in the database, in several processes, and exported."""

import ast
import asyncio
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from exchange.journal_export import export_journal
from exchange.verifier import Anchor, NoJournal, database, verify_database, verify_file
from tests.exchange_driver import ExchangeDriver, running

ROWS = 300
VERIFIER = Path(database.__file__).parent
FOUNDATIONS = {*sys.stdlib_module_names, "asyncpg"}


@pytest_asyncio.fixture
async def traded(dsn: str) -> AsyncIterator[ExchangeDriver]:
    """A running exchange with some hundred rows."""
    async with running(dsn) as driver:
        await driver.trade(random.Random(5), ROWS)
        yield driver


async def execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def test_the_verifier_imports_the_standard_library_and_asyncpg_only() -> None:
    imported = set()
    for path in VERIFIER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module))
    own = {name for name in imported if name.startswith("exchange.verifier")}
    assert own
    assert {name.partition(".")[0] for name in imported - own} <= FOUNDATIONS


async def test_the_journal_of_a_running_exchange_is_verified(traded: ExchangeDriver) -> None:
    await traded.revive()
    await traded.end_day()
    status = traded.exchange.journal_status()
    found = await verify_database(traded.dsn)
    assert found.verified, found.line()
    assert (found.rows, found.last_seq) == (status["durable_seq"], status["durable_seq"])
    assert found.chain == status["chain"]


async def test_it_verifies_while_orders_are_entered(traded: ExchangeDriver) -> None:
    trading = asyncio.create_task(traded.trade_until_gone(random.Random(6)))
    try:
        for _ in range(3):
            found = await verify_database(traded.dsn)
            assert found.verified, found.line()
            assert found.rows > ROWS
    finally:
        await traded.kill()
        await trading


async def test_several_processes_find_what_one_finds(
    traded: ExchangeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await traded.kill()
    alone = await verify_database(traded.dsn)
    monkeypatch.setattr(database, "ROWS_WORTH_A_PROCESS", 100)
    assert await verify_database(traded.dsn, processes=2) == alone
    first_of_second = alone.rows // 2 + 1
    anchor = Anchor(alone.rows - 1, bytes(32))
    assert (await verify_database(traded.dsn, [anchor], 2)).broken_seq == alone.rows - 1
    await execute(
        traded.dsn,
        "ALTER TABLE exchange.journal DISABLE TRIGGER journal_is_append_only",
        f"UPDATE exchange.journal SET events = '[]' WHERE seq = {first_of_second}",
    )
    broken = await verify_database(traded.dsn)
    assert broken.broken_seq == first_of_second
    assert await verify_database(traded.dsn, processes=2) == broken
    await execute(traded.dsn, f"DELETE FROM exchange.journal WHERE seq = {first_of_second - 1}")
    assert (await verify_database(traded.dsn, processes=2)).broken_seq == first_of_second - 1


@pytest.mark.parametrize(
    ("statement", "behind_the_end"),
    [
        ("DELETE FROM exchange.lease", None),
        ("UPDATE exchange.lease SET last_seq = last_seq - 1", 0),
        ("UPDATE exchange.lease SET last_seq = last_seq + 1", 1),
        ("UPDATE exchange.lease SET last_chain = decode(repeat('00', 32), 'hex')", 0),
    ],
)
async def test_a_lease_row_that_disagrees_is_found(
    traded: ExchangeDriver, statement: str, behind_the_end: int | None
) -> None:
    await traded.kill()
    rows = (await verify_database(traded.dsn)).rows
    await execute(traded.dsn, statement)
    found = await verify_database(traded.dsn)
    assert not found.verified
    assert found.broken_seq == (1 if behind_the_end is None else rows + behind_the_end)


async def test_a_database_without_a_journal_is_none(empty_dsn: str) -> None:
    with pytest.raises(NoJournal):
        await verify_database(empty_dsn)


async def test_an_empty_journal_is_verified(dsn: str) -> None:
    found = await verify_database(dsn)
    assert (found.verified, found.rows, found.chain) == (True, 0, "00" * 32)


async def test_an_export_is_verified_like_the_database(
    traded: ExchangeDriver, tmp_path: Path
) -> None:
    path = tmp_path / "journal.jsonl"
    trading = asyncio.create_task(traded.trade_until_gone(random.Random(7)))
    last_seq = await export_journal(traded.dsn, path)
    await traded.kill()
    await trading
    found = verify_file(path)
    assert found.verified, found.line()
    assert found.last_seq == last_seq
    anchor = Anchor(last_seq, bytes.fromhex(found.chain))
    assert (await verify_database(traded.dsn, [anchor])).verified


async def test_an_export_that_fails_leaves_what_was_there(empty_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text("older")
    with pytest.raises(asyncpg.PostgresError):
        await export_journal(empty_dsn, path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["older"]
