"""The audit trail: who did what to whom, append-only and hash-chained (table `identity.audit`).

Invariants, kept by the table's triggers and constraints and by one transaction lock around each
entry:
    seq runs 1, 2, 3... without a gap; no entry is ever changed or removed, by whatever role;
    chain(n) = SHA-256("jingtan-audit-v1" | chain(n-1) | entry(n)), chain(0) = 32 zero bytes;
    entry = canonical JSON (engine/canonical.py: sorted keys, no spaces, UTF-8) of the object
    {"action", "actor", "at", "detail", "seq", "subject"}, `at` in microseconds since 1970 UTC.

`verify` finds an entry that was changed, added or removed behind the triggers' back. Entries cut
off at the end cannot be told from entries never written: for that, keep a `head()` outside and hand
it back. It does not hold passwords, tokens or keys: callers give ids and plain facts.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypedDict

from sqlalchemy import Row, Text, cast, extract, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.identity.tables import Clock, audit, to_microseconds, to_timestamp
from engine import canonical

SYSTEM_ACTOR = "system"  # the exchange itself, when no person acts
GENESIS = bytes(32)
MAX_DETAIL_BYTES = 16_384
MAX_TEXT_CHARS = 200

JsonValue: TypeAlias = "str | int | bool | list[JsonValue] | Mapping[str, JsonValue] | None"
JsonObject: TypeAlias = Mapping[str, JsonValue]

_TAG = b"jingtan-audit-v1"
_APPEND_LOCK = 0x4A54_4155_4449_54  # "JTAUDIT": one appender at a time in this database
_INT64 = range(-(2**63), 2**63)
_ACTION = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+", re.ASCII)


class AuditEntryInvalid(ValueError):
    """A caller's mistake: the entry could not be written and read back as the same bytes."""


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The last entry's place and chain value."""

    seq: int
    chain: bytes


class _Entry(TypedDict):
    """What the chain covers."""

    action: str
    actor: str
    at: int
    detail: JsonObject
    seq: int
    subject: str


class AuditTrail:
    """Appends and verifies entries; `clock` gives nanoseconds."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def record(self, actor: str, action: str, subject: str, detail: JsonObject) -> int:
        """Appends one entry in a transaction of its own and returns its seq.

        Raises AuditEntryInvalid.
        """
        async with self._engine.begin() as connection:
            return await self.record_within(connection, actor, action, subject, detail)

    async def record_within(
        self,
        connection: AsyncConnection,
        actor: str,
        action: str,
        subject: str,
        detail: JsonObject,
    ) -> int:
        """Appends in the caller's transaction: the act and its entry commit together or not at all.

        Let it be the transaction's last statement: other writers wait from here to its commit.
        """
        _require_valid(actor, action, subject, detail)
        await connection.execute(select(func.pg_advisory_xact_lock(_APPEND_LOCK)))
        last = await _read_head(connection)
        seq, at = last.seq + 1, to_timestamp(self._clock())
        entry = _Entry(
            action=action,
            actor=actor,
            at=to_microseconds(at),
            detail=detail,
            seq=seq,
            subject=subject,
        )
        await connection.execute(
            insert(audit).values(
                seq=seq,
                at=at,
                actor_person_id=actor,
                action=action,
                subject=subject,
                detail=detail,
                chain=_link(last.chain, canonical.encode(entry)),
            )
        )
        return seq

    async def head(self) -> AuditHead:
        """The last entry, or seq 0 of an empty trail."""
        async with self._engine.connect() as connection:
            return await _read_head(connection)

    async def verify(self, known: AuditHead | None = None) -> int | None:
        """The seq of the first entry that is missing or not as it was written; None if all are.

        With a head kept from earlier, also whether the trail still reaches and contains it.
        """
        chain, seq = GENESIS, 0
        async with self._engine.connect() as connection:
            async for row in await connection.stream(_IN_ORDER):
                seq += 1
                chain = _link(chain, _entry_of(row))
                if row.seq != seq or not hmac.compare_digest(chain, row.chain):
                    return seq
                kept = known.chain if known is not None and known.seq == seq else chain
                if not hmac.compare_digest(chain, kept):
                    return seq
        return seq + 1 if known is not None and known.seq > seq else None


# Read as text and number, so that an entry damaged beyond its types is reported, not stumbled over.
_IN_ORDER = (
    select(
        audit.c.seq,
        (extract("epoch", audit.c.at) * 1_000_000).label("at_us"),
        audit.c.actor_person_id,
        audit.c.action,
        audit.c.subject,
        cast(audit.c.detail, Text).label("detail"),
        audit.c.chain,
    )
    .order_by(audit.c.seq)
    .execution_options(yield_per=1_000)
)


async def _read_head(connection: AsyncConnection) -> AuditHead:
    query = select(audit.c.seq, audit.c.chain).order_by(audit.c.seq.desc()).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return AuditHead(0, GENESIS) if row is None else AuditHead(row.seq, row.chain)


def _entry_of(row: Row[Any]) -> bytes:
    try:
        entry = _Entry(
            action=row.action,
            actor=row.actor_person_id,
            at=int(row.at_us),
            detail=json.loads(row.detail),
            seq=row.seq,
            subject=row.subject,
        )
        return canonical.encode(entry)
    except (ValueError, OverflowError, RecursionError):
        return b""  # nothing that `record_within` wrote: its link cannot agree


def _link(previous: bytes, entry: bytes) -> bytes:
    return hashlib.sha256(_TAG + previous + entry).digest()


def _require_valid(actor: str, action: str, subject: str, detail: JsonObject) -> None:
    for text in (actor, subject):
        if not 0 < len(text) <= MAX_TEXT_CHARS:
            raise AuditEntryInvalid(f"an actor or subject has 1 to {MAX_TEXT_CHARS} characters")
        _require_text(text)
    if len(action) > MAX_TEXT_CHARS or _ACTION.fullmatch(action) is None:
        raise AuditEntryInvalid(f"not an action name like person.created: {action!r}")
    if not isinstance(detail, dict):
        raise AuditEntryInvalid("the detail is a JSON object")
    _require_storable(detail)
    if len(canonical.encode(detail)) > MAX_DETAIL_BYTES:
        raise AuditEntryInvalid(f"the detail is longer than {MAX_DETAIL_BYTES} bytes")


def _require_storable(value: object) -> None:
    """Refuses what jsonb does not give back as it was: fractions, wide integers, NUL..."""
    if isinstance(value, str):
        _require_text(value)
    elif isinstance(value, int):
        if value not in _INT64:
            raise AuditEntryInvalid("an integer is wider than 64 bits")
    elif isinstance(value, list):
        for item in value:
            _require_storable(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            _require_text(key)
            _require_storable(item)
    elif value is not None:
        raise AuditEntryInvalid(f"{type(value).__name__} is not kept exactly; write it as text")


def _require_text(text: object) -> None:
    if not isinstance(text, str):
        raise AuditEntryInvalid("a key is not text")
    if any(char == "\x00" or "\ud800" <= char <= "\udfff" for char in text):
        raise AuditEntryInvalid("a text holds NUL or half a surrogate pair")
