"""Durable commands through the sequencer, against a bare INSERT of the same rows."""

import asyncio
import tempfile
from collections import deque
from pathlib import Path
from time import perf_counter_ns

import asyncpg

from benchmarks.flow import recorded
from engine.commands import AdvanceClock
from engine.engine import Engine
from engine.released import Released
from exchange.committer import Committer
from exchange.database import open_pool
from exchange.embedded import EmbeddedPostgres
from exchange.journal import Journal, Row
from exchange.lease import Lease
from exchange.sequencer import MAX_BATCH_ROWS, Sequencer
from migrations.upgrade import upgrade

NS = 1_000_000_000
COMMANDS = 30_000
WINDOW = 2_000
ROLE = "jingtan_journal_writer"


class ReplayedClock:
    """Gives the times at which the commands were recorded."""

    def __init__(self) -> None:
        self.at_ns = 0

    def now_ns(self) -> int:
        """The recorded time."""
        return self.at_ns

    def resume_after(self, last_ns: int) -> None:
        """Not used here."""


async def measure() -> dict[str, int]:
    """Commands a second, each acknowledged after its batch is durable; and the bare insert."""
    with tempfile.TemporaryDirectory(prefix="jingtan-bench-") as folder:
        embedded = EmbeddedPostgres(Path(folder) / "data")
        dsn = await embedded.start()
        try:
            await upgrade(dsn)
            pool = await open_pool(dsn, ROLE, min_size=2, max_size=2)
            durable_ns, rows = await _sequence(pool)
            bare_ns = await _insert(dsn, rows)
            await pool.close()
        finally:
            await embedded.destroy()
    return {
        "durable_ops_s": len(rows) * NS // durable_ns,
        "bare_insert_rows_s": len(rows) * NS // bare_ns,
    }


async def _sequence(pool: asyncpg.Pool) -> tuple[int, list[Row]]:
    """Feed a recorded flow to a sequencer as fast as its window of waiting commands lets."""
    log = recorded(COMMANDS).log
    lease, journal, clock = Lease(pool), Journal(pool), ReplayedClock()
    sequencer = Sequencer(Engine(), clock, await lease.claim("bench"))
    committer = Committer(sequencer, journal, lease, lambda _: None)
    committing = asyncio.create_task(committer.run())
    waiting: deque[asyncio.Future[Released]] = deque()
    started = perf_counter_ns()
    for envelope, _ in log:
        clock.at_ns = envelope.timestamp_ns
        if not isinstance(envelope.body, AdvanceClock):
            actor, request_id, body = envelope.actor, envelope.request_id, envelope.body
            waiting.append(sequencer.submit(actor, request_id, body))
        if len(waiting) >= WINDOW:
            await waiting.popleft()
    for future in waiting:
        await future
    took_ns = perf_counter_ns() - started
    sequencer.stop_taking("done")
    await committing
    return took_ns, await journal.read_after(0, 2 * len(log))


async def _insert(dsn: str, rows: list[Row]) -> int:
    """Insert the same rows in batches of the committer's size, and nothing else."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE bare (LIKE exchange.journal INCLUDING ALL)")
    started = perf_counter_ns()
    for start in range(0, len(rows), MAX_BATCH_ROWS):
        batch = rows[start : start + MAX_BATCH_ROWS]
        await connection.execute(
            "INSERT INTO bare SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[],"
            " $4::int[], $5::bigint[], $6::int[], $7::bytea[], $8::bytea[], $9::bytea[])",
            [row.seq for row in batch],
            [row.epoch for row in batch],
            [row.engine_version for row in batch],
            [1 for _ in batch],
            [row.timestamp_ns for row in batch],
            [row.trading_day for row in batch],
            [row.command for row in batch],
            [row.events for row in batch],
            [row.chain for row in batch],
        )
    took_ns = perf_counter_ns() - started
    await connection.close()
    return took_ns
