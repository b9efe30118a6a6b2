"""A TCP proxy in front of PostgreSQL's socket that loses connections at chosen instants.

It understands as much of the protocol as it needs: the startup message names the role, a reply to
the journal's append is `INSERT 0 n`.  Only the journal writer's connections are cut.

    BEFORE   the append never reaches the server: nothing is committed
    AFTER    the append is committed, its reply never reaches the exchange
    SILENT   as AFTER, but the connection stays open and says nothing more
"""

import asyncio
import contextlib
from enum import StrEnum
from pathlib import Path

from exchange.embedded.layout import SOCKET_NAME

WRITER = b"jingtan_journal_writer"
COMMITTED = b"INSERT 0 "
ORDER = b'"EnterOrder"'
CHUNK = 256 * 1024


class Cut(StrEnum):
    """Where the next append's connection is lost."""

    BEFORE = "cut before COMMIT"
    AFTER = "cut between COMMIT and reply"
    SILENT = "silence between COMMIT and reply"


class PostgresProxy:
    """Forwards to the server with its socket in `sockets`; `arm` makes it lose the next append."""

    def __init__(self, sockets: Path) -> None:
        self._socket_path = str(sockets / SOCKET_NAME)
        self._server: asyncio.Server | None = None
        self._armed: Cut | None = None
        self._done = asyncio.Event()
        self._open: dict[asyncio.StreamWriter, None] = {}
        self.port = 0

    async def start(self) -> None:
        """Take connections; a restart keeps the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Cut every connection and take no new one, until the next start."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def arm(self, cut: Cut) -> None:
        """Return when an append's connection was lost in this way."""
        self._done.clear()
        self._armed = cut
        await self._done.wait()

    async def _serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        server, forth = await asyncio.open_unix_connection(self._socket_path)
        for writer in (back, forth):
            self._open[writer] = None
        startup = await client.read(CHUNK)
        forth.write(startup)
        is_writer = WRITER in startup
        ways = (
            self._forth(client, forth, is_writer=is_writer),
            self._back(server, back, is_writer=is_writer),
        )
        tasks = [asyncio.create_task(way) for way in ways]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in (back, forth):
            writer.transport.abort()
            self._open.pop(writer, None)

    async def _forth(
        self, client: asyncio.StreamReader, forth: asyncio.StreamWriter, *, is_writer: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await client.read(CHUNK):
                if is_writer and self._armed is Cut.BEFORE and ORDER in data:
                    self._cut()
                    return
                forth.write(data)
                await forth.drain()

    async def _back(
        self, server: asyncio.StreamReader, back: asyncio.StreamWriter, *, is_writer: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await server.read(CHUNK):
                if is_writer and self._armed in (Cut.AFTER, Cut.SILENT) and COMMITTED in data:
                    is_silent = self._armed is Cut.SILENT
                    self._cut()
                    if is_silent:
                        await asyncio.Event().wait()
                    return
                back.write(data)
                await back.drain()

    def _cut(self) -> None:
        self._armed = None
        self._done.set()
