"""The open sessions of this process, by the SHA-256 of their tokens. No I/O, no clock.

Finding a session by the hash of its token needs no constant-time comparison: a caller cannot steer
the hash of a guess towards a stored one, so the time of a look-up tells nothing about any token.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(slots=True)
class OpenSession:
    """One session; `used_ns` moves with each use, `written_ns` is the last use in the table."""

    token_sha256: bytes
    person_id: str
    created_ns: int
    expires_ns: int
    used_ns: int
    written_ns: int

    def is_over(self, now_ns: int, idle_ns: int) -> bool:
        return now_ns >= self.expires_ns or now_ns >= self.used_ns + idle_ns


class SessionCache:
    """Sessions by token hash and by person, always telling the same."""

    def __init__(self) -> None:
        self._by_token: dict[bytes, OpenSession] = {}
        self._by_person: dict[str, dict[bytes, OpenSession]] = {}

    def __len__(self) -> int:
        return len(self._by_token)

    def find(self, token_sha256: bytes) -> OpenSession | None:
        return self._by_token.get(token_sha256)

    def add(self, session: OpenSession) -> None:
        self._by_token[session.token_sha256] = session
        self._by_person.setdefault(session.person_id, {})[session.token_sha256] = session

    def drop(self, token_sha256: bytes) -> None:
        """Forgets a session; one that is not here is forgotten already."""
        session = self._by_token.pop(token_sha256, None)
        if session is None:
            return
        own = self._by_person[session.person_id]
        del own[token_sha256]
        if not own:
            del self._by_person[session.person_id]

    def drop_person(self, person_id: str) -> None:
        for token_sha256 in list(self._by_person.get(person_id, ())):
            self.drop(token_sha256)

    def drop_over(self, now_ns: int, idle_ns: int) -> None:
        """Forgets what has run out; linear in the open sessions."""
        for session in list(self._by_token.values()):
            if session.is_over(now_ns, idle_ns):
                self.drop(session.token_sha256)

    def oldest(self, person_id: str, keep: int) -> list[bytes]:
        """The person's sessions, oldest first, without the newest `keep`."""
        own = list(self._by_person.get(person_id, ()))
        return own[: max(0, len(own) - keep)]

    def used_since_written(self) -> list[OpenSession]:
        return [one for one in self._by_token.values() if one.used_ns > one.written_ns]

    def mark_written(self, uses: Mapping[bytes, int]) -> None:
        for token_sha256, used_ns in uses.items():
            if (session := self._by_token.get(token_sha256)) is not None:
                session.written_ns = used_ns
