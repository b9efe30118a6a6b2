"""File locks between processes; the kernel frees them when their holder dies."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

POLL_S = 0.02


@asynccontextmanager
async def exclusive(path: Path) -> AsyncIterator[None]:
    """Hold the lock alone; waits for it without blocking the event loop."""
    descriptor = _open(path)
    try:
        while not _try(descriptor, fcntl.LOCK_EX):
            await asyncio.sleep(POLL_S)
        yield
    finally:
        os.close(descriptor)


class SharedLock:
    """A lock that many hold at once; the one who gives it back can see whether it was the last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        return self._descriptor is not None

    def hold(self) -> None:
        """Take the lock. Nobody holds it exclusively for longer than `give_back` takes."""
        if self._descriptor is None:
            self._descriptor = _open(self._path)
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def give_back(self) -> bool:
        """Give the lock back; returns whether nobody else holds it."""
        if self._descriptor is None:
            return False
        is_last = _try(self._descriptor, fcntl.LOCK_EX)
        os.close(self._descriptor)
        self._descriptor = None
        return is_last


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _try(descriptor: int, mode: int) -> bool:
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
