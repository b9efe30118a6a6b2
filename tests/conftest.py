"""Databases for tests.

- `dsn`: a database of its own, with the newest schema, on a server that all tests share.
- `empty_dsn`: the same without any schema.
- `postgres`: a durable server of its own, to be killed and cut off at will.
- `data_dir`: a directory for such a server, passable for the account that it runs as.

The shared server runs without fsync: it holds nothing that a test asks to survive a power cut.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from exchange.embedded import EmbeddedPostgres
from exchange.embedded.postmaster import running_postmaster
from migrations.upgrade import upgrade
from tests.seeded import FIRST_SEED

DIRECTORY_PREFIX = "jingtan-tests-"
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
SMALL = {"shared_buffers": "32MB"}
TEMPLATE = "migrated"
EMPTY = "template1"

_numbers = count(1)


def pytest_report_header() -> str:
    return f"JINGTAN_SEED={FIRST_SEED}"


def pytest_sessionstart(session: pytest.Session) -> None:
    is_worker = hasattr(session.config, "workerinput")
    if not is_worker:
        with (Path(tempfile.gettempdir()) / "jingtan-tests.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _sweep()


@pytest.fixture(scope="session")
def shared_server() -> Iterator[str]:
    """The address of the shared server's database `postgres`; `migrated` is its template."""
    server = EmbeddedPostgres(_directory(), settings={**NOT_DURABLE, **SMALL})
    admin_dsn = asyncio.run(_prepare(server))
    yield admin_dsn
    asyncio.run(server.destroy())


@pytest_asyncio.fixture
async def dsn(shared_server: str) -> AsyncIterator[str]:
    name = await _create(shared_server, TEMPLATE)
    yield _of(shared_server, name)
    await _drop(shared_server, name)


@pytest_asyncio.fixture
async def empty_dsn(shared_server: str) -> AsyncIterator[str]:
    name = await _create(shared_server, EMPTY)
    yield _of(shared_server, name)
    await _drop(shared_server, name)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    directory = _directory()
    yield directory
    pid = running_postmaster(directory / "cluster")  # left by a test that failed
    if pid is not None:
        os.kill(pid, signal.SIGQUIT)
    shutil.rmtree(directory, ignore_errors=True)


@pytest_asyncio.fixture
async def postgres(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(data_dir, settings=SMALL)
    await server.start()
    yield server
    await server.destroy()


async def _prepare(server: EmbeddedPostgres) -> str:
    admin_dsn = _of(await server.start(), "postgres")
    await _execute(admin_dsn, f"CREATE DATABASE {TEMPLATE}")
    await upgrade(_of(admin_dsn, TEMPLATE))
    return admin_dsn


async def _create(admin_dsn: str, template: str) -> str:
    name = f"test_{next(_numbers)}"
    await _execute(admin_dsn, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    return name


async def _drop(admin_dsn: str, name: str) -> None:
    await _execute(admin_dsn, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _of(dsn: str, database: str) -> str:
    head, _, query = dsn.partition("?")
    return f"{head.rpartition('/')[0]}/{database}?{query}"


def _directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix=f"{DIRECTORY_PREFIX}{os.getpid()}-"))
    directory.chmod(0o711)
    return directory


def _sweep() -> None:
    """Stop and delete what killed test runs have left behind."""
    for directory in Path(tempfile.gettempdir()).glob(f"{DIRECTORY_PREFIX}*"):
        pid = int(directory.name.removeprefix(DIRECTORY_PREFIX).partition("-")[0])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            if (directory / "cluster").exists():
                asyncio.run(_remove(directory))
            shutil.rmtree(directory, ignore_errors=True)
        except PermissionError:
            continue  # another account's run


async def _remove(directory: Path) -> None:
    server = EmbeddedPostgres(directory)
    await server.start()
    await server.destroy()
