"""A program with a machine key of its own: signs what it sends, as docs/signing.md says."""

import itertools
import json
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.identity.signatures import (
    KEY_HEADER,
    NONCE_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    WINDOW_HEADER,
    string_to_sign,
)
from tests.api.client import Json, answer, problem
from tests.api.market_api import MarketApi, now_ms
from tests.api.signing import base64url

_keys = itertools.count(1)
_nonces = itertools.count(1)
Headers = dict[str, str]


class Machine:
    """One key pair and the id under which the exchange knows it."""

    def __init__(self, http: httpx.AsyncClient, key_id: str) -> None:
        self.http = http
        self.key_id = key_id
        self.private = Ed25519PrivateKey.generate()
        raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public_key = raw.hex()

    def signed(
        self,
        method: str,
        target: str,
        body: bytes,
        *,
        age_ms: int = 0,
        nonce: str = "",
        window_ms: int | None = None,
    ) -> Headers:
        """The headers of a request."""
        timestamp_ms = now_ms() - age_ms
        nonce = nonce or f"nonce-{next(_nonces):08d}"
        message = string_to_sign(
            timestamp_ms=timestamp_ms,
            nonce=nonce,
            method=method,
            target=target,
            body=body,
            recv_window_ms=window_ms,
        )
        headers = {
            KEY_HEADER: self.key_id,
            TIMESTAMP_HEADER: str(timestamp_ms),
            NONCE_HEADER: nonce,
            SIGNATURE_HEADER: base64url(self.private.sign(message)),
        }
        return headers if window_ms is None else headers | {WINDOW_HEADER: str(window_ms)}

    async def send(self, method: str, target: str, body: Any = None, **how: Any) -> httpx.Response:
        content = b"" if body is None else json.dumps(body).encode()
        headers = self.signed(method, target, content, **how)
        return await deliver(self.http, method, target, content, headers)

    async def ok(self, method: str, target: str, body: Any = None, **how: Any) -> Json:
        return answer(await self.send(method, target, body, **how))

    async def refused(self, method: str, target: str, body: Any = None, **how: Any) -> Json:
        return problem(await self.send(method, target, body, **how))


async def deliver(
    http: httpx.AsyncClient, method: str, target: str, content: bytes, headers: Headers
) -> httpx.Response:
    """Send exactly these bytes under these headers."""
    typed = headers | ({"Content-Type": "application/json"} if content else {})
    return await http.request(method, target, content=content, headers=typed)


async def machine_of(market: MarketApi, login: str) -> Machine:
    """A fresh key that two operators have issued to a person's programs."""
    machine = Machine(market.stranger.http, f"bot-{next(_keys)}")
    key = {
        "key_id": machine.key_id,
        "person_id": market.people[login],
        "public_key": machine.public_key,
        "label": f"bot of {login}",
    }
    await market.act("/ops/v1/keys", key)
    return machine
