"""Ways to lose the database under a running exchange, each injected and lifted for real.

A fault lasts from `inject` to `lift`; one that is over at once (a cut connection) may be got over
before anybody notices.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import asyncpg

from exchange.embedded.postmaster import running_postmaster
from tests.reliability.postgres_proxy import Cut, PostgresProxy

TERMINATIONS = 5
TERMINATE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE application_name LIKE 'jingtan%' AND pid <> pg_backend_pid()
"""


class Fault(Protocol):
    """One kind of loss."""

    name: str
    is_noticed: bool
    """Whether commands must be refused meanwhile, and /readyz say so."""
    hold_s: float
    """How long it lasts."""

    async def inject(self) -> None:
        """Lose the database."""

    async def lift(self) -> None:
        """Give it back; nothing to do where the exchange has to bring it back itself."""


class PostmasterEnds:
    """The embedded server's main process gets a signal; its supervisor brings it back."""

    is_noticed = True
    hold_s = 0.0

    def __init__(self, name: str, cluster: Path, number: signal.Signals) -> None:
        self.name = name
        self._cluster = cluster
        self._signal = number

    async def inject(self) -> None:
        """SIGKILL: as if the machine had killed it; SIGQUIT is `stop -m immediate`."""
        pid = running_postmaster(self._cluster)
        assert pid is not None
        os.kill(pid, self._signal)
        while running_postmaster(self._cluster) == pid:
            await asyncio.sleep(0.005)

    async def lift(self) -> None:
        """Return when another server runs."""
        while running_postmaster(self._cluster) is None:
            await asyncio.sleep(0.005)


class Frozen:
    """Every process of the embedded server stands still."""

    name = "SIGSTOP"
    is_noticed = True
    hold_s = 3.5

    def __init__(self, cluster: Path) -> None:
        self._cluster = cluster
        self._stopped: list[int] = []

    async def inject(self) -> None:
        """Stop the server, then its children, so that it starts no other."""
        pid = running_postmaster(self._cluster)
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        self._stopped = [pid, *_children(pid)]
        for process in self._stopped[1:]:
            os.kill(process, signal.SIGSTOP)

    async def lift(self) -> None:
        """Let them go on."""
        for process in reversed(self._stopped):
            os.kill(process, signal.SIGCONT)


class Terminated:
    """The exchange's sessions are ended by an administrator, several times, during commits."""

    name = "pg_terminate_backend"
    is_noticed = False
    hold_s = 0.0

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def inject(self) -> None:
        """End every session of the exchange, again and again."""
        ended = 0
        connection = await asyncpg.connect(self._dsn)
        try:
            for _ in range(TERMINATIONS):
                ended += await connection.fetchval(TERMINATE)
                await asyncio.sleep(0.1)
        finally:
            await connection.close()
        assert ended >= TERMINATIONS

    async def lift(self) -> None:
        """It was over at once."""


class Refused:
    """Every connection is cut, and new ones are refused."""

    name = "connections refused"
    is_noticed = True
    hold_s = 1.5

    def __init__(self, proxy: PostgresProxy) -> None:
        self._proxy = proxy

    async def inject(self) -> None:
        """Cut the network."""
        await self._proxy.refuse()

    async def lift(self) -> None:
        """Mend it."""
        await self._proxy.start()


class LostReply:
    """The connection of one append is lost, on its way there or on its way back."""

    is_noticed = False
    hold_s = 0.0

    def __init__(self, proxy: PostgresProxy, cut: Cut) -> None:
        self.name = str(cut)
        self._proxy = proxy
        self._cut = cut

    async def inject(self) -> None:
        """Return when it has happened."""
        await self._proxy.arm(self._cut)

    async def lift(self) -> None:
        """It was over at once."""


@asynccontextmanager
async def injected(fault: Fault, count: Callable[[str], None]) -> AsyncIterator[None]:
    """The fault is there within the block."""
    await fault.inject()
    count(fault.name)
    try:
        yield
    finally:
        await fault.lift()


def _children(pid: int) -> list[int]:
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listing.read_text().split()]
