"""The statements on `identity.session`; each runs in its caller's transaction.

Whoever ends several sessions of one person has locked the person's row first, so that two of them
never wait for each other's rows; `write_uses` waits for nobody.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    LargeBinary,
    any_,
    bindparam,
    delete,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from api.identity.session_cache import OpenSession
from api.identity.tables import person, session, to_ns, to_timestamp


async def read_open(
    connection: AsyncConnection, now: datetime
) -> list[tuple[OpenSession, str, str]]:
    """The sessions neither revoked nor expired, oldest first, each with login and address."""
    query = (
        select(session, person.c.login)
        .join(person)
        .where(session.c.revoked_at.is_(None), person.c.disabled_at.is_(None))
        .where(session.c.expires_at > now)
        .order_by(session.c.created_at, session.c.token_sha256)
    )
    found = []
    for row in await connection.execute(query):
        used_ns = to_ns(row.last_used_at)
        entry = OpenSession(
            token_sha256=row.token_sha256,
            person_id=row.person_id,
            created_ns=to_ns(row.created_at),
            expires_ns=to_ns(row.expires_at),
            used_ns=used_ns,
            written_ns=used_ns,
        )
        found.append((entry, row.login, row.last_address))
    return found


async def write_opened(connection: AsyncConnection, entry: OpenSession, address: str) -> None:
    created_at = to_timestamp(entry.created_ns)
    await connection.execute(
        insert(session).values(
            token_sha256=entry.token_sha256,
            person_id=entry.person_id,
            created_at=created_at,
            last_used_at=created_at,
            expires_at=to_timestamp(entry.expires_ns),
            last_address=address,
        )
    )


async def write_revoked(
    connection: AsyncConnection, tokens: Sequence[bytes], now: datetime
) -> list[str]:
    """Ends these sessions; gives the person of each that was open."""
    ended = (
        update(session)
        .where(_is_one_of(tokens), session.c.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(session.c.person_id)
    )
    return list((await connection.execute(ended)).scalars())


async def write_person_revoked(connection: AsyncConnection, person_id: str, now: datetime) -> None:
    await connection.execute(
        update(session)
        .where(session.c.person_id == person_id, session.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )


async def write_uses(connection: AsyncConnection, uses: Mapping[bytes, datetime]) -> None:
    """Skips rows that someone is changing: they are being revoked, and waiting could deadlock."""
    free = select(session.c.token_sha256).where(_is_one_of(list(uses)))
    rows = (await connection.execute(free.with_for_update(skip_locked=True))).scalars()
    values = [{"token": token, "used_at": uses[token]} for token in rows]
    if values:
        await connection.execute(_WRITE_USE, values)


async def delete_expired_before(connection: AsyncConnection, horizon: datetime) -> None:
    await connection.execute(delete(session).where(session.c.expires_at < horizon))


def _is_one_of(tokens: Sequence[bytes]) -> ColumnElement[bool]:
    """One array parameter: a list of them would meet the limit of 32,767."""
    return session.c.token_sha256 == any_(literal(tokens, ARRAY(LargeBinary)))


_WRITE_USE = (
    update(session)
    .where(session.c.token_sha256 == bindparam("token"))
    .values(last_used_at=bindparam("used_at"))
)
