"""The tables of schema `identity` as migration 0002 makes them, and how to connect to them.

Instants are nanoseconds in the code and `timestamptz` (microseconds) in the tables.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

Clock = Callable[[], int]  # nanoseconds since 1970 UTC

metadata = MetaData(schema="identity")

person = Table(
    "person",
    metadata,
    Column("person_id", Text, primary_key=True),
    Column("login", Text, nullable=False, unique=True),
    Column("display_name", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("password_version", Integer, nullable=False),
    Column("must_change_password", Boolean, nullable=False),
    Column("disabled_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

session = Table(
    "session",
    metadata,
    Column("token_sha256", LargeBinary, primary_key=True),
    Column("person_id", Text, ForeignKey(person.c.person_id), nullable=False, index=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("last_used_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
    Column("revoked_at", DateTime(timezone=True)),
    Column("last_address", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor_person_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    Column("chain", LargeBinary, nullable=False),
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NS_PER_MICROSECOND = 1_000


def to_timestamp(instant_ns: int) -> datetime:
    """The instant as the tables hold it: cut, not rounded, to microseconds."""
    return _EPOCH + timedelta(microseconds=instant_ns // _NS_PER_MICROSECOND)


def to_ns(timestamp: datetime) -> int:
    return to_microseconds(timestamp) * _NS_PER_MICROSECOND


def to_microseconds(timestamp: datetime) -> int:
    return (timestamp - _EPOCH) // _MICROSECOND
