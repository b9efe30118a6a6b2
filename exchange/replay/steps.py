"""Recorded rows in steps, each of which one act in the market explains.

A run of executions at one instant on one side is one step: one incoming order met them.  So are
executions of hidden orders inside the run.  Any other row is a step of its own.
"""

from collections.abc import Iterable, Iterator

from exchange.replay.lobster import EXECUTE, HIDDEN, Message, Row

MAX_RUN = 10_000
"""Rows of one run of executions; a longer one is cut."""


def steps(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows in steps, in their order; every row is in one step."""
    step: list[Row] = []
    for row in rows:
        if step and not _continues(step, row.message):
            yield step
            step = []
        step.append(row)
    if step:
        yield step


def _continues(step: list[Row], message: Message) -> bool:
    first = step[0].message
    if first.type != EXECUTE or message.time_ns != first.time_ns or len(step) == MAX_RUN:
        return False
    return message.type == HIDDEN or (message.type == EXECUTE and message.side is first.side)
