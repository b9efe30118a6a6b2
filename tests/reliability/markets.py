"""A seeded market to break: made once by the real command, copied for each test.

The copy holds the demo market open for trading, with open sessions of all its traders and staff:
sessions are in the database, so they go on in every copy and after every restart.
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from api.demo.client import Client
from api.demo.market import STAFF
from tests.conftest import DIRECTORY_PREFIX
from tests.reliability.load import Trader, open_sessions
from tests.reliability.server_process import ServerProcess

SEEDED = "Ctrl-C stops it"
"""What `jingtan run` prints when the demo market is complete and open."""


@dataclass(frozen=True, slots=True)
class SeededMarket:
    """A data directory that no server uses, and the tokens of everybody in its market."""

    directory: Path
    traders: list[Trader]
    staff: dict[str, str]


@dataclass(slots=True)
class Market:
    """A copy of the seeded market with its server, which a test starts, kills and restarts."""

    server: ServerProcess
    traders: list[Trader]
    staff: dict[str, str]
    """Token by login."""

    def end(self) -> None:
        """Leave no process and no file."""
        self.server.end()
        shutil.rmtree(self.server.data_dir, ignore_errors=True)


async def seed() -> SeededMarket:
    """Run the real command on an empty directory until its market is open; stop it in order."""
    directory = new_directory()
    server = ServerProcess(directory)
    try:
        server.start()
        await server.wait_ready()
        await server.wait_for_output(SEEDED)
        traders = await open_sessions(server.base_url)
        staff = {person.login: "" for person, _ in STAFF}
        for person, _ in STAFF:
            async with Client(server.base_url) as client:
                await client.login(person.login, person.password)
                staff[person.login] = client.token
        assert await server.stop() == 0, server.stderr()
        assert server.cluster == directory / "cluster", "the copy would share its database"
    finally:
        server.end()
    return SeededMarket(directory, traders, staff)


def copy(seeded: SeededMarket) -> Market:
    """A market of its own, owners and modes of the database's files kept."""
    directory = new_directory()
    subprocess.run(["cp", "-a", f"{seeded.directory}/.", str(directory)], check=True)
    traders = [replace(trader, sellable=dict(trader.sellable)) for trader in seeded.traders]
    return Market(ServerProcess(directory, arguments=["--no-seed"]), traders, dict(seeded.staff))


def new_directory() -> Path:
    """A directory that the database's account may pass, and that a later run sweeps up."""
    directory = Path(tempfile.mkdtemp(prefix=f"{DIRECTORY_PREFIX}{os.getpid()}-"))
    directory.chmod(0o711)
    return directory
