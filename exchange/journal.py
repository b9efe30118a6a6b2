"""The journal in PostgreSQL: one append-only row a command, written by the lease's holder only.

Format: docs/journal-format.md.  A batch is one autocommit statement whose CTE moves the lease row
from prev to the batch's last seq under our epoch, and feeds the INSERT: whoever lost the lease
inserts nothing.  Rows are never changed (a trigger refuses it).
"""

from collections.abc import Sequence

import asyncpg
import msgspec

from engine import ENGINE_VERSION
from exchange.faults import JournalBroken, LeaseLost
from exchange.statements import timely

SCHEMA_VERSION = 1
LEASE_SECONDS = 2

_APPEND = """
WITH fence AS (
    UPDATE exchange.lease
       SET last_seq = $1, last_chain = $2,
           expires_at = clock_timestamp() + make_interval(secs => $13)
     WHERE id = 1 AND epoch = $3 AND last_seq = $4
    RETURNING epoch)
INSERT INTO exchange.journal
       (seq, epoch, engine_version, schema_version, timestamp_ns, trading_day,
        command, events, chain)
SELECT r.seq, fence.epoch, $5, $6, r.timestamp_ns, r.trading_day, r.command, r.events, r.chain
  FROM fence, unnest($7::bigint[], $8::bigint[], $9::int[], $10::bytea[], $11::bytea[],
                     $12::bytea[])
       AS r(seq, timestamp_ns, trading_day, command, events, chain)
"""

_COLUMNS = "seq, epoch, engine_version, timestamp_ns, trading_day, command, events, chain"

_FIRST_BROKEN_ROW = """
SELECT number FROM (
    SELECT seq, epoch, timestamp_ns, trading_day, command, events, chain,
           row_number() OVER ascending AS number,
           lag(chain, 1, decode(repeat('00', 32), 'hex')) OVER ascending AS previous,
           lag(trading_day, 1, 0) OVER ascending AS day_before
      FROM exchange.journal WHERE seq <= $1
    WINDOW ascending AS (ORDER BY seq)) AS linked
 WHERE seq <> number
    OR chain <> sha256($2::bytea || previous || int8send(seq) || int8send(epoch)
                       || int4send(length(command)) || command
                       || int4send(length(events)) || events)
    OR command NOT LIKE convert_to('%"timestamp_ns":' || timestamp_ns || '}', 'UTF8')
    OR (trading_day <> day_before OR events LIKE '%"type":"DayStarted"}%')
       AND events NOT LIKE convert_to('%{"day":' || trading_day || ',"type":"DayStarted"}%', 'UTF8')
 ORDER BY number LIMIT 1
"""


class Row(msgspec.Struct, frozen=True):
    """One journal row as stored."""

    seq: int
    epoch: int
    engine_version: str
    timestamp_ns: int
    trading_day: int
    command: bytes
    events: bytes
    chain: bytes


class Head(msgspec.Struct, frozen=True):
    """The lease row: who may write, and where the journal ends."""

    epoch: int
    last_seq: int
    last_chain: bytes


class Journal:
    """Reading and appending; one instance per process, over a pool in the writer's role."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def append(self, epoch: int, previous_seq: int, rows: Sequence[Row]) -> None:
        """Make rows durable in one statement.

        Raises LeaseLost if the lease row is not where it was (an earlier try of the same rows may
        have moved it); UNKNOWN_RESULT if the result is unknown.
        """
        last = rows[-1]
        async with timely(self._pool) as connection:
            status = await connection.execute(
                _APPEND,
                last.seq,
                last.chain,
                epoch,
                previous_seq,
                ENGINE_VERSION,
                SCHEMA_VERSION,
                [row.seq for row in rows],
                [row.timestamp_ns for row in rows],
                [row.trading_day for row in rows],
                [row.command for row in rows],
                [row.events for row in rows],
                [row.chain for row in rows],
                LEASE_SECONDS,
            )
        if status != f"INSERT 0 {len(rows)}":
            raise LeaseLost(f"epoch {epoch} no longer holds the lease after seq {previous_seq}")

    async def head(self) -> Head:
        """The lease row, after any statement still in flight on it has ended."""
        async with timely(self._pool) as connection:
            row = await connection.fetchrow(
                "SELECT epoch, last_seq, last_chain FROM exchange.lease WHERE id = 1 FOR UPDATE"
            )
        if row is None:
            raise JournalBroken(0, "the lease row is missing")
        return Head(row["epoch"], row["last_seq"], row["last_chain"])

    async def read(self, seq: int) -> Row | None:
        """One row."""
        async with timely(self._pool) as connection:
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM exchange.journal WHERE seq = $1",  # noqa: S608 - constant
                seq,
            )
        return Row(*row) if row is not None else None

    async def read_after(self, seq: int, limit: int) -> list[Row]:
        """Up to `limit` rows after seq, ascending."""
        async with timely(self._pool) as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM exchange.journal"  # noqa: S608 - constant
                " WHERE seq > $1 ORDER BY seq LIMIT $2",
                seq,
                limit,
            )
        return [Row(*row) for row in rows]

    async def first_broken_row(self, up_to_seq: int, tag: bytes) -> int | None:
        """Checked in SQL: the first seq <= up_to_seq where a row is missing or, by the chain or by
        the time and trading day that its content tells, is not the one that was written."""
        found: int | None = await self._pool.fetchval(_FIRST_BROKEN_ROW, up_to_seq, tag)
        return found

    async def quarantine(self, epoch: int, after_seq: int, case: "QuarantineCase") -> None:
        """Keep a command that broke an invariant, for the restart to refuse."""
        async with timely(self._pool) as connection:
            await connection.execute(
                "INSERT INTO exchange.quarantine"
                " (epoch, after_seq, scope, request_id, instrument_id, command, error)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7)",
                epoch,
                after_seq,
                case.scope,
                case.request_id,
                case.instrument_id,
                case.command,
                case.error,
            )

    async def quarantined_after(self, quarantine_id: int) -> list[tuple[int, "QuarantineCase"]]:
        """Cases with a larger id, ascending."""
        rows = await self._pool.fetch(
            "SELECT id, scope, request_id, instrument_id, command, error"
            " FROM exchange.quarantine WHERE id > $1 ORDER BY id",
            quarantine_id,
        )
        return [(row[0], QuarantineCase(*row[1:])) for row in rows]


class QuarantineCase(msgspec.Struct, frozen=True):
    """A command that broke an invariant, and what it was about."""

    scope: str
    request_id: str
    instrument_id: str
    command: bytes
    error: str
