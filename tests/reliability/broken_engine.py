"""The real command with a planted bug: one order, by its client id, breaks the engine.

    python -m tests.reliability.broken_engine run --data-dir D --port P

JINGTAN_PLANTED says how: `raise` fails half way through a sound order, `corrupt` takes the money
away that a resting order holds, so that the engine's own check finds the contradiction.
"""

import os
from typing import Any

from api.cli import main
from engine import engine as core
from engine.codes import Side
from engine.commands import EnterOrder
from engine.step import Step
from engine.trading import enter_order

POISON = "poisoned-order"
PLANTED = "JINGTAN_PLANTED"
RAISE, CORRUPT = "raise", "corrupt"


def planted(step: Step, command: Any) -> None:
    """Enter the order as the engine does, unless it is the poisoned one."""
    if command.client_order_id != POISON:
        enter_order(step, command)
    elif os.environ[PLANTED] == CORRUPT:
        book = step.market.books[command.instrument_id]
        resting = book.first_match(Side.SELL, command.price_ticks)
        assert resting is not None, "the poisoned order must cross a resting one"
        resting.held_fen = 0
        enter_order(step, command)
    else:
        enter_order(step, command)
        raise ZeroDivisionError("planted")


if __name__ == "__main__":
    core._HANDLERS[EnterOrder] = planted
    main()
