"""Login throttling: free attempts that refill with time, then delays that double up to a limit.

Every attempt is charged before its password is checked, to the login and to the address, and given
back when it succeeds: a thousand attempts in parallel are a thousand attempts. An attempt inside a
delay is refused unchecked and does not prolong it, and the delay never passes `longest_delay_ms`,
so nobody is locked out for ever. An address from which a login has succeeded keeps a bucket of its
own for it: strangers who guess at a login do not delay its owner.

Buckets are kept in memory only; a restart forgets them. Their number is bounded: a full table
refuses new ones, which cannot happen before the hashing threads are the narrower gate (they pass
some 20 attempts a second, and a bucket is empty again after minutes).
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from api.identity.errors import LoginThrottled
from api.identity.tables import Clock

BucketKey = tuple[str, str]  # login or "", address group or ""
NS_PER_MS = 1_000_000
FULL_RETRY_AFTER_MS = 10_000
MAX_BUCKETS = 65_536
MAX_TRUSTED_PAIRS = 65_536
MAX_DOUBLINGS = 16


@dataclass(frozen=True, slots=True)
class ThrottleRule:
    """`free_attempts` at once, one more each `refill_ms`, then delays doubling from the first."""

    free_attempts: int
    refill_ms: int
    first_delay_ms: int = 1_000
    longest_delay_ms: int = 60_000


PER_LOGIN = ThrottleRule(free_attempts=5, refill_ms=60_000)
PER_ADDRESS = ThrottleRule(free_attempts=32, refill_ms=5_000)


class LoginThrottle:
    """Charges login attempts; `clock` gives nanoseconds."""

    def __init__(
        self,
        clock: Clock,
        *,
        per_login: ThrottleRule = PER_LOGIN,
        per_address: ThrottleRule = PER_ADDRESS,
        max_buckets: int = MAX_BUCKETS,
    ) -> None:
        self._clock = clock
        self._per_login = per_login
        self._per_address = per_address
        self._max_buckets = max_buckets
        self._buckets: dict[BucketKey, _Bucket] = {}
        self._trusted: dict[tuple[str, str], None] = {}

    def charge(self, login: str | None, address: str) -> None:
        """Takes one attempt of each bucket; None is a text that is nobody's login.

        Raises LoginThrottled, charging nothing, when any of the buckets is inside a delay.
        """
        now_ms = self._now_ms()
        keys = list(self._keys(login, address_group(address)))
        waits = [bucket.wait_ms(now_ms) for key, _ in keys if (bucket := self._buckets.get(key))]
        if wait_ms := max(waits, default=0):
            raise LoginThrottled(retry_after_ms=wait_ms)
        for key, rule in keys:
            self._bucket(key, now_ms).charge(rule, now_ms)

    def refund(self, login: str | None, address: str) -> None:
        """Gives an attempt back that was never checked."""
        now_ms = self._now_ms()
        for key, rule in self._keys(login, address_group(address)):
            if bucket := self._buckets.get(key):
                bucket.refund(rule, now_ms)

    def succeed(self, login: str, address: str) -> None:
        """Forgets the failures of the login, gives the address its attempt back and trusts it."""
        self.refund(login, address)
        login_key = next(self._keys(login, address_group(address)))[0]
        self._buckets.pop(login_key, None)
        self.trust(login, address)

    def trust(self, login: str, address: str) -> None:
        """Gives the login a bucket of its own at this address; the oldest pair makes room."""
        pair = (login, address_group(address))
        self._trusted.pop(pair, None)
        self._trusted[pair] = None
        if len(self._trusted) > MAX_TRUSTED_PAIRS:
            del self._trusted[next(iter(self._trusted))]

    def _keys(self, login: str | None, group: str) -> Iterator[tuple[BucketKey, ThrottleRule]]:
        if login is not None:
            is_trusted = (login, group) in self._trusted
            yield (login, group if is_trusted else ""), self._per_login
        yield ("", group), self._per_address

    def _bucket(self, key: BucketKey, now_ms: int) -> "_Bucket":
        bucket = self._buckets.get(key)
        if bucket is None:
            self._make_room(now_ms)
            bucket = self._buckets[key] = _Bucket()
        return bucket

    def _make_room(self, now_ms: int) -> None:
        if len(self._buckets) < self._max_buckets:
            return
        for key in [key for key, bucket in self._buckets.items() if bucket.is_idle(now_ms)]:
            del self._buckets[key]
        if len(self._buckets) >= self._max_buckets:
            raise LoginThrottled(retry_after_ms=FULL_RETRY_AFTER_MS)

    def _now_ms(self) -> int:
        return self._clock() // NS_PER_MS


def address_group(address: str) -> str:
    """Who shares a bucket: one IPv4 address, or the /64 that one IPv6 customer is given."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]  # a socket or a test client without an address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))


class _Bucket:
    """A token bucket told by one instant: when it will be full again."""

    __slots__ = ("_blocked_until_ms", "_full_at_ms")

    def __init__(self) -> None:
        self._full_at_ms = 0
        self._blocked_until_ms = 0

    def wait_ms(self, now_ms: int) -> int:
        return max(0, self._blocked_until_ms - now_ms)

    def is_idle(self, now_ms: int) -> bool:
        return now_ms >= self._full_at_ms and now_ms >= self._blocked_until_ms

    def charge(self, rule: ThrottleRule, now_ms: int) -> None:
        most = now_ms + (rule.free_attempts + MAX_DOUBLINGS) * rule.refill_ms
        self._full_at_ms = min(most, max(now_ms, self._full_at_ms) + rule.refill_ms)
        self._blocked_until_ms = now_ms + self._delay_ms(rule, now_ms)

    def refund(self, rule: ThrottleRule, now_ms: int) -> None:
        self._full_at_ms = max(now_ms, self._full_at_ms - rule.refill_ms)
        self._blocked_until_ms = min(self._blocked_until_ms, now_ms + self._delay_ms(rule, now_ms))

    def _delay_ms(self, rule: ThrottleRule, now_ms: int) -> int:
        taken = -((now_ms - self._full_at_ms) // rule.refill_ms)  # rounded up
        over = taken - rule.free_attempts
        if over < 0:
            return 0
        return min(rule.longest_delay_ms, rule.first_delay_ms << over)
