"""Signatures of machine requests: who signed exactly these bytes, lately, and for the first time.

The signed string and the headers are in docs/signing.md, with golden vectors. A request is refused
when
    any signed byte differs: timestamp, nonce, method, target, body, and the receive window if one
    is sent;
    it is older than its receive window, or dated a second or more ahead of this server;
    its nonce was used with this public key inside the window;
    it is dated before anything this process could have forgotten. The process before this one
    accepted dates up to a second ahead of its clock, so that nothing dated before `started_ms` plus
    that second is accepted here: a replay across a restart is refused without storing a nonce.

Limits: nonces are remembered, never forgotten early; a full memory refuses (per key and in all).
The time used is the highest the clock has shown: a clock set back reopens no window. Nonces are per
process: several gateways behind one address need either to share them or to pin a key to a gateway.
It does not look up keys, and it knows nothing of scopes.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from api.identity.errors import (
    PublicKeyInvalid,
    SignatureHeaderMalformed,
    SignatureHeaderMissing,
    SignatureInvalid,
    SignedBeforeStart,
    TimestampOutsideWindow,
)
from api.identity.nonces import NonceMemory

KEY_HEADER = "X-Jingtan-Key"
TIMESTAMP_HEADER = "X-Jingtan-Timestamp"
NONCE_HEADER = "X-Jingtan-Nonce"
WINDOW_HEADER = "X-Jingtan-Recv-Window"
SIGNATURE_HEADER = "X-Jingtan-Signature"

DEFAULT_WINDOW_MS = 5_000
MAX_WINDOW_MS = 60_000
MAX_AHEAD_MS = 1_000
SIGNATURE_BYTES = 64
SIGNATURE_CHARS = 86

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_NONCE = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,14}", re.ASCII)
_PUBLIC_KEY = re.compile(r"[0-9a-f]{64}", re.ASCII)
_METHOD = re.compile(r"[A-Z]{1,16}", re.ASCII)
_TARGET = re.compile(r"/[!-~]*", re.ASCII)  # as sent, percent-encoded: no space, no line end

# Encodings of the points of order 1, 2, 4 and 8 (sign bit cleared). Such a "public key" has
# signatures that fit any message, so that its owner could deny every order.
_SMALL_ORDER_POINTS = (
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)


class Verifier(Protocol):
    """One signature scheme; another (SM2) is another implementation of this."""

    def is_signed(self, public_key: bytes, message: bytes, signature: bytes, /) -> bool:
        """Whether the signature is this key's over this message. Raises PublicKeyInvalid."""


class Ed25519Verifier:
    """RFC 8032 by the cryptography library; key objects are kept. About 90 us a signature."""

    def is_signed(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        try:
            _ed25519_key(public_key).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class RequestSignature:
    """The signature headers of one request, in their documented form."""

    key_id: str
    timestamp_ms: int
    nonce: str
    recv_window_ms: int
    has_window: bool
    signature: bytes

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> "RequestSignature":
        """From headers whose look-up ignores case.

        Raises SignatureHeaderMissing or SignatureHeaderMalformed, naming the header.
        """
        window = headers.get(WINDOW_HEADER)
        return cls(
            key_id=_matching(headers, KEY_HEADER, _KEY_ID),
            timestamp_ms=int(_matching(headers, TIMESTAMP_HEADER, _NUMBER)),
            nonce=_matching(headers, NONCE_HEADER, _NONCE),
            recv_window_ms=DEFAULT_WINDOW_MS if window is None else _window_ms(window),
            has_window=window is not None,
            signature=_decoded(_required(headers, SIGNATURE_HEADER)),
        )

    def string_to_sign(self, method: str, target: str, body: bytes) -> bytes:
        return string_to_sign(
            timestamp_ms=self.timestamp_ms,
            nonce=self.nonce,
            method=method,
            target=target,
            body=body,
            recv_window_ms=self.recv_window_ms if self.has_window else None,
        )


class SignatureVerifier:
    """Verifies signed requests; `clock_ms` gives milliseconds since 1970 UTC.

    `started_ms` is that clock read when no earlier process accepts requests any more.
    """

    def __init__(
        self,
        clock_ms: Callable[[], int],
        started_ms: int,
        *,
        verifier: Verifier | None = None,
        nonces: NonceMemory | None = None,
    ) -> None:
        self._clock_ms = clock_ms
        self._highest_ms = started_ms
        self._earliest_ms = started_ms + MAX_AHEAD_MS
        self._verifier = Ed25519Verifier() if verifier is None else verifier
        self._nonces = NonceMemory() if nonces is None else nonces

    def verify(
        self, public_key: bytes, signed: RequestSignature, method: str, target: str, body: bytes
    ) -> None:
        """Returns for a request signed by this key, fresh and new; once.

        `target` is path?query as sent. Raises TimestampOutsideWindow, SignedBeforeStart,
        SignatureInvalid, NonceReplayed or NonceMemoryFull. A nonce counts as used only under a
        right signature.
        """
        now_ms = self._now_ms()
        self._require_fresh(signed, now_ms)
        message = signed.string_to_sign(method, target, body)
        if not self._verifier.is_signed(public_key, message, signed.signature):
            raise SignatureInvalid
        last_valid_ms = signed.timestamp_ms + signed.recv_window_ms
        self._nonces.use(public_key, signed.nonce, last_valid_ms, now_ms)

    def _require_fresh(self, signed: RequestSignature, now_ms: int) -> None:
        age_ms = now_ms - signed.timestamp_ms
        if age_ms > signed.recv_window_ms:
            raise TimestampOutsideWindow(
                f"The request is {age_ms} ms old, its window is {signed.recv_window_ms} ms.",
                f"请求已有 {age_ms} 毫秒，接收窗口为 {signed.recv_window_ms} 毫秒。",
            )
        if age_ms <= -MAX_AHEAD_MS:
            raise TimestampOutsideWindow(
                f"The request is dated {-age_ms} ms in the future.",
                f"请求时间超前 {-age_ms} 毫秒。",
            )
        if signed.timestamp_ms < self._earliest_ms:
            raise SignedBeforeStart(retry_after_ms=max(1, self._earliest_ms - now_ms))

    def _now_ms(self) -> int:
        self._highest_ms = max(self._highest_ms, self._clock_ms())
        return self._highest_ms


def string_to_sign(
    *,
    timestamp_ms: int,
    nonce: str,
    method: str,
    target: str,
    body: bytes,
    recv_window_ms: int | None = None,
) -> bytes:
    """The lines that are signed, joined by line feeds; the last one only if the window is sent.

    Raises SignatureInvalid for a method or target that could not have been signed.
    """
    if _METHOD.fullmatch(method) is None or _TARGET.fullmatch(target) is None:
        raise SignatureInvalid
    lines = [str(timestamp_ms), nonce, method, target, hashlib.sha256(body).hexdigest()]
    if recv_window_ms is not None:
        lines.append(str(recv_window_ms))
    return "\n".join(lines).encode("ascii")


def request_target(raw_path: bytes, query_string: bytes) -> str:
    """path?query exactly as received, from ASGI's `raw_path` and `query_string`."""
    raw = raw_path + b"?" + query_string if query_string else raw_path
    return raw.decode("latin-1")  # what is not ASCII is refused by string_to_sign


def parse_public_key(text: str) -> bytes:
    """The 32 bytes of an Ed25519 public key from 64 lower-case hex digits, fit to be registered.

    Raises PublicKeyInvalid for another spelling and for points of small order.
    """
    if _PUBLIC_KEY.fullmatch(text) is None:
        raise PublicKeyInvalid
    public_key = bytes.fromhex(text)
    without_sign = public_key[:-1] + bytes([public_key[-1] & 0x7F])
    if without_sign.hex() in _SMALL_ORDER_POINTS:
        raise PublicKeyInvalid
    return public_key


@lru_cache(maxsize=4_096)
def _ed25519_key(public_key: bytes) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(public_key)
    except ValueError:
        raise PublicKeyInvalid from None


def _required(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if value is None:
        raise SignatureHeaderMissing(f"Header {name} is missing.", f"缺少请求头 {name}。")
    return value


def _matching(headers: Mapping[str, str], name: str, form: re.Pattern[str]) -> str:
    value = _required(headers, name)
    if form.fullmatch(value) is None:
        raise SignatureHeaderMalformed(
            f"Header {name} is not in its documented form.", f"请求头 {name} 格式不正确。"
        )
    return value


def _window_ms(text: str) -> int:
    if _NUMBER.fullmatch(text) is None or int(text) > MAX_WINDOW_MS:
        raise SignatureHeaderMalformed(
            f"Header {WINDOW_HEADER} is 1 to {MAX_WINDOW_MS}.",
            f"请求头 {WINDOW_HEADER} 须为 1 至 {MAX_WINDOW_MS}。",
        )
    return int(text)


def _decoded(text: str) -> bytes:
    signature = _strict_base64url(text)
    if signature is None or len(signature) != SIGNATURE_BYTES:
        raise SignatureHeaderMalformed(
            f"Header {SIGNATURE_HEADER} is 86 base64url characters.",
            f"请求头 {SIGNATURE_HEADER} 须为86个 base64url 字符。",
        )
    return signature


def _strict_base64url(text: str) -> bytes | None:
    """Only the one spelling that encoding gives: no padding, no spare bits, nothing foreign."""
    if len(text) > SIGNATURE_CHARS or not text.isascii():
        return None
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    canonical = base64.urlsafe_b64encode(decoded).rstrip(b"=").decode("ascii")
    return decoded if canonical == text else None
