"""Listeners on /v1/stream that keep every frame they were shown.

One listens to a participant's `executions` with a trader's session, one to the public tape of every
instrument. A listener that is cut as too slow comes back and goes on from the new snapshot; any
other end of the connection ends it.
"""

import asyncio
import contextlib

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from api.demo.market import PRODUCTS
from tests.reliability.load import Trader

TOO_SLOW = 4008
OPEN_TIMEOUT_S = 30.0


class Listener:
    """One connection to the stream; `frames` holds what came, undecoded."""

    def __init__(self, port: int, trader: Trader | None) -> None:
        self.participant_id = trader.participant_id if trader is not None else ""
        self.frames: list[bytes] = []
        self._url = f"ws://127.0.0.1:{port}/v1/stream"
        self._token = trader.token if trader is not None else ""
        self._subscribed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return once the first snapshot has come."""
        self._task = asyncio.create_task(self._listen())
        waiting = asyncio.create_task(self._subscribed.wait())
        await asyncio.wait((self._task, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    async def stop(self) -> None:
        """End the connection, if the server has not done so."""
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _listen(self) -> None:
        close_code: int | None = TOO_SLOW
        while close_code == TOO_SLOW:
            try:
                async with connect(
                    self._url, open_timeout=OPEN_TIMEOUT_S, max_size=None, proxy=None
                ) as socket:
                    close_code = await self._read(socket)
            except (OSError, TimeoutError, InvalidHandshake):
                return

    async def _read(self, socket: ClientConnection) -> int | None:
        try:
            for frame in self._hello():
                await socket.send(msgspec.json.encode(frame).decode())
            while True:
                self.frames.append(await socket.recv(decode=False))
                self._subscribed.set()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else None

    def _hello(self) -> list[dict[str, str]]:
        if self._token:
            who = {"op": "auth", "token": self._token}
            return [who, {"op": "subscribe", "channel": "executions"}]
        return [
            {"op": "subscribe", "channel": "trades", "instrument_id": product.instrument_id}
            for product in PRODUCTS
        ]
