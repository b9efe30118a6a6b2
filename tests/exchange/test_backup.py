"""Backup files and what is refused; tests/reliability/test_backup_drill.py is the drill."""

import asyncio
import hashlib
import random
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from exchange.backup import (
    BackupRefused,
    Manifest,
    backup,
    read_manifest,
    restore,
    restoring,
    taking,
)
from exchange.backup.archive import read_dump
from exchange.backup.programs import _connected, dump
from exchange.verifier import Anchor, verify_database
from migrations.upgrade import upgrade
from tests.conftest import TEMPLATE, _create, _drop, _of
from tests.exchange_driver import ExchangeDriver, running

REVISIONS = frozenset({"0001", "0002", "0003", "0004"})
TABLES = """
SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
 WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""


@pytest_asyncio.fixture
async def file(dsn: str, tmp_path: Path) -> Path:
    """A backup of the market at `dsn`, which was killed."""
    async with running(dsn) as driver:
        await driver.trade(random.Random(3), 100)
        await driver.take_snapshot()
    path = tmp_path / "market.backup"
    await backup(dsn, path)
    return path


@pytest.fixture(scope="module")
def kept_file(shared_server: str, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The content of a backup whose market is of no interest."""

    async def take(path: Path) -> None:
        name = await _create(shared_server, TEMPLATE)
        await backup(_of(shared_server, name), path)
        await _drop(shared_server, name)

    path = tmp_path_factory.mktemp("kept") / "market.backup"
    asyncio.run(take(path))
    return path.read_bytes()


@pytest.fixture
def any_file(kept_file: bytes, tmp_path: Path) -> Path:
    """A backup file to do anything to."""
    path = tmp_path / "market.backup"
    path.write_bytes(kept_file)
    return path


async def fetch_value(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def contents(dsn: str) -> dict[str, list[str]]:
    """Every row of every table but the lease, as text."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = [record[0] for record in await connection.fetch(TABLES)]
        tables.remove("exchange.lease")
        return {
            table: [
                r[0] for r in await connection.fetch(f"SELECT t::text FROM {table} t ORDER BY 1")
            ]
            for table in tables
        }
    finally:
        await connection.close()


async def schema(dsn: str) -> bytes:
    """Every object with its owner, grants, constraints and triggers, as pg_dump writes them.

    Without parentheses: of those, a second dump has fewer.
    """
    text: list[bytes] = []
    await dump(dsn, ["--schema-only", "--restrict-key=x"], text.append)
    return b"".join(text).translate(None, b"()")


async def restore_here(dsn: str, file: Path) -> Manifest:
    return await restore(dsn, file, REVISIONS, upgrade)


async def test_a_restored_database_equals_the_original_but_for_the_lease(
    dsn: str, empty_dsn: str, file: Path
) -> None:
    manifest = await restore_here(empty_dsn, file)
    assert await schema(empty_dsn) == await schema(dsn)
    assert await contents(empty_dsn) == await contents(dsn)
    found = await verify_database(empty_dsn)
    assert (found.verified, found.last_seq, found.chain) == (True, manifest.seq, manifest.chain)


async def test_an_empty_market_is_restored_too(empty_dsn: str, any_file: Path) -> None:
    assert (await restore_here(empty_dsn, any_file)).seq == 0
    driver = ExchangeDriver(empty_dsn)
    await driver.start()
    await driver.kill()


async def test_the_file_is_sealed_and_private(dsn: str, any_file: Path) -> None:
    await backup(dsn, any_file)
    first, _, rest = any_file.read_bytes().partition(b"\n")
    assert first == b"jingtan-backup-1 " + hashlib.sha256(rest).hexdigest().encode()
    assert rest.partition(b"\n")[2].startswith(b"PGDMP")
    assert any_file.stat().st_mode & 0o777 == 0o600
    assert read_manifest(any_file).schema_revision == max(REVISIONS)


async def test_a_copy_that_runs_beside_its_original_is_told_apart(
    dsn: str, empty_dsn: str, file: Path
) -> None:
    manifest = await restore_here(empty_dsn, file)
    ends = {}
    for place in (dsn, empty_dsn):
        await execute(place, "UPDATE exchange.lease SET expires_at = '-infinity'")
        driver = ExchangeDriver(place)
        await driver.start()
        await driver.say("A buys 5@10000")
        ends[place] = driver.exchange.journal_status()
        await driver.kill()
    assert ends[dsn]["epoch"] == manifest.epoch + 1
    assert ends[empty_dsn]["epoch"] == manifest.epoch + 1_000_001
    original = Anchor(int(ends[dsn]["durable_seq"]), bytes.fromhex(str(ends[dsn]["chain"])))
    assert (await verify_database(dsn, [original])).verified
    copy = await verify_database(empty_dsn, [original])
    assert (copy.verified, copy.broken_seq) == (False, original.seq)


async def test_a_database_that_is_not_empty_is_refused(dsn: str, any_file: Path) -> None:
    before = await contents(dsn)
    with pytest.raises(BackupRefused, match="not empty"):
        await restore_here(dsn, any_file)
    assert await contents(dsn) == before


async def test_an_altered_file_is_refused_wherever_it_was_altered(
    empty_dsn: str, any_file: Path
) -> None:
    whole = any_file.read_bytes()
    chance = random.Random(4)
    places = [0, 20, 90, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(30))]
    for place in places:
        altered = bytearray(whole)
        altered[place] ^= 1 << chance.randrange(8)
        any_file.write_bytes(altered)
        with pytest.raises(BackupRefused, match=r"altered|no backup"):
            await restore_here(empty_dsn, any_file)
    any_file.write_bytes(whole + b"x")
    with pytest.raises(BackupRefused, match="altered"):
        await restore_here(empty_dsn, any_file)
    assert await contents_of_empty(empty_dsn) == []


async def test_a_cut_file_is_refused_wherever_it_was_cut(empty_dsn: str, any_file: Path) -> None:
    whole = any_file.read_bytes()
    chance = random.Random(5)
    for length in (
        0,
        5,
        50,
        83,
        len(whole) - 1,
        *(chance.randrange(len(whole)) for _ in range(20)),
    ):
        any_file.write_bytes(whole[:length])
        with pytest.raises(BackupRefused, match=r"truncated|no backup") as refusal:
            await restore_here(empty_dsn, any_file)
        assert "\n" not in str(refusal.value)
    assert await contents_of_empty(empty_dsn) == []


async def contents_of_empty(dsn: str) -> list[object]:
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(TABLES))
    finally:
        await connection.close()


async def test_a_backup_of_a_broken_journal_is_restored_but_cannot_be_led(
    dsn: str, empty_dsn: str, file: Path
) -> None:
    await execute(
        dsn,
        "ALTER TABLE exchange.journal DISABLE TRIGGER journal_is_append_only",
        "UPDATE exchange.journal SET events = '[]' WHERE seq = 20",
    )
    await backup(dsn, file)
    with pytest.raises(BackupRefused, match=r"journal broken at seq 20: .*cannot be led"):
        await restore_here(empty_dsn, file)
    assert await is_held(empty_dsn)


async def test_a_restore_that_dies_on_its_way_cannot_be_led(empty_dsn: str, any_file: Path) -> None:
    async def die(_dsn: str) -> None:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await restore(empty_dsn, any_file, REVISIONS, die)
    assert await is_held(empty_dsn)
    with pytest.raises(BackupRefused, match="not empty"):
        await restore_here(empty_dsn, any_file)


async def is_held(dsn: str) -> bool:
    """Whether nobody will ever be able to claim the lease."""
    held = await fetch_value(dsn, "SELECT expires_at = 'infinity' FROM exchange.lease")
    return held is True


async def test_a_dump_that_fails_half_way_is_taken_back_whole(
    empty_dsn: str, any_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = b"".join(read_dump(any_file))[:-200]
    monkeypatch.setattr(restoring, "read_dump", lambda _path: [cut])
    with pytest.raises(BackupRefused, match="pg_restore failed: "):
        await restore_here(empty_dsn, any_file)
    assert await contents_of_empty(empty_dsn) == []


async def test_a_schema_of_the_future_is_refused_before_anything_is_done(
    empty_dsn: str, any_file: Path
) -> None:
    with pytest.raises(BackupRefused, match="schema revision 0004"):
        await restore(empty_dsn, any_file, REVISIONS - {"0004"}, upgrade)
    assert await contents_of_empty(empty_dsn) == []


async def test_programs_older_than_the_server_are_refused(
    dsn: str, empty_dsn: str, any_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def older(_name: str) -> int:
        return 15

    monkeypatch.setattr(taking, "major_version", older)
    monkeypatch.setattr(restoring, "major_version", older)
    before = any_file.read_bytes()
    with pytest.raises(BackupRefused, match="pg_dump is of PostgreSQL 15, the server of 1"):
        await backup(dsn, any_file)
    assert any_file.read_bytes() == before
    with pytest.raises(BackupRefused, match="pg_restore is of PostgreSQL 15"):
        await restore_here(empty_dsn, any_file)


async def test_a_failed_backup_leaves_what_was_there(
    dsn: str, any_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = any_file.read_bytes()
    monkeypatch.setattr(taking, "_ARGUMENTS", ("--format=custom", "--table=no_such_table"))
    with pytest.raises(BackupRefused, match="pg_dump failed: no matching tables were found"):
        await backup(dsn, any_file)
    assert [path.read_bytes() for path in any_file.parent.iterdir()] == [before]


async def test_a_database_without_a_market_is_not_backed_up(empty_dsn: str, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="no market"):
        await backup(empty_dsn, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("dsn", "address", "password"),
    [
        ("postgresql://u:p%40w@h:5/db?sslmode=require", "//u@h:5/db?sslmode=require", "p@w"),
        ("postgresql://u@h/db?password=x%20y&host=/a", "//u@h/db?host=/a", "x y"),
        ("postgresql+asyncpg://u@/db?host=/a%20b&port=5432", "//u@/db?host=/a%20b&port=5432", ""),
        ("postgres:///db", "///db?", ""),
    ],
)
def test_a_password_never_stands_on_a_command_line(dsn: str, address: str, password: str) -> None:
    arguments, environment = _connected(dsn, ["--x"])
    assert arguments == ["--x", f"--dbname=postgresql:{address}"]
    assert environment == ({"PGPASSWORD": password} if password else {})
