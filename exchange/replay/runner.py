"""Runs a whole replay: survey, play, report."""

from pathlib import Path
from time import perf_counter

from engine.faults import InvariantBroken
from exchange.replay.lobster import InputFault, read_rows
from exchange.replay.player import Player
from exchange.replay.report import Disagreement, Kind, ReplayReport
from exchange.replay.scale import PROGRESS_ROWS, Progress, survey
from exchange.replay.steps import steps

INVARIANT_ROWS = 50_000
"""Rows between two checks of the engine's invariants; one more at the end."""


def run(messages: Path, orderbook: Path, *, progress: Progress) -> ReplayReport:
    """Feed a recorded day through the engine and compare its book after every message.

    progress(rows_done, rows_in_all) is called now and then, with 0 rows in all while the files are
    still being measured.  Malformed files give a report with `fault` set; nothing is raised.
    """
    report = ReplayReport(str(messages), str(orderbook))
    started = perf_counter()
    try:
        _play(messages, orderbook, report, progress)
    except InputFault as fault:
        report.fault = str(fault)
    except InvariantBroken as broken:
        row = report.rows
        report.disagree(
            Disagreement(row, Kind.STOPPED, "engine", "goes on", "stopped", str(broken))
        )
    report.seconds = perf_counter() - started
    return report


def _play(messages: Path, orderbook: Path, report: ReplayReport, progress: Progress) -> None:
    found = survey(messages, orderbook, progress)
    player = Player(found, report)
    next_progress = next_check = 0
    for step in steps(read_rows(messages, orderbook)):
        player.play(step)
        if report.rows >= next_progress:
            progress(report.rows, found.rows)
            next_progress += PROGRESS_ROWS
        if report.rows >= next_check:
            player.check_engine()
            next_check += INVARIANT_ROWS
    player.finish()
    progress(report.rows, found.rows)
