"""Snapshots: the engine's and the read model's state at one seq, with the chain value there.

A snapshot is only ever taken of durable state, by a follower or at an orderly stop, never by the
sequencer while it serves.  It shortens recovery; the journal alone is the truth.
"""

import asyncio
import hashlib

import asyncpg
import msgspec

from engine import ENGINE_VERSION
from engine.canonical import encode
from engine.market import MarketRecord
from exchange.journal import SCHEMA_VERSION, Row
from exchange.readmodel.views import ReadRecord
from exchange.statements import timely

KEPT_SNAPSHOTS = 5
SAVE_SECONDS = 60.0


class Content(msgspec.Struct):
    """What a snapshot holds."""

    market: MarketRecord
    read: ReadRecord


class Snapshot(msgspec.Struct):
    """A snapshot that has been read and checked."""

    chain: bytes
    engine_version: str
    content: Content

    def is_of(self, row: Row) -> bool:
        """Whether it was taken at a row, by the version that wrote it."""
        taken = (self.content.market.seq, self.chain, self.engine_version)
        return taken == (row.seq, row.chain, row.engine_version)


class Snapshots:
    """The snapshot table."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def save(self, seq: int, chain: bytes, market: MarketRecord, read: ReadRecord) -> None:
        """Store a snapshot and drop the oldest ones beyond KEPT_SNAPSHOTS."""
        state = encode(Content(market, read))
        async with timely(self._pool, SAVE_SECONDS) as connection:
            await connection.execute(
                "INSERT INTO exchange.snapshot"
                " (seq, engine_version, schema_version, chain, digest, state)"
                " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (seq) DO NOTHING",
                seq,
                ENGINE_VERSION,
                SCHEMA_VERSION,
                chain,
                hashlib.sha256(state).digest(),
                state,
            )
            await connection.execute(
                "DELETE FROM exchange.snapshot WHERE seq NOT IN"
                " (SELECT seq FROM exchange.snapshot ORDER BY seq DESC LIMIT $1)",
                KEPT_SNAPSHOTS,
            )

    async def seqs(self) -> list[int]:
        """Seqs of the snapshots in a form that this program reads, newest first."""
        rows = await self._pool.fetch(
            "SELECT seq FROM exchange.snapshot WHERE schema_version <= $1 ORDER BY seq DESC",
            SCHEMA_VERSION,
        )
        return [row["seq"] for row in rows]

    async def load(self, seq: int) -> Snapshot | None:
        """A snapshot, None if its content does not match its digest or cannot be read."""
        row = await self._pool.fetchrow(
            "SELECT chain, engine_version, digest, state FROM exchange.snapshot WHERE seq = $1", seq
        )
        if row is None:
            return None
        return await asyncio.to_thread(_read, row)


def _read(row: asyncpg.Record) -> Snapshot | None:
    if hashlib.sha256(row["state"]).digest() != row["digest"]:
        return None
    try:
        content = msgspec.json.decode(row["state"], type=Content)
    except msgspec.DecodeError:
        return None
    return Snapshot(row["chain"], row["engine_version"], content)
