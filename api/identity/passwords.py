"""Passwords: argon2id in bounded threads, and the rules for a new one.

Hashing costs about 100 ms and 64 MiB on purpose, so it never runs on the event loop, at most
`workers` run at once and at most `max_waiting` more wait; beyond that a caller is told to come
back. The bound holds for cancelled callers too: a place is free again when its thread is, not when
its caller left.

A check against nobody's hash does the same work as a check against somebody's, so that the time of
an answer does not tell whether a login exists.
"""

import asyncio
import secrets
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

import argon2
import argon2.profiles
from argon2.exceptions import VerifyMismatchError

from api.identity.errors import PasswordsBusy, PasswordTooWeak

MIN_CHARS = 12
MAX_CHARS = 128
MIN_DISTINCT_CHARS = 5
BUSY_RETRY_AFTER_MS = 1_000

# The words from which most guessed passwords are made, found also behind digits, signs and repeats.
BANNED_WORDS = (
    "1q2w3e4r5t6y", "1qaz2wsx3edc", "abcdefghijkl", "admin", "administrator", "asdfghjkl",
    "beijing", "carbon", "changeme", "exchange", "iloveyou", "jingtan", "letmein", "login",
    "master", "mima", "monkey", "operator", "pass", "passphrase", "password", "passwort",
    "qazwsxedc", "qwerty", "qwertyuiop", "regulator", "root", "secret", "superuser", "tanjiaoyi",
    "test", "trader", "trading", "welcome", "woaini", "zhongguo", "zxcvbnm",
)  # fmt: skip
_LOOKALIKES = str.maketrans("0134578@$!", "oieastbasi")

Result = TypeVar("Result")


class Hasher(Protocol):
    """What is used of argon2.PasswordHasher."""

    def hash(self, password: bytes, /) -> str:
        """A salted hash in PHC form."""

    def verify(self, stored: str, password: bytes, /) -> bool:
        """True, or raises argon2.exceptions.VerifyMismatchError."""

    def check_needs_rehash(self, stored: str, /) -> bool:
        """Whether the hash was made at another cost."""


class Passwords:
    """Hashes and checks passwords off the event loop. Close it to end its threads."""

    def __init__(
        self, hasher: Hasher | None = None, *, workers: int = 2, max_waiting: int = 64
    ) -> None:
        self._hasher = _recommended() if hasher is None else hasher
        self._nobody = self._hasher.hash(secrets.token_bytes())
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._places = threading.BoundedSemaphore(workers + max_waiting)

    async def hash(self, password: str) -> str:
        """The argon2id hash in PHC form. Raises PasswordsBusy."""
        return await self._in_thread(lambda: self._hasher.hash(_canonical(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password is the stored one; None does the same work and is never right.

        Raises PasswordsBusy.
        """
        known = stored is not None
        against = stored if stored is not None else self._nobody
        return await self._in_thread(lambda: self._matches(against, password)) and known

    def is_outdated(self, stored: str) -> bool:
        """Whether a stored hash was made at another cost than today's."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, _canonical(password))
        except VerifyMismatchError:
            return False

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        if not self._places.acquire(blocking=False):
            raise PasswordsBusy(retry_after_ms=BUSY_RETRY_AFTER_MS)
        try:
            future = self._threads.submit(work)
        except RuntimeError:  # closed
            self._places.release()
            raise
        future.add_done_callback(self._free_place)
        return await asyncio.wrap_future(future)

    def _free_place(self, _done: "Future[Result]") -> None:
        self._places.release()


def require_strong(password: str, login: str) -> None:
    """Raises PasswordTooWeak, whose detail says why, for a password nobody should choose."""
    text = unicodedata.normalize("NFKC", password[: MAX_CHARS + 1])
    if not MIN_CHARS <= len(password) <= MAX_CHARS or len(text) < MIN_CHARS:
        raise PasswordTooWeak(
            f"A password has {MIN_CHARS} to {MAX_CHARS} characters.",
            f"密码须为{MIN_CHARS}至{MAX_CHARS}个字符。",
        )
    if len(set(text)) < MIN_DISTINCT_CHARS:
        raise PasswordTooWeak(
            f"A password has at least {MIN_DISTINCT_CHARS} different characters.",
            f"密码至少须有{MIN_DISTINCT_CHARS}个不同字符。",
        )
    folded = text.casefold()
    if not any(char.isalpha() for char in folded):
        raise PasswordTooWeak(
            "A password is not made of digits and signs alone.", "密码不得仅由数字和符号组成。"
        )
    if login in folded:
        raise PasswordTooWeak("A password does not contain the login.", "密码不得包含登录名。")
    if _is_made_of_banned_words(folded):
        raise PasswordTooWeak(
            "This password is one of those that are guessed first.", "该密码属于最先被猜测的一类。"
        )


def new_one_time_password() -> str:
    """Twenty characters with 120 random bits, to be told once and changed at the first login."""
    return secrets.token_urlsafe(15)


def _recommended() -> Hasher:
    """The second recommended setting of RFC 9106 section 4: 64 MiB, 3 passes, 4 lanes."""
    return argon2.PasswordHasher.from_parameters(argon2.profiles.RFC_9106_LOW_MEMORY)


def _canonical(password: str) -> bytes:
    """Equal however it was typed; cut one past the limit, so that length costs nothing more."""
    text = unicodedata.normalize("NFKC", password[: MAX_CHARS + 1])
    return text.encode("utf-8", "surrogatepass")


def _is_made_of_banned_words(folded: str) -> bool:
    core = _without_outer_signs(folded)
    plain = _without_outer_signs(core.translate(_LOOKALIKES))
    candidates = (folded, core, plain)
    return any(not text.replace(word, "") for word in BANNED_WORDS for text in candidates)


def _without_outer_signs(text: str) -> str:
    """The text from its first letter to its last."""
    letters = [index for index, char in enumerate(text) if char.isalpha()]
    return text[letters[0] : letters[-1] + 1] if letters else ""
