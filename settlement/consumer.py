"""The settlement process: reads the feed, posts batch by batch, sends what the market must know.

Invariants
- a batch, its outbox rows and the watermark are one transaction: each record counts once;
- the watermark row is locked before anything is posted, so that two consumers take turns;
- commands are sent after the commit that makes them true, and again until they are answered.

It owns no books: settling.py writes them, the database guards them.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.released import Released
from settlement import outbox
from settlement.movements import read_batch
from settlement.outbox import OwedCommand
from settlement.ports import CommandPort, RegistryDesk, ReleasedFeed, TemporarilyUnavailable
from settlement.reconciliation import reconcile
from settlement.registry.embedded import EmbeddedRegistry
from settlement.settling import lock_watermark, read_watermark, settle

BATCH_RECORDS = 1_000
FIRST_PAUSE_MS = 50
LONGEST_PAUSE_MS = 5_000

_UNKNOWN = -1
_OUTAGES = (SQLAlchemyError, OSError, TimeoutError, TemporarilyUnavailable)

_log = structlog.get_logger(__name__)


class Settlement:
    """One consumer; `engine` connects as jingtan_settlement."""

    def __init__(
        self,
        engine: AsyncEngine,
        feed: ReleasedFeed,
        commands: CommandPort,
        registry_desk: RegistryDesk = EmbeddedRegistry,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        batch_records: int = BATCH_RECORDS,
    ) -> None:
        self._engine = engine
        self._feed = feed
        self._commands = commands
        self._registry_desk = registry_desk
        self._pause = pause
        self._batch_records = batch_records
        self._stepping = asyncio.Lock()
        self._watermark = _UNKNOWN
        self._owed: list[tuple[str, OwedCommand]] = []
        self._sent: set[str] = set()

    def watermark(self) -> int:
        """The last seq this consumer knows to be posted; 0 before it has looked."""
        return max(self._watermark, 0)

    async def run(self) -> None:
        """Settle until cancelled.  Outages are waited out; FeedBroken stops it."""
        pause_ms = FIRST_PAUSE_MS
        while True:
            try:
                if not await self._step():
                    await self._feed.wait_beyond(self._watermark)
                pause_ms = FIRST_PAUSE_MS
            except _OUTAGES as error:
                _log.warning("settlement_waits", error=repr(error), pause_ms=pause_ms)
                await self._pause(pause_ms / 1_000)
                pause_ms = min(2 * pause_ms, LONGEST_PAUSE_MS)

    async def catch_up(self, seq: int) -> None:
        """Return when everything up to seq is posted and the commands it gave rise to are sent.

        Raises SQLAlchemyError, OSError, TemporarilyUnavailable or FeedBroken; it may be called
        again then.
        """
        while self._watermark < seq:
            if not await self._step() and self._watermark < seq:
                await self._feed.wait_beyond(self._watermark)

    async def _step(self) -> bool:
        """Post one batch and send what is owed; False when the feed had nothing new."""
        async with self._stepping:
            try:
                if self._watermark == _UNKNOWN:
                    await self._look()
                records = await self._feed.read_after(self._watermark, self._batch_records)
                if records:
                    await self._settle(records)
                await self._send_owed()
            except BaseException:
                self._watermark = _UNKNOWN
                self._sent.clear()
                raise
        return bool(records)

    async def _look(self) -> None:
        async with self._engine.connect() as connection:
            self._owed = await outbox.read_open(connection)
            self._watermark = await read_watermark(connection)

    async def _settle(self, records: list[Released]) -> None:
        async with self._engine.begin() as connection:
            seq, trading_day = await lock_watermark(connection)
            if seq == self._watermark:
                batch = read_batch(records, seq, trading_day)
                registry = self._registry_desk(connection)
                await settle(connection, registry, batch)
                if batch.report is not None:
                    await reconcile(connection, registry, batch.last_seq, batch.report)
                seq = batch.last_seq
            owed = await outbox.read_open(connection)
        self._watermark, self._owed = seq, owed

    async def _send_owed(self) -> None:
        for request_id, body in self._owed:
            if request_id not in self._sent:
                await self._commands.submit(request_id, body)
                self._sent.add(request_id)
        self._sent.intersection_update([request_id for request_id, _ in self._owed])
