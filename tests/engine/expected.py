"""Expected events of the market in tests/market_driver.py, in few words.

CASH and UNITS are what every participant starts with; `cash("A", -50_375)` is A's account
afterwards, written as the differences.
"""

from engine import events as e
from engine.codes import CancelReason, Side, TradeType
from tests.market_driver import INSTRUMENT, parse_order

CASH = 100_000_000_00
UNITS = 100_000
MONDAY = 20240506


def accepted(order_id: int, text: str, instrument: str = INSTRUMENT) -> e.OrderAccepted:
    """The order written as text is in the market."""
    participant, side, quantity, price, time_in_force = parse_order(text)
    return e.OrderAccepted(
        order_id,
        participant,
        f"o{order_id}",
        instrument,
        side,
        price,
        quantity,
        time_in_force,
        7_500,
    )


def amended(order_id: int, terms: str, leaves: int, version: int, *, kept: bool) -> e.OrderAmended:
    """Quantity@price after the amend."""
    quantity, price = terms.split("@")
    return e.OrderAmended(order_id, int(price), int(quantity), leaves, version, kept)


def canceled(order_id: int, leaves: int, reason: CancelReason) -> e.OrderCanceled:
    """What was left of an order is gone."""
    return e.OrderCanceled(order_id, leaves, reason)


def traded(
    trade_id: int,
    terms: str,
    buy: tuple[int, str],
    sell: tuple[int, str],
    aggressor: Side,
    *,
    fees: tuple[int, int] | None = None,
    day: int = MONDAY,
) -> e.TradeExecuted:
    """Quantity@price between two (order id, participant); fees default to 7.5 per mille each."""
    quantity, price = (int(part) for part in terms.split("@"))
    value = quantity * price
    fee = (value * 75 + 5_000) // 10_000
    buyer_fee, seller_fee = fees if fees is not None else (fee, fee)
    return e.TradeExecuted(
        trade_id,
        TradeType.CONTINUOUS,
        day,
        INSTRUMENT,
        INSTRUMENT,
        price,
        quantity,
        value,
        aggressor,
        buy[0],
        sell[0],
        buy[1],
        sell[1],
        buyer_fee,
        seller_fee,
    )


def cash(participant: str, change: int = 0, held: int = 0, locked: int = 0) -> e.CashChanged:
    """CASH + change is there, of it `held` by orders and `locked` proceeds of today."""
    available = CASH + change - held
    return e.CashChanged(participant, available, held, available - locked)


def units(
    participant: str, change: int = 0, held: int = 0, frozen: int = 0, fresh: int = 0
) -> e.UnitsChanged:
    """UNITS + change are there; `fresh` ones were bought today."""
    available = UNITS + change - held - frozen
    return e.UnitsChanged(participant, INSTRUMENT, available, held, frozen, available - fresh)


def rejected(
    order_number: int, text: str, reason: str, field: str, **facts: object
) -> e.OrderRejected:
    """The order written as text was not accepted."""
    participant, *_ = text.split()
    shown = {name: str(value) for name, value in facts.items()}
    return e.OrderRejected(participant, f"o{order_number}", INSTRUMENT, reason, field, shown)


def refused(reason: str, field: str = "", **facts: object) -> e.CommandRefused:
    """Nothing was done."""
    return e.CommandRefused(reason, field, {name: str(value) for name, value in facts.items()})
