"""Sessions of people: opaque tokens, stored only as hashes, answered from memory.

A token is 256 random bits; the table and the cache hold its SHA-256, the audit trail eight bytes of
that. The cache is the authority of this process: `load` fills it at start, every later change
passes through here, and `authenticate` asks nothing else, so that reads go on while the database is
away.

Order of things, so that no race leaves a session open:
    a login enters the cache before its commit, while it locks the person's row; its token is known
    to nobody until the commit is done, and whoever disables the person waits for that lock, then
    clears;
    an ending leaves the cache at once and the table next; it is repeated safely if the table fails.

Last uses reach the table by `sweep`, about once a minute: after a crash a session may be taken for
idle that much too early, never too late. Several processes serving people would need to hear of
each other's revocations; this does not do it.
"""

import hashlib
import secrets
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.identity import session_table
from api.identity.audit import SYSTEM_ACTOR, AuditTrail
from api.identity.credentials import Credentials, lock_unchanged
from api.identity.errors import PasswordChangeRequired
from api.identity.session_cache import OpenSession, SessionCache
from api.identity.tables import Clock, person, to_ns, to_timestamp

NS_PER_S = 1_000_000_000
TTL_S = 12 * 3_600
IDLE_S = 2 * 3_600
KEPT_AFTER_END_S = 90 * 86_400
MAX_SESSIONS_PER_PERSON = 16
MAX_ADDRESS_CHARS = 64
TOKEN_BYTES = 32
TOKEN_CHARS = 43


@dataclass(frozen=True, slots=True)
class IssuedSession:
    """The only place where the token itself is found, once."""

    token: str = field(repr=False)
    person_id: str
    expires_at_ns: int


class Sessions:
    """Opens, recognises and ends sessions; `clock` gives nanoseconds. `load` comes first."""

    def __init__(
        self,
        engine: AsyncEngine,
        credentials: Credentials,
        audit: AuditTrail,
        clock: Clock,
        *,
        ttl_s: int = TTL_S,
        idle_s: int = IDLE_S,
    ) -> None:
        self._engine = engine
        self._credentials = credentials
        self._audit = audit
        self._clock = clock
        self._ttl_ns = ttl_s * NS_PER_S
        self._idle_ns = idle_s * NS_PER_S
        self._cache = SessionCache()

    async def load(self) -> int:
        """Fills the cache with what is still open; gives the number of sessions."""
        now_ns = self._clock()
        async with self._engine.connect() as connection:
            found = await session_table.read_open(connection, to_timestamp(now_ns))
        for entry, login, address in found:
            if not entry.is_over(now_ns, self._idle_ns):
                self._cache.add(entry)
                self._credentials.trust(login, address)
        return len(self._cache)

    def count(self) -> int:
        """How many sessions memory holds; those run out since the last sweep among them."""
        return len(self._cache)

    async def login(self, login: str, password: str, address: str) -> IssuedSession:
        """Raises LoginRefused, LoginThrottled, PasswordsBusy or PasswordChangeRequired."""
        verified = await self._credentials.check(login, password, address)
        if verified.must_change_password:
            raise PasswordChangeRequired
        token = secrets.token_urlsafe(TOKEN_BYTES)
        entry = self._new_entry(token, verified.person_id)
        surplus = self._cache.oldest(verified.person_id, keep=MAX_SESSIONS_PER_PERSON - 1)
        try:
            async with self._engine.begin() as connection:
                await lock_unchanged(connection, verified)
                self._cache.add(entry)
                await self._write_login(connection, entry, address[:MAX_ADDRESS_CHARS], surplus)
        except BaseException:
            self._cache.drop(entry.token_sha256)
            raise
        for token_sha256 in surplus:
            self._cache.drop(token_sha256)
        return IssuedSession(token, verified.person_id, entry.expires_ns)

    def authenticate(self, token: str) -> str | None:
        """The person who holds the token, or None; counts as a use. One hash and one look-up."""
        entry = self._find(token)
        if entry is None:
            return None
        entry.used_ns = max(entry.used_ns, self._clock())
        return entry.person_id

    def is_open(self, token: str) -> bool:
        """Whether the token still holds, without counting as a use: for streams that stay open."""
        return self._find(token) is not None

    async def revoke(self, token: str) -> bool:
        """Ends a session, from the next request on; False if there was none to end."""
        token_sha256 = _sha256(token)
        self._cache.drop(token_sha256)
        async with self._engine.begin() as connection:
            now = to_timestamp(self._clock())
            persons = await session_table.write_revoked(connection, [token_sha256], now)
            if not persons:
                return False
            detail = {"session": _short(token_sha256)}
            await self._audit.record_within(
                connection, persons[0], "session.revoked", persons[0], detail
            )
        return True

    async def revoke_person(self, person_id: str, *, actor: str = SYSTEM_ACTOR) -> None:
        """Ends all sessions of a person, from the next request on."""
        try:
            async with self._engine.begin() as connection:
                locked = select(person.c.person_id).where(person.c.person_id == person_id)
                await connection.execute(locked.with_for_update(key_share=True))
                await self.revoke_person_within(connection, person_id)
                await self._audit.record_within(
                    connection, actor, "session.person_revoked", person_id, {}
                )
        finally:
            self.forget_person(person_id)

    async def revoke_person_within(self, connection: AsyncConnection, person_id: str) -> None:
        """The table's half of `revoke_person`, in a transaction that has locked the person's row.

        The caller calls `forget_person` when that transaction is over, however it ended.
        """
        now = to_timestamp(self._clock())
        await session_table.write_person_revoked(connection, person_id, now)

    def forget_person(self, person_id: str) -> None:
        """The memory's half: no request of this person is recognised from here on."""
        self._cache.drop_person(person_id)

    async def sweep(self) -> None:
        """Writes last uses and refused logins, forgets what has run out. About once a minute."""
        now_ns = self._clock()
        self._cache.drop_over(now_ns, self._idle_ns)
        uses = {one.token_sha256: one.used_ns for one in self._cache.used_since_written()}
        horizon = to_timestamp(now_ns - KEPT_AFTER_END_S * NS_PER_S)
        async with self._engine.begin() as connection:
            if uses:
                instants = {token: to_timestamp(used_ns) for token, used_ns in uses.items()}
                await session_table.write_uses(connection, instants)
            await session_table.delete_expired_before(connection, horizon)
        self._cache.mark_written(uses)
        if (refusals := self._credentials.take_refusals()) is not None:
            await self._audit.record(SYSTEM_ACTOR, "login.refused", "logins", refusals)

    def _find(self, token: str) -> OpenSession | None:
        if len(token) != TOKEN_CHARS or not token.isascii():
            return None
        entry = self._cache.find(_sha256(token))
        if entry is None:
            return None
        if entry.is_over(self._clock(), self._idle_ns):
            self._cache.drop(entry.token_sha256)
            return None
        return entry

    def _new_entry(self, token: str, person_id: str) -> OpenSession:
        now_ns = to_ns(to_timestamp(self._clock()))  # as exact as the table
        return OpenSession(
            token_sha256=_sha256(token),
            person_id=person_id,
            created_ns=now_ns,
            expires_ns=now_ns + self._ttl_ns,
            used_ns=now_ns,
            written_ns=now_ns,
        )

    async def _write_login(
        self,
        connection: AsyncConnection,
        entry: OpenSession,
        address: str,
        surplus: list[bytes],
    ) -> None:
        if surplus:
            now = to_timestamp(entry.created_ns)
            await session_table.write_revoked(connection, surplus, now)
        await session_table.write_opened(connection, entry, address)
        detail = {"session": _short(entry.token_sha256), "address": address}
        await self._audit.record_within(
            connection, entry.person_id, "session.opened", entry.person_id, detail
        )


def _sha256(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _short(token_sha256: bytes) -> str:
    return token_sha256[:8].hex()
