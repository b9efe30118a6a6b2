"""One stream client's side of things: the frames that wait for it, and how it is cut.

A client that does not read must cost nothing: at most MAX_QUEUED frames or MAX_QUEUED_BYTES wait
for it (one frame may always wait, whatever its size).  Beyond that it is closed.  A close code
reaches a client that reads within CLOSE_SECONDS; the connection of one that does not is dropped.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import structlog
from fastapi import WebSocket, WebSocketDisconnect

MAX_QUEUED = 1_000
MAX_QUEUED_BYTES = 8 * 1024 * 1024
CLOSE_SECONDS = 5.0

FAILED = 1011
RESTART = 1012
TRY_LATER = 1013
NOT_AUTHENTICATED = 4001
ACCESS_LOST = 4003
TOO_SLOW = 4008
REASONS = {
    FAILED: "INTERNAL",
    RESTART: "RESTART",
    TRY_LATER: "TRY_LATER",
    NOT_AUTHENTICATED: "NOT_AUTHENTICATED",
    ACCESS_LOST: "ACCESS_LOST",
    TOO_SLOW: "TOO_SLOW",
}
"""Close code -> the reason that goes with it."""

log = structlog.get_logger()

Topic = tuple[str, str]
"""Channel, and the instrument or participant it is about."""


class Connection:
    """One client: who it is, its subscriptions, and the frames that wait for it."""

    def __init__(self, socket: WebSocket) -> None:
        self.topics: dict[Topic, None] = {}
        self.token = ""
        self.person_id = ""
        self.close_code = 0
        self._socket = socket
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._ready = asyncio.Event()
        self._closing = asyncio.Event()

    def send(self, frame: bytes) -> None:
        """Queue a frame; a client that falls behind is cut."""
        is_full = len(self._queue) >= MAX_QUEUED or (
            self._queue and self._queued_bytes + len(frame) > MAX_QUEUED_BYTES
        )
        if is_full:
            self.close(TOO_SLOW)
        if not self.close_code:
            self._queue.append(frame)
            self._queued_bytes += len(frame)
            self._ready.set()

    def close(self, code: int) -> None:
        """End the connection with this code, unless it is ending already."""
        self.close_code = self.close_code or code
        self._closing.set()

    async def run(self, on_text: Callable[[str], None], on_binary: Callable[[], None]) -> None:
        """Read and write until either side ends the connection; then nothing of it is left."""
        work = (self._read(on_text, on_binary), self._write(), self._closing.wait())
        tasks = [asyncio.ensure_future(part) for part in work]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(ended, Exception):
                    log.error("stream_failed", person_id=self.person_id, exc_info=ended)
                    self.close(FAILED)
            if self.close_code:
                await self._close()

    async def _read(self, on_text: Callable[[str], None], on_binary: Callable[[], None]) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is None:
                on_binary()
            else:
                on_text(text)

    async def _write(self) -> None:
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._queue:
                frame = self._queue.popleft()
                self._queued_bytes -= len(frame)
                try:
                    await self._socket.send_text(frame.decode())
                except WebSocketDisconnect:
                    return

    async def _close(self) -> None:
        """Say why, if the client is still there and takes it."""
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._socket.close(self.close_code, REASONS[self.close_code])
