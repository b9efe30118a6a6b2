"""The lease: which process may write the journal.

One row, one epoch.  A process claims it when it has expired by the database's clock, raising the
epoch; from then on no statement of an earlier epoch can append (see exchange/journal.py).
"""

import asyncio

import asyncpg
import structlog

from exchange.faults import LeaseLost
from exchange.journal import LEASE_SECONDS, Head
from exchange.statements import timely

CLAIM_POLL_SECONDS = 0.1
RENEW_SECONDS = LEASE_SECONDS / 4

_CLAIM = """
UPDATE exchange.lease
   SET epoch = epoch + 1, holder = $1,
       expires_at = clock_timestamp() + make_interval(secs => $2)
 WHERE id = 1 AND expires_at <= clock_timestamp()
RETURNING epoch, last_seq, last_chain
"""
_RENEW = """
UPDATE exchange.lease SET expires_at = clock_timestamp() + make_interval(secs => $2)
 WHERE id = 1 AND epoch = $1
RETURNING (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
"""

log = structlog.get_logger()


class Lease:
    """Claims, keeps and gives back the right to write."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def claim(self, holder: str) -> Head:
        """Wait until the lease is free, take it under a new epoch; returns the journal's end.

        Raises UNKNOWN_RESULT.
        """
        is_waiting = False
        while True:
            async with timely(self._pool) as connection:
                row = await connection.fetchrow(_CLAIM, holder, LEASE_SECONDS)
            if row is not None:
                return Head(*row)
            if not is_waiting:
                log.info("waiting_for_the_lease", held_by=await self.holder())
                is_waiting = True
            await asyncio.sleep(CLAIM_POLL_SECONDS)

    async def renew(self, epoch: int) -> int:
        """Keep the lease; returns the database's time in UTC microseconds.

        Raises LeaseLost if another process has claimed it; UNKNOWN_RESULT.
        """
        async with timely(self._pool) as connection:
            database_us: int | None = await connection.fetchval(_RENEW, epoch, LEASE_SECONDS)
        if database_us is None:
            raise LeaseLost(f"epoch {epoch} no longer holds the lease")
        return database_us

    async def release(self, epoch: int) -> None:
        """Give the lease back, so that the next leader need not wait."""
        async with timely(self._pool) as connection:
            await connection.execute(
                "UPDATE exchange.lease SET expires_at = '-infinity' WHERE id = 1 AND epoch = $1",
                epoch,
            )

    async def holder(self) -> str:
        """Who holds or last held the lease."""
        return str(await self._pool.fetchval("SELECT holder FROM exchange.lease WHERE id = 1"))
