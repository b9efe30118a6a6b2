"""Makes batches durable, one statement each, while the sequencer fills the next.

States:  serving -> (journal does not answer) stalled -> serving
                 -> (asked to stop) drained, ended
                 -> (lease lost, engine broken, anything unforeseen) stopped, raises

When the result of a commit is unknown, the lease row decides: it names the journal's last seq and
chain value.  Equal to the batch's end: committed.  Equal to its start: send the identical batch
again.  Anything else: somebody else writes, this process stops.
"""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic, time_ns
from typing import Protocol

import asyncpg

from exchange.faults import LeaseLost
from exchange.journal import Head, QuarantineCase, Row
from exchange.lease import RENEW_SECONDS
from exchange.sequencer import Pending, Sequencer
from exchange.statements import UNKNOWN_RESULT

RETRY_SECONDS = 0.05
MAX_RETRY_SECONDS = 1.0
NS_PER_US = 1_000


class EngineBroken(Exception):
    """The engine contradicted itself; the process must end and recover from the journal."""


class JournalPort(Protocol):
    """What the committer needs of the journal (exchange/journal.py)."""

    async def append(self, epoch: int, previous_seq: int, rows: Sequence[Row]) -> None:
        """Make rows durable; raises LeaseLost or UNKNOWN_RESULT."""

    async def head(self) -> Head:
        """The lease row; raises UNKNOWN_RESULT."""

    async def quarantine(self, epoch: int, after_seq: int, case: QuarantineCase) -> None:
        """Keep a command that broke an invariant; raises UNKNOWN_RESULT."""


class LeasePort(Protocol):
    """What the committer needs of the lease (exchange/lease.py)."""

    async def renew(self, epoch: int) -> int:
        """The database's time (UTC us); raises LeaseLost or UNKNOWN_RESULT."""


class Committer:
    """The only task that writes the journal."""

    def __init__(
        self,
        sequencer: Sequencer,
        journal: JournalPort,
        lease: LeasePort,
        on_database_time: Callable[[int], None],
    ) -> None:
        """`on_database_time` hears how far the database's clock is ahead (ns), at least."""
        self._sequencer = sequencer
        self._journal = journal
        self._lease = lease
        self._on_database_time = on_database_time
        self._renewed_at = monotonic()
        self._retry_seconds = RETRY_SECONDS

    async def run(self) -> None:
        """Commit until stopped, then what is left; raises LeaseLost or EngineBroken.

        However it ends, no future of the sequencer's is left to wait for a commit.
        """
        sequencer = self._sequencer
        try:
            while not sequencer.stopped:
                await self._wait_for_work()
                await self._work()
            if sequencer.quarantine is not None:
                await self._give_up(sequencer.quarantine)
            while batch := sequencer.take_batch():
                await self._commit(batch)
        except BaseException as end:
            sequencer.stop(str(end) or type(end).__name__)
            raise

    async def _wait_for_work(self) -> None:
        try:
            async with asyncio.timeout(RENEW_SECONDS):
                await self._sequencer.has_work.wait()
        except TimeoutError:
            return

    async def _work(self) -> None:
        if self._sequencer.stopped:
            return
        batch = self._sequencer.take_batch()
        if batch:
            await self._commit(batch)
        if monotonic() - self._renewed_at >= RENEW_SECONDS:
            await self._renew()

    async def _commit(self, batch: list[Pending]) -> None:
        sequencer = self._sequencer
        rows = [pending.row for pending in batch]
        while True:
            try:
                await self._journal.append(sequencer.epoch, rows[0].seq - 1, rows)
                break
            except asyncpg.UniqueViolationError as error:
                raise LeaseLost(f"seq {rows[0].seq} is taken by another writer") from error
            except UNKNOWN_RESULT as error:
                sequencer.stall(error)
            except LeaseLost:
                pass  # or an earlier try of the same rows got through: the lease row knows
            if await self._was_committed(rows):
                break
            await self._pause()
        self._answered()
        sequencer.release_batch()

    async def _was_committed(self, rows: list[Row]) -> bool:
        """Ask the lease row, for as long as it takes, whether a batch is in the journal."""
        first, last = rows[0], rows[-1]
        head = await self._read_head()
        if head.epoch != self._sequencer.epoch:
            raise LeaseLost(f"epoch {head.epoch} holds the lease")
        if (head.last_seq, head.last_chain) == (last.seq, last.chain):
            return True
        if head.last_seq != first.seq - 1:
            raise LeaseLost(f"the journal ends at {head.last_seq}, not at {first.seq - 1}")
        return False

    async def _read_head(self) -> Head:
        while True:
            try:
                return await self._journal.head()
            except UNKNOWN_RESULT as error:
                self._sequencer.stall(error)
                await self._pause()

    async def _renew(self) -> None:
        before_ns = time_ns()
        try:
            database_us = await self._lease.renew(self._sequencer.epoch)
        except UNKNOWN_RESULT as error:
            self._sequencer.stall(error)
            await self._pause()
            return
        self._renewed_at = monotonic()
        self._answered()
        self._on_database_time(_ahead_ns(before_ns, database_us * NS_PER_US, time_ns()))

    async def _give_up(self, case: QuarantineCase) -> None:
        """Fail who waits, write the case down for the restart, and end."""
        sequencer = self._sequencer
        sequencer.stop(sequencer.stopped)
        is_written = False
        while not is_written:
            try:
                await self._journal.quarantine(sequencer.epoch, sequencer.durable_seq, case)
                is_written = True
            except UNKNOWN_RESULT as error:
                sequencer.stall(error)
                await self._pause()
        if case.request_id:
            hope = "the request is quarantined, restart to go on without it"
        else:
            hope = "no request caused it, so that a restart may meet it again"
        raise EngineBroken(f"{sequencer.stopped}: {case.error}; {hope}")

    async def _pause(self) -> None:
        await asyncio.sleep(self._retry_seconds)
        self._retry_seconds = min(self._retry_seconds * 2, MAX_RETRY_SECONDS)

    def _answered(self) -> None:
        self._retry_seconds = RETRY_SECONDS
        self._sequencer.recover()


def _ahead_ns(before_ns: int, database_ns: int, after_ns: int) -> int:
    """By how much the database's clock is ahead at least (negative: behind), given that it was
    read between the two times of ours: a slow answer is no difference."""
    return max(database_ns - after_ns, 0) + min(database_ns - before_ns, 0)
