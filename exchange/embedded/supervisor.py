"""The supervisor of an embedded PostgreSQL.

Invariants:
- at most one server runs on a data directory, however many processes use it (`start.lock`);
- a server left behind by a killed process is taken over as it is, never restarted for it;
- the server outlives us: it is in a session of its own, so neither Ctrl-C nor our SIGKILL is its;
- the last process that uses the server stops it (`users.lock`);
- while `watch` runs, a server that died comes back, under the same address.

It does not judge the data: a server that starts but refuses statements is its clients' matter.
A frozen server is waited for, not killed.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import asyncpg
import structlog

from exchange.embedded.cluster import SUPERUSER, ensure_cluster, server_command
from exchange.embedded.failure import EmbeddedPostgresError
from exchange.embedded.layout import Layout, find_layout, make_data_dir, start_lock, users_lock
from exchange.embedded.locks import SharedLock, exclusive
from exchange.embedded.postmaster import running_postmaster, serves
from exchange.embedded.programs import program, programs_for
from exchange.embedded.serverlog import ServerLog

DATABASE = "jingtan"
FALLBACK_ROOT = Path("/var/lib/jingtan")
START_TIMEOUT_S = 3600.0  # crash recovery replays up to max_wal_size, on the slowest of disks
STOP_TIMEOUT_S = 120.0
PROGRESS_S = 5.0
POLL_S = 0.05
ANSWER_TIMEOUT_S = 5.0
WATCH_S = 0.2
RETRY_S = 2.0
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})

_NOT_YET = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,  # it died while we were talking to it
    asyncpg.OperatorInterventionError,  # starting up, recovering, or shutting down
    asyncpg.TooManyConnectionsError,
)
_log = structlog.get_logger(__name__)


class EmbeddedPostgres:
    """One PostgreSQL server on a data directory, shared by all processes that name it.

    `settings` go over the server's own (cluster.SETTINGS) if this process is the one to start it.
    `on_progress` hears a line every few seconds of a long start, in addition to the log.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        settings: Mapping[str, str] = NO_SETTINGS,
        on_progress: Callable[[str], None] | None = None,
        fallback_root: Path = FALLBACK_ROOT,
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> None:
        self._data_dir = data_dir.resolve()
        self._settings = settings
        self._on_progress = on_progress
        self._fallback_root = fallback_root
        self._start_timeout_s = start_timeout_s
        self._users = SharedLock(users_lock(self._data_dir))
        self._layout: Layout | None = None

    @property
    def dsn(self) -> str:
        """The address of database `jingtan`; the same for as long as this data directory lives."""
        return self._dsn(DATABASE)

    @property
    def log_path(self) -> Path:
        """The file that the server writes its messages to."""
        return self._known().log

    @property
    def postmaster_pid(self) -> int | None:
        """The server's process id; None while it is down."""
        return running_postmaster(self._known().cluster)

    def binary(self, name: str) -> Path:
        """A PostgreSQL program of the server's version, such as pg_dump."""
        return program(name)

    async def start(self) -> str:
        """Create the cluster if need be, start or join its server, wait for it; returns `dsn`.

        Raises EmbeddedPostgresError.
        """
        make_data_dir(self._data_dir)
        try:
            async with exclusive(start_lock(self._data_dir)):
                self._layout = find_layout(self._data_dir, self._fallback_root)
                await self._join(self._layout)
        except (OSError, asyncpg.PostgresError) as error:
            raise EmbeddedPostgresError(f"cannot start PostgreSQL: {error}") from error
        return self.dsn

    async def stop(self) -> None:
        """Stop the server, unless another process uses it. Raises EmbeddedPostgresError."""
        if not self._users.is_held:
            return
        async with exclusive(start_lock(self._data_dir)):
            if self._users.give_back():
                await _shut_down(self._known().cluster)

    async def watch(self) -> None:
        """Bring the server back whenever it is gone. Returns after `stop`."""
        layout = self._known()
        while self._users.is_held:
            if running_postmaster(layout.cluster) is None:
                await self._revive(layout)
            await asyncio.sleep(WATCH_S)

    async def destroy(self) -> None:
        """Stop the server and delete all it has, unless another process uses it."""
        await self.stop()
        layout = self._known()
        if running_postmaster(layout.cluster) is None:
            for place in (layout.sockets, layout.home, layout.data_dir):
                shutil.rmtree(place, ignore_errors=True)

    async def _join(self, layout: Layout) -> None:
        self._users.hold()
        try:
            await self._bring_up(layout)
            await self._ensure_database()
        except BaseException:  # also a cancelled start leaves no server behind
            if self._users.give_back():
                await _shut_down(layout.cluster)
            raise

    async def _revive(self, layout: Layout) -> None:
        _log.warning("database_server_gone", cluster=str(layout.cluster))
        try:
            async with exclusive(start_lock(self._data_dir)):
                if self._users.is_held:
                    await self._bring_up(layout)
        except (EmbeddedPostgresError, OSError) as error:
            _log.error("database_server_not_restarted", reason=str(error))
            await asyncio.sleep(RETRY_S)

    async def _bring_up(self, layout: Layout) -> None:
        programs = await asyncio.to_thread(programs_for, layout.account, self._fallback_root)
        await asyncio.to_thread(ensure_cluster, layout, programs)
        command = server_command(layout, programs, self._settings)
        log = ServerLog(layout.log)
        started = said = time.monotonic()
        while True:
            if running_postmaster(layout.cluster) is None:
                await self._launch(layout, command, log)
            if await self._answers():
                return
            now = time.monotonic()
            if now - started > self._start_timeout_s:
                raise EmbeddedPostgresError(
                    f"PostgreSQL does not answer after {now - started:.0f} s, see {log.path}"
                )
            if now - said > PROGRESS_S:
                said = now
                self._report(f"waiting for PostgreSQL, {now - started:.0f} s: {log.last_line()}")
            await asyncio.sleep(POLL_S)

    async def _launch(self, layout: Layout, command: list[str], log: ServerLog) -> None:
        """Start a server and see it hold the cluster's lock file, or die."""
        (layout.cluster / "postmaster.pid").unlink(missing_ok=True)
        with log.open_for_server() as output:
            server = layout.account.spawn(
                command, working_directory=layout.home, output=output.fileno()
            )
        threading.Thread(target=server.wait, name="postgres-reaper", daemon=True).start()
        while running_postmaster(layout.cluster) != server.pid:
            if server.poll() is not None:
                self._explain_death(server, log)
                return
            await asyncio.sleep(POLL_S)
        _log.info("database_server_started", pid=server.pid, cluster=str(layout.cluster))

    def _explain_death(self, server: "subprocess.Popen[bytes]", log: ServerLog) -> None:
        """Return if the next try may succeed; raise if it cannot."""
        reason = log.failure() or f"the server ended with status {server.returncode}"
        if "pre-existing shared memory block" not in reason:
            raise EmbeddedPostgresError(f"PostgreSQL did not start: {reason}")
        # the last server's processes are still on their way out

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self._dsn("postgres"), timeout=ANSWER_TIMEOUT_S)
            await connection.close(timeout=ANSWER_TIMEOUT_S)
        except _NOT_YET:
            return False
        return True

    async def _ensure_database(self) -> None:
        connection = await asyncpg.connect(self._dsn("postgres"))
        try:
            if not await connection.fetchval(
                "SELECT true FROM pg_database WHERE datname = $1", DATABASE
            ):
                await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await connection.close()

    def _dsn(self, database: str) -> str:
        sockets = quote(str(self._known().sockets), safe="/")
        return f"postgresql://{SUPERUSER}@/{database}?host={sockets}&port=5432"

    def _known(self) -> Layout:
        if self._layout is None:
            raise EmbeddedPostgresError("the embedded PostgreSQL has not been started")
        return self._layout

    def _report(self, line: str) -> None:
        _log.info("database_server_starting", detail=line)
        if self._on_progress is not None:
            self._on_progress(line)


async def _shut_down(cluster: Path) -> None:
    """Fast shutdown; at once, leaving a crash recovery to do, if that takes too long."""
    pid = running_postmaster(cluster)
    if pid is None:
        return
    for kind in (signal.SIGINT, signal.SIGQUIT):
        try:
            os.kill(pid, kind)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while time.monotonic() < deadline:
            if not serves(pid, cluster):
                return
            await asyncio.sleep(POLL_S)
    raise EmbeddedPostgresError(f"PostgreSQL, process {pid}, does not stop")
