"""The composition root: puts the parts together, serves, and takes them apart in order.

    socket bound -> database -> migrations -> exchange recovered -> identity -> settlement
    -> serving

Every way in which starting or running can fail ends in one clear line and a documented exit code
(docs/operations.md).
"""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from enum import IntEnum
from time import time_ns

import structlog
import uvicorn
import uvloop
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from api.app import create_app
from api.components import Components
from api.connection import RESTART
from api.identity.assembly import Identity, open_identity
from api.identity.passwords import Passwords
from api.identity.signatures import SignatureVerifier
from api.links import CommandLink, FeedLink, RegistryOffice
from api.settings import Settings
from api.stream import HEARTBEAT_SECONDS, SESSION_CHECK_SECONDS, Hub
from engine.calendar import NEVER_NS
from engine.codes import Phase
from exchange.clock import Clock, DemoClock, SystemClock
from exchange.committer import EngineBroken
from exchange.database import (
    DatabaseUnavailable,
    normalise_dsn,
    open_pool,
    sqlalchemy_url,
    wait_until_reachable,
)
from exchange.embedded import EmbeddedPostgres, EmbeddedPostgresError
from exchange.faults import ClockUnusable, JournalBroken, LeaseLost
from exchange.service import Exchange
from exchange.statements import UNKNOWN_RESULT
from migrations.upgrade import upgrade
from settlement.consumer import Settlement
from settlement.queries import SettlementQueries

DATABASE_WAIT_SECONDS = 30.0
IDLE_POLL_SECONDS = 0.2
SWEEP_SECONDS = 60.0
SHUTDOWN_SECONDS = 5
STALLED_PEER_MS = 10_000
"""How long the kernel keeps what a client does not take; then it drops the connection."""

MAX_CONCURRENT_REQUESTS = 4_000
COLLECTOR_THRESHOLDS = (50_000, 20, 100)
NS_PER_MS = 1_000_000

log = structlog.get_logger()

Prepare = Callable[[Components, Identity], Awaitable[None]]
Ready = Callable[[str], Awaitable[None]]


class ExitCode(IntEnum):
    """Why the process ended."""

    OK = 0
    FAILED = 1
    PORT_TAKEN = 3
    DATABASE_UNREACHABLE = 4
    JOURNAL_BROKEN = 5
    CLOCK_UNUSABLE = 6
    ENGINE_BROKEN = 70
    LEASE_LOST = 75


class CannotServe(Exception):
    """The process cannot go on; the message is the one line to show."""

    def __init__(self, code: ExitCode, why: str) -> None:
        super().__init__(why)
        self.code = code


def serve(settings: Settings, prepare: Prepare, ready: Ready) -> ExitCode:
    """Run the exchange until it is told to stop; returns the exit code after one clear line.

    `prepare` runs before requests are taken (to found a demo market), `ready` when they are.
    """
    try:
        uvloop.run(_serve(settings, prepare, ready))
    except CannotServe as failure:
        sys.stderr.write(f"jingtan: {failure}\n")
        return failure.code
    return ExitCode.OK


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[str]:
    """The DSN of a migrated database: the embedded one, or the one that is configured."""
    async with database_as_it_is(settings) as dsn:
        await upgrade(dsn)
        yield dsn


@asynccontextmanager
async def database_as_it_is(settings: Settings) -> AsyncIterator[str]:
    """The same without migrating it; it may be empty."""
    try:
        async with AsyncExitStack() as stack:
            if settings.database_url is not None:
                dsn = _address(settings.database_url.get_secret_value())
                await wait_until_reachable(dsn, DATABASE_WAIT_SECONDS)
            else:
                embedded = EmbeddedPostgres(settings.data_dir)
                dsn = await embedded.start()
                stack.push_async_callback(embedded.stop)
                watching = asyncio.create_task(embedded.watch())
                stack.callback(watching.cancel)
            yield dsn
    except (DatabaseUnavailable, EmbeddedPostgresError) as error:
        raise CannotServe(ExitCode.DATABASE_UNREACHABLE, str(error)) from error


@asynccontextmanager
async def open_exchange(
    dsn: str, clock: Clock, take_snapshot: Callable[[], Awaitable[None]]
) -> AsyncIterator[Exchange]:
    """A recovered exchange that leads; stopped in order at the end."""
    pool = await open_pool(dsn, "jingtan_journal_writer", min_size=2, max_size=4)
    try:
        exchange = Exchange(pool, clock, take_snapshot, _show_progress)
        try:
            await exchange.start()
        except JournalBroken as broken:
            raise CannotServe(ExitCode.JOURNAL_BROKEN, f"{broken}; not opening") from broken
        except ClockUnusable as unusable:
            raise CannotServe(ExitCode.CLOCK_UNUSABLE, str(unusable)) from unusable
        except (LeaseLost, EngineBroken) as end:
            raise _reason_of(end) from end
        except UNKNOWN_RESULT as error:
            raise CannotServe(ExitCode.DATABASE_UNREACHABLE, str(error)) from error
        try:
            yield exchange
        finally:
            await exchange.stop()
    finally:
        pool.terminate()


@asynccontextmanager
async def open_components(settings: Settings) -> AsyncIterator[tuple[Components, Identity, Hub]]:
    """Everything behind the edge, running as the settings say."""
    clock: Clock = DemoClock() if settings.clock == "demo" else SystemClock()
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(database(settings))
        opened = await stack.enter_async_context(open_parts(dsn, clock, _follower(dsn)))
        _calm_collector()
        if settings.skip_idle_time:
            skipping = asyncio.create_task(_skip_idle_time(opened[0]))
            stack.push_async_callback(_end, skipping)
        yield opened


def _calm_collector() -> None:
    """What was recovered lives on, and a whole collection would pause the market: from here on
    young objects are looked at in large lots, old ones hardly ever."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


@asynccontextmanager
async def open_parts(
    dsn: str,
    clock: Clock,
    take_snapshot: Callable[[], Awaitable[None]],
    passwords: Passwords | None = None,
) -> AsyncIterator[tuple[Components, Identity, Hub]]:
    """Everything behind the edge, running on a migrated database; `passwords` sets their cost."""
    async with AsyncExitStack() as stack:
        exchange = await stack.enter_async_context(open_exchange(dsn, clock, take_snapshot))
        opening = open_identity(dsn, time_ns, passwords=passwords)
        identity = await stack.enter_async_context(opening)
        books = _open_engine(dsn, "jingtan_settlement")
        stack.push_async_callback(books.dispose)
        settlement = Settlement(books, FeedLink(exchange.feed), CommandLink(exchange))
        parts = Components(
            exchange=exchange,
            settlement=settlement,
            books=SettlementQueries(books),
            registry=RegistryOffice(books),
            people=identity.people,
            sessions=identity.sessions,
            signatures=SignatureVerifier(_now_ms, _now_ms()),
            clock=clock,
            is_demo=isinstance(clock, DemoClock),
        )
        hub = Hub(parts)
        exchange.listen(hub.on_step)
        chores = (settlement.run(), _beat(hub), _watch_sessions(hub), _sweep(identity))
        stack.push_async_callback(_sweep_once, identity)
        for task in [asyncio.create_task(chore) for chore in chores]:
            stack.push_async_callback(_end, task)
        yield parts, identity, hub


def _address(url: str) -> str:
    try:
        return normalise_dsn(url)
    except ValueError as error:
        raise CannotServe(ExitCode.DATABASE_UNREACHABLE, str(error)) from error


async def _serve(settings: Settings, prepare: Prepare, ready: Ready) -> None:
    listener = _bind(settings)
    with contextlib.closing(listener):
        async with open_components(settings) as (parts, identity, hub):
            await prepare(parts, identity)
            server = _Server(_uvicorn_config(create_app(parts, hub)))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, server.ask_to_stop)
            greeting = asyncio.create_task(_greet(server, listener, ready))
            await asyncio.wait((serving, parts.exchange.running), return_when="FIRST_COMPLETED")
            hub.close_all(RESTART)
            server.ask_to_stop()
            await serving
            greeting.cancel()
            if parts.exchange.running.done():
                _explain_end(parts.exchange.running)


class _Server(uvicorn.Server):
    """A uvicorn server whose signals are ours to handle."""

    def ask_to_stop(self) -> None:
        """Finish what is under way, then return from serve()."""
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        """Leave the signals alone."""
        yield


async def _greet(server: uvicorn.Server, listener: socket.socket, ready: Ready) -> None:
    while not server.started:
        await asyncio.sleep(0.02)
    host, port = listener.getsockname()[:2]
    await ready(f"http://{host}:{port}")


def _explain_end(running: "asyncio.Task[None]") -> None:
    error = running.exception()
    if error is not None:
        raise _reason_of(error) from error


def _reason_of(end: BaseException) -> CannotServe:
    """Why the exchange ended, as an exit code and one line."""
    if isinstance(end, EngineBroken):
        return CannotServe(ExitCode.ENGINE_BROKEN, str(end))
    if isinstance(end, LeaseLost):
        return CannotServe(ExitCode.LEASE_LOST, f"another process leads: {end}")
    log.error("exchange_failed", exc_info=end)
    return CannotServe(ExitCode.FAILED, f"the exchange failed: {type(end).__name__}: {end}")


def _bind(settings: Settings) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_PEER_MS)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise CannotServe(
            ExitCode.PORT_TAKEN,
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror};"
            " stop what uses it or set JINGTAN_PORT",
        ) from error
    return listener


def _uvicorn_config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=16 * 1024,
        ws_per_message_deflate=False,
        limit_concurrency=MAX_CONCURRENT_REQUESTS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        server_header=False,
    )


def _open_engine(dsn: str, role: str) -> AsyncEngine:
    return create_async_engine(
        sqlalchemy_url(dsn),
        pool_size=4,
        connect_args={"server_settings": {"role": role, "application_name": role}},
    )


def _follower(dsn: str) -> Callable[[], Awaitable[None]]:
    """Takes snapshots in a process of its own, away from the sequencer."""

    async def take_snapshot() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "api.cli.follower",
            env={"DATABASE_URL": dsn, "PYTHONPATH": ":".join(filter(None, sys.path))},
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            if await process.wait() != 0:
                log.error("snapshot_failed", returncode=process.returncode)
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise

    return take_snapshot


async def _beat(hub: Hub) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        hub.beat()


async def _watch_sessions(hub: Hub) -> None:
    while True:
        await asyncio.sleep(SESSION_CHECK_SECONDS)
        hub.end_lost_sessions()


async def _sweep(identity: Identity) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        await _sweep_once(identity)


async def _sweep_once(identity: Identity) -> None:
    """Write the sessions' last uses; they can wait when the database is away."""
    try:
        await identity.sessions.sweep()
    except (SQLAlchemyError, OSError) as error:
        log.warning("session_sweep_failed", error=str(error))


async def _skip_idle_time(parts: Components) -> None:
    """Leap over breaks and nights once everything is settled, so that a demo is always open."""
    clock, exchange, sequencer = parts.clock, parts.exchange, parts.exchange.sequencer
    if not isinstance(clock, DemoClock):
        return
    while True:
        await asyncio.sleep(IDLE_POLL_SECONDS)
        views = exchange.read.instruments.values()
        is_idle = all(view.phase in (Phase.CLOSED, Phase.BREAK, Phase.PRE_OPEN) for view in views)
        is_settled = parts.settlement.watermark() >= sequencer.sequenced_seq
        next_ns = sequencer.next_deadline()
        is_blocked = exchange.read.opening_block or next_ns == NEVER_NS
        if views and is_idle and is_settled and not is_blocked:
            clock.leap_to(next_ns)


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _show_progress(seq: int, last_seq: int) -> None:
    log.info("replaying", seq=seq, of=last_seq)


def _now_ms() -> int:
    return time_ns() // NS_PER_MS
