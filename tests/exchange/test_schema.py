"""Schema exchange: made once, and defended by the database itself."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from migrations.upgrade import upgrade

PROJECT = Path(__file__).resolve().parents[2]
CHAIN = b"\x01" * 32
ROW = (1, 1, "engine", 1, 1, 20260105, b"command", b"events", CHAIN)
INSERT = "INSERT INTO exchange.journal VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"

TABLES = ("journal", "lease", "quarantine", "snapshot", "journal_anchor")
GRANTED = {
    "jingtan_journal_writer": {
        "journal": "SELECT INSERT",
        "lease": "SELECT UPDATE",
        "quarantine": "SELECT INSERT",
        "snapshot": "SELECT INSERT DELETE",
        "journal_anchor": "SELECT INSERT",
    },
    "jingtan_settlement": {"journal": "SELECT", "lease": "SELECT"},
    "jingtan_reader": {"journal": "SELECT", "lease": "SELECT"},
    "jingtan_identity": {},
}
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


@pytest_asyncio.fixture
async def connection(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest.mark.parametrize("role", GRANTED)
@pytest.mark.parametrize("table", TABLES)
async def test_each_role_has_its_grants_and_no_more(
    connection: asyncpg.Connection, role: str, table: str
) -> None:
    held = [
        privilege
        for privilege in PRIVILEGES
        if await connection.fetchval(
            "SELECT has_table_privilege($1, $2, $3)", role, f"exchange.{table}", privilege
        )
    ]
    assert held == GRANTED[role].get(table, "").split()


async def test_nobody_logs_in_as_a_role(connection: asyncpg.Connection) -> None:
    roles = await connection.fetch(
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'jingtan\\_%'"
        " AND NOT (rolcanlogin OR rolsuper OR rolcreaterole OR rolbypassrls)"
    )
    assert len(roles) == 5


@pytest.mark.parametrize("replication_role", ["origin", "replica"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE exchange.journal SET command = ''",
        "DELETE FROM exchange.journal",
        "TRUNCATE exchange.journal",
    ],
)
async def test_journal_row_is_changed_by_nobody(
    connection: asyncpg.Connection, statement: str, replication_role: str
) -> None:
    await connection.execute(INSERT, *ROW)
    await connection.execute(f"SET session_replication_role = {replication_role}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await connection.execute(statement)
    assert await connection.fetchval("SELECT count(*) FROM exchange.journal") == 1


async def test_journal_row_needs_a_whole_chain_value(connection: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(INSERT, *ROW[:-1], CHAIN[1:])


async def test_lease_starts_before_the_first_record_and_stays_one_row(
    connection: asyncpg.Connection,
) -> None:
    row = await connection.fetchrow(
        "SELECT id, epoch, last_seq, last_chain, holder, expires_at < now() FROM exchange.lease"
    )
    assert row is not None
    assert tuple(row) == (1, 0, 0, bytes(32), "", True)
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(
            "INSERT INTO exchange.lease SELECT 2, epoch, last_seq, last_chain, holder, expires_at"
            " FROM exchange.lease"
        )


async def test_servers_that_start_together_migrate_once(empty_dsn: str) -> None:
    await asyncio.gather(*(upgrade(empty_dsn) for _ in range(4)))
    connection = await asyncpg.connect(empty_dsn)
    assert await connection.fetchval("SELECT count(*) FROM public.alembic_version") == 1
    assert await connection.fetchval("SELECT count(*) FROM exchange.lease") == 1
    await connection.close()


async def test_second_upgrade_changes_nothing(dsn: str, connection: asyncpg.Connection) -> None:
    await connection.execute(INSERT, *ROW)
    await upgrade(dsn)
    assert await connection.fetchval("SELECT count(*) FROM exchange.journal") == 1


async def test_roles_are_created_by_two_databases_of_a_new_cluster_at_once(
    postgres_dsn_pair: tuple[str, str],
) -> None:
    program = "import asyncio, sys, migrations.upgrade as m; asyncio.run(m.upgrade(sys.argv[1]))"
    servers = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, dsn, cwd=PROJECT)
        for dsn in postgres_dsn_pair
    ]
    assert [await server.wait() for server in servers] == [0, 0]
    for dsn in postgres_dsn_pair:
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("SELECT count(*) FROM exchange.lease") == 1
        await connection.close()


async def test_login_without_superuser_rights_migrates_and_becomes_every_role(
    own_cluster_login: str,
) -> None:
    await upgrade(own_cluster_login)
    for role in ("jingtan_owner", *GRANTED):
        connection = await asyncpg.connect(own_cluster_login, server_settings={"role": role})
        assert await connection.fetchval("SELECT current_user::text") == role
        await connection.close()
