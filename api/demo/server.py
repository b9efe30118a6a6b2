"""The demo's server: the real command in a process of its own, with its own database."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from pathlib import Path

from api.demo.client import wait_until_ready
from exchange.embedded import EmbeddedPostgres

START_TIMEOUT_SECONDS = 90.0


class DemoServer:
    """Starts, kills and restarts `jingtan run` on one data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = _free_port()
        self._process: asyncio.subprocess.Process | None = None
        self.base_url = f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start the server and wait until it takes commands."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command("run", "--no-seed", "--no-skip-idle-time", "--port", str(self._port)),
            stdout=asyncio.subprocess.DEVNULL,
            env=os.environ | {"JINGTAN_LOG_LEVEL": "error"},
        )
        await wait_until_ready(self.base_url, START_TIMEOUT_SECONDS)

    async def kill(self) -> None:
        """SIGKILL: no goodbye, no flush."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM: an orderly stop."""
        await self._end(signal.SIGTERM)

    async def verify_journal(self) -> bool:
        """Run the independent verifier on the journal; the server must be stopped or running."""
        process = await asyncio.create_subprocess_exec(
            *self._command("journal", "verify", "--json"),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        return process.returncode == 0 and bool(json.loads(output)["verified"])

    async def destroy(self) -> None:
        """Stop everything and remove the database."""
        await self.stop()
        embedded = EmbeddedPostgres(self._folder / "data")
        await embedded.start()
        await embedded.destroy()

    def _command(self, *arguments: str) -> list[str]:
        folder = str(self._folder / "data")
        return [sys.executable, "-m", "api", *arguments, "--data-dir", folder]

    async def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        await self._process.wait()
        self._process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
