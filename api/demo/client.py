"""A small asynchronous client of the public API, as a member's program would write it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Self
from uuid import uuid4

import httpx

Json = dict[str, Any]

TIMEOUT_SECONDS = 30.0
RETRY_SECONDS = 0.2
POLL_SECONDS = 0.05


class Refusal(Exception):
    """The exchange answered with a problem."""

    def __init__(self, status: int, problem: Json) -> None:
        super().__init__(f"{problem.get('code')}: {problem.get('detail')}")
        self.status = status
        self.problem = problem
        self.code = str(problem.get("code"))


class Client:
    """One person's session."""

    def __init__(self, base_url: str) -> None:
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        self._http = httpx.AsyncClient(
            base_url=base_url, timeout=TIMEOUT_SECONDS, limits=limits, trust_env=False
        )
        self.token = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def login(self, login: str, password: str) -> Json:
        """Open a session; later requests carry its token."""
        session = await self.post("/v1/sessions", {"login": login, "password": password})
        self.token = session["token"]
        return session

    async def get(self, path: str, **query: Any) -> Json:
        """Read."""
        return await self._send("GET", path, params=query)

    async def post(self, path: str, body: Json | None = None, key: str | None = None) -> Json:
        """Write; the same key takes effect once."""
        headers = {"Idempotency-Key": key or uuid4().hex}
        return await self._send("POST", path, json=body, headers=headers)

    def keyed(self, method: str, path: str, body: Json | None) -> Callable[[], Awaitable[Json]]:
        """A request that may be sent again and again: it carries one idempotency key."""
        headers = {"Idempotency-Key": uuid4().hex}

        async def send() -> Json:
            return await self._send(method, path, json=body, headers=headers)

        return send

    async def _send(self, method: str, path: str, **how: Any) -> Json:
        headers = dict(how.pop("headers", {}))
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        reply = await self._http.request(method, path, headers=headers, **how)
        content: Json = reply.json() if reply.content else {}
        if reply.is_error:
            raise Refusal(reply.status_code, content)
        return content


class TwoPeople:
    """Two operators, so that sensitive acts get both of their signatures."""

    def __init__(self, proposer: Client, approver: Client) -> None:
        self.proposer = proposer
        self.approver = approver

    async def act(self, path: str, body: Json, key: str | None = None) -> Json:
        """Propose by one, approve by the other; with a key, repeating it changes nothing."""
        name = key or uuid4().hex
        proposal = await self.proposer.post(path, body | {"reason": "demo"}, f"{name}-p")
        act_id = proposal["act_id"]
        return await self.approver.post(f"/ops/v1/acts/{act_id}/approval", {}, f"{name}-a")


async def wait_until_ready(base_url: str, timeout_seconds: float = 60.0) -> None:
    """Return once the server takes commands."""
    async with asyncio.timeout(timeout_seconds):
        async with Client(base_url) as client:
            while True:
                try:
                    await client.get("/readyz")
                except (httpx.TransportError, Refusal):
                    await asyncio.sleep(POLL_SECONDS)
                else:
                    return
