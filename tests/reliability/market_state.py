"""What the market says it holds: every order, fill and account, read through the public API.

Money in fen, quantities in tonnes.  Reading goes page by page, so it is done when nothing trades.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.reliability.load import Trader
from tests.reliability.wire import Connection

PAGE = 1_000
FEE_PPM = 7_500
"""public_fee_ppm of the rules that the demo market starts from (engine/beijing.py)."""

OPEN = ("NEW", "PARTIALLY_FILLED")


class OrderState(msgspec.Struct, frozen=True):
    """An order as its participant sees it."""

    order_id: int
    client_order_id: str
    instrument_id: str
    side: str
    price: str
    quantity: int
    time_in_force: str
    status: str
    reason: str | None
    leaves_quantity: int
    cumulative_quantity: int
    cumulative_value: str
    fee: str
    version: int
    entered_at: str

    @property
    def held_fen(self) -> int:
        """Money an open buy order holds: its rest at its price, with the fee still to come."""
        if self.side != "BUY" or self.status not in OPEN:
            return 0
        rest_fen = self.leaves_quantity * fen(self.price)
        whole_fee = _half_up((fen(self.cumulative_value) + rest_fen) * FEE_PPM, 1_000_000)
        return rest_fen + whole_fee - fen(self.fee)


class Fill(msgspec.Struct, frozen=True):
    """One side of a trade as its participant sees it."""

    trade_id: int
    instrument_id: str
    price: str
    quantity: int
    value: str
    side: str
    order_id: int
    fee: str


class OrderPage(msgspec.Struct):
    """A page of GET /v1/orders."""

    orders: list[OrderState]
    next: int | None


class FillPage(msgspec.Struct):
    """A page of GET /v1/fills."""

    fills: list[Fill]
    next: int | None


@dataclass(slots=True)
class Holdings:
    """One participant's orders, fills, money and units."""

    orders: dict[int, OrderState] = field(default_factory=dict)
    fills: dict[int, Fill] = field(default_factory=dict)
    repeated_ids: list[str] = field(default_factory=list)
    cash_fen: int = 0
    held_fen: int = 0
    units: dict[str, int] = field(default_factory=dict)
    held_units: dict[str, int] = field(default_factory=dict)


State = dict[str, Holdings]
"""Every participant's holdings."""


async def read_market(port: int, traders: list[Trader]) -> State:
    """Everything that the traders' participants have."""
    state: State = {}
    for trader in traders:
        async with Connection(port, trader.token) as connection:
            state[trader.participant_id] = await _read_holdings(connection)
    return state


async def breaks_of_the_books(port: int, operator_token: str) -> int:
    """Settle everything, reconcile; the number of breaks."""
    async with Connection(port, operator_token) as connection:
        settled = await connection.request("POST", "/ops/v1/settlement/runs", timeout_s=120.0)
        assert settled.status == 200, settled
        report = await connection.request("POST", "/ops/v1/reconciliations", timeout_s=120.0)
        assert report.status == 201, report
        return int(report.json()["break_count"])


async def _read_holdings(connection: Connection) -> Holdings:
    found = Holdings()
    names: dict[str, int] = {}
    cursor = ""
    while True:
        answer = await connection.request("GET", f"/v1/orders?limit={PAGE}{cursor}")
        page = msgspec.json.decode(answer.body, type=OrderPage)
        for order in page.orders:
            if order.order_id in found.orders or order.client_order_id in names:
                found.repeated_ids.append(order.client_order_id)
            names[order.client_order_id] = order.order_id
            found.orders[order.order_id] = order
        if page.next is None:
            break
        cursor = f"&before_order_id={page.next}"
    await _read_fills(connection, found)
    _take_account(found, await connection.get("/v1/account"))
    return found


async def _read_fills(connection: Connection, found: Holdings) -> None:
    cursor = ""
    while True:
        answer = await connection.request("GET", f"/v1/fills?limit={PAGE}{cursor}")
        page = msgspec.json.decode(answer.body, type=FillPage)
        for fill in page.fills:
            if fill.trade_id in found.fills:
                found.repeated_ids.append(f"trade {fill.trade_id}")
            found.fills[fill.trade_id] = fill
        if page.next is None:
            return
        cursor = f"&before_trade_id={page.next}"


def _take_account(found: Holdings, account: dict[str, Any]) -> None:
    found.cash_fen = fen(account["cash"]["total"])
    found.held_fen = fen(account["cash"]["held"])
    found.units = {row["series_id"]: row["total"] for row in account["units"]}
    found.held_units = {row["series_id"]: row["held"] for row in account["units"]}


def fen(money: str) -> int:
    """A decimal string of CNY with two places."""
    yuan, _, rest = money.partition(".")
    assert len(rest) == 2, money
    return int(yuan + rest)


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
