"""What a command led to, in one line, so that rule tables can be read."""

from engine import events as e
from tests.market_driver import Frame


def outcome(events: Frame) -> str:
    """ "2@10000 1@10100 rests 3", "refused MARKET_NOT_OPEN", "cancelled 5 REQUESTED"..."""
    words: list[str] = []
    leaves = 0
    for event in events:
        match event:
            case e.OrderAccepted():
                leaves = event.quantity
            case e.OrderAmended():
                leaves = event.leaves_quantity
            case e.TradeExecuted():
                leaves -= event.quantity
                words.append(f"{event.quantity}@{event.price_ticks}")
            case e.OrderCanceled():
                leaves = 0
                words.append(f"cancelled {event.leaves_quantity} {event.reason}")
            case e.OrderRejected() | e.CommandRefused():
                words.append(f"refused {event.reason}")
            case e.ActFailed():
                words.append(f"failed {event.reason}")
            case _:
                pass
    if leaves:
        words.append(f"rests {leaves}")
    return " ".join(words)
