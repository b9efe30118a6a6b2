"""Replays a recorded day of real order flow (LOBSTER) through the engine, and compares."""

from exchange.replay.report import ReplayReport
from exchange.replay.runner import run
from exchange.replay.scale import Progress

__all__ = ["Progress", "ReplayReport", "run"]
