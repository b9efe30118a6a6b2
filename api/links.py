"""Where settlement meets the exchange: adapters for the ports that settlement owns."""

from sqlalchemy.ext.asyncio import AsyncEngine

from api.problems import Problem
from engine.commands import SYSTEM_ACTOR, AnyCommand
from engine.released import Released
from exchange.faults import OutcomeUnknown, Unavailable
from exchange.feed import JournalFeed
from exchange.service import Exchange
from exchange.statements import UNKNOWN_RESULT
from settlement.ports import TemporarilyUnavailable
from settlement.registry.embedded import EmbeddedRegistry, KeyReused


class FeedLink:
    """The journal's released steps, as settlement reads them."""

    def __init__(self, feed: JournalFeed) -> None:
        self._feed = feed

    async def read_after(self, seq: int, limit: int) -> list[Released]:
        """Up to `limit` steps after seq."""
        try:
            return await self._feed.read_after(seq, limit)
        except UNKNOWN_RESULT as error:
            raise TemporarilyUnavailable(str(error)) from error

    async def wait_beyond(self, seq: int) -> None:
        """Return once there is a step after seq."""
        try:
            await self._feed.wait_beyond(seq)
        except OutcomeUnknown as stopped:
            raise TemporarilyUnavailable(str(stopped)) from stopped


class CommandLink:
    """The way back to the market, as the system actor."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def submit(self, request_id: str, body: AnyCommand) -> None:
        """Return when the command is durable; the same request id takes effect once."""
        try:
            await self._exchange.submit(SYSTEM_ACTOR, request_id, body)
        except (Unavailable, OutcomeUnknown) as error:
            raise TemporarilyUnavailable(str(error)) from error


class RegistryOffice:
    """The registry's own acts, each in a transaction of its own."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def issue(self, key: str, series_id: str, holder: str, quantity: int) -> int:
        """Issue units with fresh serials; the same key takes effect once."""
        try:
            async with self._engine.begin() as connection:
                registry = EmbeddedRegistry(connection)
                return await registry.issue(key, series_id, holder, quantity)
        except KeyReused as reused:
            raise Problem("IDEMPOTENCY_BODY_MISMATCH", request=key) from reused
