"""Makes batches durable, one statement each, while the sequencer fills the next.

States:  serving -> (connection lost) stalled -> serving
                 -> (lease lost, engine broken, asked to) stopped

When the result of a commit is unknown, the lease row decides: it names the journal's last seq and
chain value.  Equal to the batch's end: committed.  Equal to its start: send the identical batch
again.  Anything else: somebody else writes, this process stops.
"""

import asyncio
from collections.abc import Callable
from time import monotonic, time_ns

import asyncpg
import structlog

from exchange.faults import LeaseLost
from exchange.journal import Head, Journal
from exchange.lease import RENEW_SECONDS, Lease
from exchange.sequencer import Pending, Sequencer

COMMIT_TIMEOUT_SECONDS = 10.0
RETRY_SECONDS = 0.05
MAX_RETRY_SECONDS = 1.0

UNKNOWN_RESULT = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)
"""What a statement may raise without saying whether it took effect."""

log = structlog.get_logger()


class EngineBroken(Exception):
    """The engine contradicted itself; the process must end and recover from the journal."""


class Committer:
    """The only task that writes the journal."""

    def __init__(
        self,
        sequencer: Sequencer,
        journal: Journal,
        lease: Lease,
        on_database_time: Callable[[int], None],
    ) -> None:
        self._sequencer = sequencer
        self._journal = journal
        self._lease = lease
        self._on_database_time = on_database_time
        self._renewed_at = monotonic()

    async def run(self) -> None:
        """Commit until stopped; raises LeaseLost or EngineBroken when there is no way on."""
        sequencer = self._sequencer
        try:
            while not sequencer.stopped or sequencer.quarantine is not None:
                if sequencer.quarantine is not None:
                    await self._write_quarantine()
                await self._wait_for_work()
                if not sequencer.stopped:
                    await self._work()
        except LeaseLost as lost:
            sequencer.stop(str(lost))
            raise

    async def drain(self) -> None:
        """Commit what is left after the last command was taken; for an orderly stop."""
        while batch := self._sequencer.take_batch():
            await self._commit(batch)

    async def _wait_for_work(self) -> None:
        try:
            async with asyncio.timeout(RENEW_SECONDS):
                await self._sequencer.has_work.wait()
        except TimeoutError:
            return

    async def _work(self) -> None:
        batch = self._sequencer.take_batch()
        if batch:
            await self._commit(batch)
        if monotonic() - self._renewed_at >= RENEW_SECONDS:
            await self._renew()

    async def _commit(self, batch: list[Pending]) -> None:
        sequencer = self._sequencer
        rows = [pending.row for pending in batch]
        previous_seq = rows[0].seq - 1
        is_durable = False
        while not is_durable:
            try:
                async with asyncio.timeout(COMMIT_TIMEOUT_SECONDS):
                    await self._journal.append(sequencer.epoch, previous_seq, rows)
                is_durable = True
            except asyncpg.UniqueViolationError as error:
                raise LeaseLost(f"seq {rows[0].seq} is taken by another writer") from error
            except UNKNOWN_RESULT as error:
                self._stall(error)
                is_durable = await self._was_committed(batch)
        self._recovered()
        sequencer.release_batch()

    async def _was_committed(self, batch: list[Pending]) -> bool:
        """Ask the lease row, for as long as it takes, whether a batch is in the journal."""
        first, last = batch[0].row, batch[-1].row
        head = await self._read_head()
        if head.epoch != self._sequencer.epoch:
            raise LeaseLost(f"epoch {head.epoch} holds the lease")
        if (head.last_seq, head.last_chain) == (last.seq, last.chain):
            return True
        if head.last_seq != first.seq - 1:
            raise LeaseLost(f"the journal ends at {head.last_seq}, not at {first.seq - 1}")
        return False

    async def _read_head(self) -> Head:
        delay = RETRY_SECONDS
        while True:
            try:
                async with asyncio.timeout(COMMIT_TIMEOUT_SECONDS):
                    return await self._journal.head()
            except UNKNOWN_RESULT as error:
                self._stall(error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, MAX_RETRY_SECONDS)

    async def _renew(self) -> None:
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_SECONDS):
                database_us = await self._lease.renew(self._sequencer.epoch)
        except UNKNOWN_RESULT as error:
            self._stall(error)
            await asyncio.sleep(RETRY_SECONDS)
            return
        self._renewed_at = monotonic()
        self._recovered()
        self._on_database_time(database_us * 1_000 - time_ns())

    async def _write_quarantine(self) -> None:
        """Write the case down, then give up: the restart refuses the request."""
        sequencer = self._sequencer
        case, after_seq = sequencer.quarantine, sequencer.durable_seq
        sequencer.stop(sequencer.stopped)
        delay = RETRY_SECONDS
        while case is not None:
            try:
                await self._journal.quarantine(sequencer.epoch, after_seq, case)
                sequencer.quarantine = case = None
            except UNKNOWN_RESULT as error:
                self._stall(error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, MAX_RETRY_SECONDS)
        raise EngineBroken(sequencer.stopped)

    def _stall(self, error: Exception) -> None:
        if not self._sequencer.stalled:
            log.warning("journal_unreachable", error=f"{type(error).__name__}: {error}")
        self._sequencer.stalled = "the journal's database does not answer"

    def _recovered(self) -> None:
        if self._sequencer.stalled:
            log.info("journal_reachable_again")
        self._sequencer.stalled = ""
