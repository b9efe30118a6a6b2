"""Clients of the application in process: requests by one person, and one stream connection."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Self
from uuid import uuid4

import httpx
from fastapi import FastAPI

Json = dict[str, Any]
PATIENCE_SECONDS = 5.0


class Caller:
    """Somebody who sends requests: with a session token, or as a stranger."""

    def __init__(self, http: httpx.AsyncClient, token: str = "", person_id: str = "") -> None:
        self.http = http
        self.token = token
        self.person_id = person_id

    async def send(
        self, method: str, path: str, body: Any = None, *, key: str = "", **how: Any
    ) -> httpx.Response:
        """One request; `body` goes as JSON, `content` as it is."""
        headers = dict(how.pop("headers", {}))
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if key:
            headers["Idempotency-Key"] = key
        if body is not None:
            how["json"] = body
        return await self.http.request(method, path, headers=headers, **how)

    async def get(self, path: str, **query: Any) -> Json:
        return answer(await self.send("GET", path, params=query))

    async def post(self, path: str, body: Any = None, *, key: str = "") -> Json:
        return answer(await self.send("POST", path, body, key=key or uuid4().hex))

    async def patch(self, path: str, body: Any, *, key: str = "") -> Json:
        return answer(await self.send("PATCH", path, body, key=key))

    async def delete(self, path: str, *, key: str = "") -> Json:
        return answer(await self.send("DELETE", path, key=key))

    async def refused(self, method: str, path: str, body: Any = None, **how: Any) -> Json:
        """The problem that the request met."""
        response = await self.send(method, path, body, **how)
        assert response.is_error, response.text
        return problem(response)


def answer(response: httpx.Response) -> Json:
    assert response.is_success, f"{response.status_code} {response.text}"
    found: Json = response.json() if response.content else {}
    return found


def problem(response: httpx.Response) -> Json:
    """The body of an error, whose outer form is the same for every error."""
    found: Json = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert found["status"] == response.status_code, found
    assert found["type"] == f"urn:jingtan:problem:{found['code']}"
    assert found["trace_id"] == response.headers["x-request-id"] != ""
    assert set(found["messages"]) == {"en", "zh"}
    for words in found["messages"].values():
        assert words["rule"], found
        assert words["fix"], found
    assert ("retry_after_ms" in found) is found["retryable"]
    return found


class Cut(Exception):
    """The server closed the stream."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class Stream:
    """A stream connection; reads as fast as the server writes unless it is told to stall."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._to_server: asyncio.Queue[Json] = asyncio.Queue()
        self._frames: asyncio.Queue[Json] = asyncio.Queue()
        self._reading = asyncio.Event()
        self._reading.set()

    async def __aenter__(self) -> Self:
        scope = {
            "type": "websocket",
            "path": "/v1/stream",
            "raw_path": b"/v1/stream",
            "query_string": b"",
            "headers": [],
            "subprotocols": [],
        }
        self._serving = asyncio.ensure_future(
            self._app(scope, self._to_server.get, self._from_server)
        )
        self._to_server.put_nowait({"type": "websocket.connect"})
        assert (await self._next())["type"] == "websocket.accept"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._to_server.put_nowait({"type": "websocket.disconnect", "code": 1000})
        self._reading.set()
        await asyncio.wait_for(self._serving, PATIENCE_SECONDS)

    def stall(self) -> None:
        """Read nothing from here on, like a client whose machine is stuck."""
        self._reading.clear()

    def recover(self) -> None:
        """Read again."""
        self._reading.set()

    def say(self, frame: Mapping[str, Any] | str | bytes) -> None:
        kind = "bytes" if isinstance(frame, bytes) else "text"
        content = json.dumps(frame) if isinstance(frame, Mapping) else frame
        self._to_server.put_nowait({"type": "websocket.receive", kind: content})

    async def ask(self, frame: Mapping[str, Any] | str | bytes) -> Json:
        self.say(frame)
        return await self.next()

    async def subscribe(self, channel: str, instrument_id: str = "") -> Json:
        """The snapshot of a channel."""
        frame = {"op": "subscribe", "channel": channel, "instrument_id": instrument_id}
        return await self.ask(frame)

    async def log_in(self, caller: Caller) -> None:
        said = await self.ask({"op": "auth", "token": caller.token})
        assert said == {"op": "auth", "person_id": caller.person_id}

    async def next(self) -> Json:
        """The next frame that is no heartbeat; raises Cut when the server has closed."""
        while (frame := await self.next_of_all()).get("channel") == "heartbeat":
            pass
        return frame

    async def next_of_all(self) -> Json:
        """The next frame, heartbeats among them; raises Cut when the server has closed."""
        message = await self._next()
        if message["type"] == "websocket.close":
            raise Cut(message["code"], message["reason"])
        found: Json = json.loads(message["text"])
        return found

    async def until_cut(self) -> Cut:
        """How the server ends it, whatever it says before."""
        while True:
            try:
                await self.next()
            except Cut as cut:
                return cut

    async def _next(self) -> Json:
        return await asyncio.wait_for(self._frames.get(), PATIENCE_SECONDS)

    async def _from_server(self, message: Any) -> None:
        await self._reading.wait()
        self._frames.put_nowait(dict(message))
