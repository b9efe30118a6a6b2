"""The real exchange as a process of its own: started by its command, killed and restarted at will.

    python -m api run --data-dir D --port P     or any other launcher with the same arguments

Nothing of the server runs in the test's process; what is known of it is what a client, an operator
or the kernel would see: answers, standard error, the exit code, the files of its database.
"""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from exchange.embedded.postmaster import running_postmaster, serves
from tests.reliability.wire import Connection, ConnectionLost

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "api", "run")
READY_TIMEOUT_S = 60.0
EXIT_TIMEOUT_S = 60.0
POLL_S = 0.01
PORTS = range(20_000, 30_000)
"""Below the ephemeral ports: while the server is down, nobody may connect from its port."""


class ServerProcess:
    """One server on one data directory and one port; at most one life at a time."""

    def __init__(
        self,
        data_dir: Path,
        *,
        arguments: Sequence[str] = (),
        command: Sequence[str] = COMMAND,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.command = tuple(command)
        self.arguments = tuple(arguments)
        self.environment = dict(environment or {})
        self.lives = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._life().pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Spawn the process; returns at once."""
        assert not self.is_running
        self.lives += 1
        place = ("--data-dir", str(self.data_dir), "--port", str(self.port))
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("JINGTAN_")}
        inherited.pop("DATABASE_URL", None)
        self._started_at = time.monotonic()
        with self._log("out").open("wb") as out, self._log("err").open("wb") as err:
            self._process = subprocess.Popen(
                [*self.command, *place, *self.arguments],
                cwd=ROOT,
                env={**inherited, "PYTHONPATH": str(ROOT), **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    async def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> float:
        """Return, once /readyz says so, the seconds since the process was spawned."""
        deadline = time.monotonic() + timeout_s
        while True:
            assert self.is_running, f"the server ended while starting:\n{self.stderr()}"
            assert time.monotonic() < deadline, f"not ready in time:\n{self.stderr()}"
            if await self.readiness() == 200:
                return time.monotonic() - self._started_at
            await asyncio.sleep(POLL_S)

    async def wait_for_output(self, text: str, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Return once the server has printed this."""
        deadline = time.monotonic() + timeout_s
        while text not in self._log("out").read_text():
            assert self.is_running, f"the server ended:\n{self.stderr()}"
            assert time.monotonic() < deadline, f"did not print {text!r} in time"
            await asyncio.sleep(POLL_S)

    async def readiness(self) -> int:
        """The status of /readyz; 0 while nobody answers."""
        try:
            async with Connection(self.port) as connection:
                return (await connection.request("GET", "/readyz", timeout_s=5.0)).status
        except ConnectionLost:
            return 0

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        process = self._life()
        process.send_signal(signal.SIGKILL)
        assert process.wait(EXIT_TIMEOUT_S) == -signal.SIGKILL, "it had ended before the kill"

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; returns the exit code."""
        self._life().send_signal(number)
        return await self.exit_code()

    async def exit_code(self, timeout_s: float = EXIT_TIMEOUT_S) -> int:
        """Wait until the process has ended by itself."""
        process = self._life()
        deadline = time.monotonic() + timeout_s
        while process.poll() is None:
            assert time.monotonic() < deadline, f"does not end:\n{self.stderr()}"
            await asyncio.sleep(POLL_S)
        return process.returncode

    def stderr(self) -> str:
        """What this life has written to standard error."""
        return self._log("err").read_text(errors="replace")

    def last_words(self) -> list[str]:
        """The lines in which the server says why it ends."""
        return [line for line in self.stderr().splitlines() if line.startswith("jingtan: ")]

    def postmaster_pid(self) -> int | None:
        """The embedded database server."""
        return running_postmaster(self.cluster)

    @property
    def cluster(self) -> Path:
        """Where the embedded database is (exchange/embedded/layout.py)."""
        elsewhere = self.data_dir / "cluster.location"
        home = Path(elsewhere.read_text().strip()) if elsewhere.exists() else self.data_dir
        return home / "cluster"

    @property
    def socket_dsn(self) -> str:
        """The embedded database, as its owner reaches it while it runs."""
        return f"postgresql://postgres@/jingtan?host={self.cluster.parent}/run"

    def end(self) -> None:
        """Leave nothing running: neither the server nor its database."""
        if self.is_running:
            self.kill()
        pid = running_postmaster(self.cluster)
        if pid is None:
            return
        os.kill(pid, signal.SIGCONT)
        os.kill(pid, signal.SIGQUIT)
        while serves(pid, self.cluster):
            time.sleep(POLL_S)

    def _life(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "never started"
        return self._process

    def _log(self, stream: str) -> Path:
        return self.data_dir / f"server-{self.lives}.{stream}"


def free_port() -> int:
    """A port that nobody listens on and that no outgoing connection is given."""
    chance = random.SystemRandom()
    while True:
        port = chance.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
