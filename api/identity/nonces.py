"""The nonces in use: each is remembered until its request's own window has closed, then forgotten.

Bounded per public key and in all; at a bound a new nonce is refused rather than an old one
forgotten. Keyed by the public key, not by a key's id: one key under two ids is still one signer.
"""

import heapq

from api.identity.errors import NonceMemoryFull, NonceReplayed

MAX_PER_KEY = 20_000  # 4,000 requests a second in the default window of 5 s
MAX_IN_ALL = 200_000


class NonceMemory:
    """`use` is logarithmic in the nonces remembered; not shared between processes."""

    def __init__(self, *, max_per_key: int = MAX_PER_KEY, max_in_all: int = MAX_IN_ALL) -> None:
        self._max_per_key = max_per_key
        self._max_in_all = max_in_all
        self._used: dict[bytes, set[str]] = {}
        self._endings: list[tuple[int, bytes, str]] = []  # a heap

    def __len__(self) -> int:
        return len(self._endings)

    def use(self, public_key: bytes, nonce: str, last_valid_ms: int, now_ms: int) -> None:
        """Remembers the nonce through `last_valid_ms`. Raises NonceReplayed or NonceMemoryFull."""
        self._forget_ended(now_ms)
        own = self._used.get(public_key, set())
        if nonce in own:
            raise NonceReplayed
        if len(own) >= self._max_per_key or len(self._endings) >= self._max_in_all:
            first_ending_ms = self._endings[0][0]
            raise NonceMemoryFull(retry_after_ms=first_ending_ms - now_ms + 1)
        self._used.setdefault(public_key, own).add(nonce)
        heapq.heappush(self._endings, (last_valid_ms, public_key, nonce))

    def _forget_ended(self, now_ms: int) -> None:
        while self._endings and self._endings[0][0] < now_ms:
            _, public_key, nonce = heapq.heappop(self._endings)
            own = self._used[public_key]
            own.remove(nonce)
            if not own:
                del self._used[public_key]
