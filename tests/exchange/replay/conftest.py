"""Replays a recording from files of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from exchange.replay import ReplayReport, run
from tests.exchange.replay.tape import Recording

Play = Callable[[Recording], ReplayReport]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Writes a recording and replays it."""

    def written_and_played(recording: Recording) -> ReplayReport:
        return run(*recording.write(tmp_path), progress=lambda _done, _total: None)

    return written_and_played
