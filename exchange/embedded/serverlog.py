"""The server's log file: bounded at each start, and read for the one line that matters."""

from pathlib import Path
from typing import BinaryIO

LIMIT_BYTES = 16 * 1024 * 1024
_TAIL_BYTES = 16 * 1024
_DEADLY = ("FATAL:", "PANIC:")


class ServerLog:
    """One server's log. At most two files of about LIMIT_BYTES are kept from earlier starts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start = 0

    def open_for_server(self) -> BinaryIO:
        """The file to append to; what follows is read by the other methods."""
        if self.path.exists() and self.path.stat().st_size > LIMIT_BYTES:
            self.path.replace(self.path.with_suffix(".log.1"))
        file = self.path.open("ab")
        self._start = file.tell()
        return file

    def failure(self) -> str | None:
        """The server's own reason for ending; without one, its last line."""
        lines = self._lines()
        for line in lines:
            for word in _DEADLY:
                if word in line:
                    return line.partition(word)[2].strip()
        return lines[-1] if lines else None

    def last_line(self) -> str:
        lines = self._lines()
        return lines[-1] if lines else ""

    def _lines(self) -> list[str]:
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(self._start, end - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
        return [line.strip() for line in text.splitlines() if line.strip()]
