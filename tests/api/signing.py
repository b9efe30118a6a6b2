"""A machine key that signs requests, and a server that verifies them on a clock the test moves."""

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.identity.nonces import NonceMemory
from api.identity.signatures import (
    KEY_HEADER,
    NONCE_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    WINDOW_HEADER,
    RequestSignature,
    SignatureVerifier,
    string_to_sign,
)

STARTED_MS = 1_767_229_200_000
NOW_MS = STARTED_MS + 3_600_000
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
TARGET = "/v1/orders?a=1"
BODY = b'{"price":"98.50","quantity":100}'


class ManualClockMs:
    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def signed_headers(
    timestamp_ms: int = NOW_MS,
    nonce: str = "nonce-0001",
    window: int | None = None,
    *,
    key: Ed25519PrivateKey = KEY,
) -> dict[str, str]:
    """The headers of POST TARGET with BODY."""
    message = string_to_sign(
        timestamp_ms=timestamp_ms,
        nonce=nonce,
        method="POST",
        target=TARGET,
        body=BODY,
        recv_window_ms=window,
    )
    headers = {
        KEY_HEADER: "key-1",
        TIMESTAMP_HEADER: str(timestamp_ms),
        NONCE_HEADER: nonce,
        SIGNATURE_HEADER: base64url(key.sign(message)),
    }
    return headers if window is None else headers | {WINDOW_HEADER: str(window)}


class Server:
    """A verifier with its clock; `accept` raises what a request would be told."""

    def __init__(
        self,
        clock: ManualClockMs | None = None,
        *,
        started_ms: int = STARTED_MS,
        nonces: NonceMemory | None = None,
    ) -> None:
        self.clock = clock or ManualClockMs()
        self.nonces = NonceMemory() if nonces is None else nonces
        self.verifier = SignatureVerifier(self.clock, started_ms, nonces=self.nonces)

    def accept(
        self,
        headers: dict[str, str],
        *,
        method: str = "POST",
        target: str = TARGET,
        body: bytes = BODY,
        public_key: bytes = PUBLIC,
    ) -> None:
        signed = RequestSignature.from_headers(headers)
        self.verifier.verify(public_key, signed, method, target, body)
