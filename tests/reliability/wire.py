"""HTTP/1.1 by hand: one keep-alive connection, one request at a time, as fast as Python can.

It does only what the exchange's answers need (Content-Length bodies). A connection that ends while
a request is under way raises ConnectionLost: the outcome of that request is unknown.
"""

import asyncio
from typing import Any, NamedTuple, Self

import msgspec

HOST = "127.0.0.1"
HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"


class ConnectionLost(Exception):
    """No answer came; whether the request took effect is not known."""


class Answer(NamedTuple):
    """A status and a body."""

    status: int
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        """The problem's code, '' if the answer is none."""
        found = self.json() if self.status >= 400 else {}
        return str(found.get("code", ""))


class Connection:
    """A connection that opens itself when it is first used, and again after it was lost."""

    def __init__(self, port: int, token: str = "") -> None:
        self._port = port
        authorisation = f"Authorization: Bearer {token}\r\n" if token else ""
        self._headers = f"Host: {HOST}:{port}\r\n{authorisation}".encode()
        self._link: _Link | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        if self._link is not None:
            self._link.transport.abort()
            self._link = None

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str = "",
        timeout_s: float = 30.0,
    ) -> Answer:
        """Send one request; raises ConnectionLost if no whole answer comes in time."""
        content = b"" if body is None else msgspec.json.encode(body)
        idempotency = f"Idempotency-Key: {key}\r\n" if key else ""
        head = (
            f"{method} {path} HTTP/1.1\r\n{idempotency}"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        ).encode()
        try:
            async with asyncio.timeout(timeout_s):
                link = await self._open()
                return await link.ask(head + self._headers + b"\r\n" + content)
        except TimeoutError:
            self.close()
            raise ConnectionLost(f"{method} {path}: no answer in {timeout_s} s") from None
        except OSError as error:
            raise ConnectionLost(str(error)) from error

    async def get(self, path: str) -> Any:
        """Read; anything but a 200 fails."""
        answer = await self.request("GET", path)
        assert answer.status == 200, f"GET {path}: {answer}"
        return answer.json()

    async def _open(self) -> "_Link":
        if self._link is None or self._link.transport.is_closing():
            loop = asyncio.get_running_loop()
            _, self._link = await loop.create_connection(_Link, HOST, self._port)
        return self._link


class _Link(asyncio.Protocol):
    """One TCP connection, from its opening to its end."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._waiter: asyncio.Future[Answer] | None = None

    def ask(self, request: bytes) -> "asyncio.Future[Answer]":
        """Send a request; the future gives the answer or ConnectionLost."""
        self._waiter = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._waiter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Collect the answer; hand it over when it is whole."""
        self._buffer += data
        head_end = self._buffer.find(HEAD_END)
        if head_end < 0:
            return
        head = bytes(self._buffer[:head_end]).lower()
        at = head.find(LENGTH)
        length = int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        end = head_end + len(HEAD_END) + length
        if len(self._buffer) < end:
            return
        answer = Answer(int(head[9:12]), bytes(self._buffer[end - length : end]))
        del self._buffer[:end]
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionLost(str(exc or "closed by the server")))
