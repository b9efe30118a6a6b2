"""What settlement needs from the world: the released feed, a way to send commands, a registry.

Each port has a real adapter elsewhere and a simulated twin in the tests.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.commands import AnyCommand
from engine.released import Released


class TemporarilyUnavailable(Exception):
    """The other side did not answer for certain; the same request may be sent again."""


class ReleasedFeed(Protocol):
    """The log's released records."""

    async def read_after(self, seq: int, limit: int) -> list[Released]:
        """At most `limit` records from seq + 1 on, without gaps; empty when there is none yet.

        Raises TemporarilyUnavailable.
        """

    async def wait_beyond(self, seq: int) -> None:
        """Return when a record after seq may be there.  Raises TemporarilyUnavailable."""


class CommandPort(Protocol):
    """The way back to the market, as the system actor."""

    async def submit(self, request_id: str, body: AnyCommand) -> None:
        """Return when the command is durable; the same request id takes effect once.

        The market's answer, a refusal too, comes with the feed.  Raises TemporarilyUnavailable.
        """


class TransferKind(StrEnum):
    """What the exchange may ask of the registry."""

    LOCK = "lock"
    RELEASE = "release"
    TRANSFER = "transfer"


class UnitStatus(StrEnum):
    """Where a unit block stands (持有, 锁定, 冻结, 清缴, 注销)."""

    HELD = "held"
    LOCKED = "locked"
    FROZEN = "frozen"
    SURRENDERED = "surrendered"
    CANCELLED = "cancelled"


class TransferRequest(msgspec.Struct, frozen=True):
    """One order to the registry, in tonnes; its key makes it idempotent.

    LOCK puts held units under the exchange's lock, RELEASE takes the lock off (both keep the
    holder), TRANSFER moves locked units to another holder, who has them locked too.
    """

    key: str
    kind: TransferKind
    series_id: str
    from_holder: str
    to_holder: str
    quantity: int


class TransferAnswer(msgspec.Struct, frozen=True):
    """What the registry did: posted, or refused with its reason (then reason is not empty)."""

    key: str
    transfer_id: int
    refusal: str


class SeriesTotals(msgspec.Struct, frozen=True):
    """Tonnes of a series ever issued, and how they stand now."""

    series_id: str
    issued: int
    by_status: dict[UnitStatus, int]


class RegistryPort(Protocol):
    """The registry as settlement sees it."""

    async def carry_out(self, requests: Sequence[TransferRequest]) -> list[TransferAnswer]:
        """Carry out in order; one answer for each request, in the same order."""

    async def locked(self) -> dict[tuple[str, str], int]:
        """Tonnes under the exchange's lock by (holder, series_id)."""

    async def totals(self) -> list[SeriesTotals]:
        """Totals of every series, by series_id."""


RegistryDesk = Callable[[AsyncConnection], RegistryPort]
"""Gives the registry to use within a transaction; the embedded one takes part in it."""
