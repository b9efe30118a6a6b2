"""One order in the market and the arithmetic of what it holds.

Quantities: quantity is the order's total (FIX OrderQty), leaves = quantity - cumulative.
"""

import msgspec

from engine.codes import Side, TimeInForce
from engine.rules import fee_on


class Order(msgspec.Struct):
    """An open order; owned by the book it rests in.

    Invariants: 0 <= cumulative_quantity < quantity while open; held_fen covers leaves at the
    order's price with the fee still to come (buy orders; sell orders hold leaves in units).
    """

    order_id: int
    participant_id: str
    group_id: str
    client_order_id: str
    instrument_id: str
    side: Side
    price_ticks: int
    quantity: int
    time_in_force: TimeInForce
    fee_ppm: int
    tick_fen: int
    cumulative_quantity: int = 0
    cumulative_value_fen: int = 0
    charged_fee_fen: int = 0
    held_fen: int = 0
    version: int = 1

    @property
    def leaves_quantity(self) -> int:
        """Tonnes still to trade."""
        return self.quantity - self.cumulative_quantity

    def needed_fen(self, price_ticks: int, leaves_quantity: int) -> int:
        """Cash that buying leaves_quantity at price_ticks may still cost, fee included.

        The fee is the cumulative formula on what the whole order may come to, less what was
        charged, so that no cutting into fills can exceed the hold (fees, conventions rulebook).
        """
        value = leaves_quantity * price_ticks * self.tick_fen
        fee = fee_on(self.cumulative_value_fen + value, self.fee_ppm) - self.charged_fee_fen
        return value + fee

    def record_fill(self, quantity: int, value_fen: int) -> int:
        """Count a fill in; returns its fee in fen."""
        self.cumulative_quantity += quantity
        self.cumulative_value_fen += value_fen
        fee = fee_on(self.cumulative_value_fen, self.fee_ppm) - self.charged_fee_fen
        self.charged_fee_fen += fee
        return fee
