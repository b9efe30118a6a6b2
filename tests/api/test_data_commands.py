"""`jingtan journal verify|export`, `backup`, `restore`: what they print and how they end."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import structlog
from typer.testing import CliRunner, Result

from api.cli.app import app
from api.main import ExitCode
from exchange.database import normalise_dsn
from tests.exchange_driver import running
from tests.seeded import FIRST_SEED, seeded

runner = CliRunner()


def jingtan(*arguments: object) -> Result:
    return runner.invoke(app, [str(argument) for argument in arguments])


def last_word(result: Result) -> str:
    """The one line in which a command says why it failed."""
    lines = [line for line in result.stderr.splitlines() if line.startswith("jingtan: ")]
    assert len(lines) == 1, result.output
    assert "Traceback" not in result.output
    return lines[0]


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """A command sends the log to its own standard error, which is gone after it."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def market(dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a market with some trades, which the environment names."""
    asyncio.run(_trade(dsn))
    monkeypatch.setenv("DATABASE_URL", dsn)
    return dsn


async def _trade(dsn: str) -> None:
    async with running(dsn) as driver:
        await driver.trade(seeded(FIRST_SEED), 50)


def execute(dsn: str, *statements: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(normalise_dsn(dsn))
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def break_journal(dsn: str, seq: int) -> None:
    execute(
        dsn,
        "ALTER TABLE exchange.journal DISABLE TRIGGER journal_is_append_only",
        f"UPDATE exchange.journal SET events = '[]' WHERE seq = {seq}",
    )


def test_verify_prints_one_line_or_json(market: str) -> None:
    result = jingtan("journal", "verify")
    found = json.loads(jingtan("journal", "verify", "--json").stdout)
    assert result.exit_code == ExitCode.OK
    assert result.stdout == (
        f"journal verified: {found['rows']} rows, seq {found['last_seq']}, chain {found['chain']}\n"
    )
    assert found == {
        "verified": True,
        "rows": found["last_seq"],
        "first_seq": 1,
        "last_seq": found["last_seq"],
        "chain": found["chain"],
        "broken_seq": None,
        "why": "",
    }


def test_verify_names_the_broken_row_and_ends_with_5(market: str) -> None:
    break_journal(market, 30)
    result = jingtan("journal", "verify")
    assert result.exit_code == ExitCode.JOURNAL_BROKEN
    assert result.stdout.startswith("journal broken at seq 30: ")
    found = json.loads(jingtan("journal", "verify", "--json").stdout)
    assert (found["verified"], found["broken_seq"], found["last_seq"]) == (False, 30, 29)


def test_verify_compares_with_an_anchor(market: str) -> None:
    found = json.loads(jingtan("journal", "verify", "--json").stdout)
    right = f"{found['last_seq']}:{found['chain']}"
    wrong = f"{found['last_seq'] - 1}:{found['chain']}"
    assert jingtan("journal", "verify", "--anchor", right).exit_code == ExitCode.OK
    result = jingtan("journal", "verify", "--anchor", right, "--anchor", wrong)
    assert result.exit_code == ExitCode.JOURNAL_BROKEN


@pytest.mark.parametrize("anchor", ["", "5", "5:xy", "x:00", f"0:{'00' * 32}", "5:0011"])
def test_an_anchor_that_is_none_is_refused(anchor: str, market: str) -> None:
    result = jingtan("journal", "verify", "--anchor", anchor)
    assert result.exit_code == ExitCode.FAILED
    assert "is no anchor" in last_word(result)


def test_an_export_is_verified_without_a_database(
    market: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "journal.jsonl"
    exported = jingtan("journal", "export", file)
    in_database = jingtan("journal", "verify").stdout
    assert exported.exit_code == ExitCode.OK
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert jingtan("journal", "verify", file).stdout == in_database
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:10] + lines[11:]))
    result = jingtan("journal", "verify", file)
    assert (result.exit_code, result.stdout) == (
        ExitCode.JOURNAL_BROKEN,
        "journal broken at seq 10: row missing, the next one is 11\n",
    )


def test_a_market_is_backed_up_and_restored(
    market: str, empty_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "market.backup"
    backed_up = jingtan("backup", file)
    verified = jingtan("journal", "verify").stdout
    again = jingtan("restore", file)
    assert (backed_up.exit_code, again.exit_code) == (ExitCode.OK, ExitCode.FAILED)
    assert "not empty" in last_word(again)
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    restored = jingtan("restore", file)
    assert restored.exit_code == ExitCode.OK
    assert "the original never runs again" in restored.stdout
    assert jingtan("journal", "verify").stdout == verified


def test_an_altered_backup_is_refused_before_anything_is_created(
    market: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "market.backup"
    jingtan("backup", file)
    monkeypatch.delenv("DATABASE_URL")
    file.write_bytes(file.read_bytes()[:-1])
    result = jingtan("restore", file, "--data-dir", tmp_path / "new")
    assert result.exit_code == ExitCode.FAILED
    assert "truncated or altered" in last_word(result)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "command", [("journal", "verify"), ("journal", "export", "x"), ("backup", "x")]
)
def test_nothing_is_created_where_no_market_is(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    result = jingtan(*command, "--data-dir", tmp_path / "none")
    assert result.exit_code == ExitCode.FAILED
    assert last_word(result) == f"jingtan: there is no market in {tmp_path / 'none'}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("journal", "verify"), "no journal"),
        (("journal", "export", "x"), "no journal"),
        (("backup", "x"), "no market"),
    ],
)
def test_an_empty_database_is_refused(
    command: tuple[str, ...],
    why: str,
    empty_dsn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    result = jingtan(*command)
    assert result.exit_code == ExitCode.FAILED
    assert why in last_word(result)
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_refuses_ends_with_4(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", dsn.replace("/test_", "/absent_"))
    result = jingtan("journal", "verify")
    assert result.exit_code == ExitCode.DATABASE_UNREACHABLE
    assert "does not exist" in last_word(result)


@pytest.mark.parametrize("command", [("journal", "verify"), ("restore",)])
def test_a_file_that_is_not_there_is_said(command: tuple[str, ...], tmp_path: Path) -> None:
    result = jingtan(*command, tmp_path / "absent")
    assert result.exit_code == ExitCode.FAILED
    assert "No such file" in last_word(result)
