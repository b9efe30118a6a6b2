"""Answers to a participant about its own orders, fills and account, and about sessions."""

from typing import Literal

from api.outputs.base import Currency, Day, Instant, Money, Number, Output, Tonnes
from api.outputs.market import PublicTrade
from engine.codes import CancelReason, OrderStatus, Role, Side, TimeInForce


class IssuedSession(Output):
    """A new session; the token is shown once."""

    token: str
    token_type: Literal["Bearer"]
    person_id: str
    role: Role | None
    participant_id: str | None
    expires_at: Instant


class Me(Output):
    """Who is calling."""

    person_id: str
    role: Role
    participant_id: str | None


class Execution(Output):
    """What an order traded at once."""

    trade_id: Number
    price: Money
    quantity: Number
    value: Money
    fee: Money


class EnteredOrder(Output):
    """The answer to an order entry; duplicate if the same request was answered before."""

    order_id: Number
    client_order_id: str
    instrument_id: str
    side: Side
    price: Money
    quantity: Number
    time_in_force: TimeInForce
    status: OrderStatus
    reason: CancelReason | None
    cumulative_quantity: Tonnes
    leaves_quantity: Tonnes
    trades: list[Execution]
    entered_at: Instant
    duplicate: bool


class AmendedOrder(Output):
    """The answer to an amendment; nulls if the order ended by it."""

    order_id: Number
    price: Money | None
    quantity: Number | None
    version: Number | None
    priority_kept: bool
    leaves_quantity: Tonnes
    is_open: bool
    reason: CancelReason | None
    trades: list[Execution]
    amended_at: Instant
    duplicate: bool


class CanceledOrder(Output):
    """The answer to a cancellation."""

    order_id: Number
    status: Literal["CANCELED"]
    reason: Literal["REQUESTED"]
    canceled_quantity: Number
    canceled_at: Instant
    duplicate: bool


class Order(Output):
    """An order as its participant and the regulator see it."""

    order_id: Number
    participant_id: str
    client_order_id: str
    instrument_id: str
    side: Side
    price: Money
    quantity: Number
    time_in_force: TimeInForce
    status: OrderStatus
    reason: CancelReason | None
    leaves_quantity: Tonnes
    cumulative_quantity: Tonnes
    cumulative_value: Money
    fee: Money
    version: Number
    trading_day: Day
    entered_at: Instant
    updated_at: Instant


class RejectedOrder(Output):
    """An order that was not accepted; reason is a code of GET /v1/reasons."""

    order_id: None
    participant_id: str
    client_order_id: str
    instrument_id: str
    status: Literal["REJECTED"]
    reason: str
    entered_at: Instant


class Orders(Output):
    """Orders, newest first; next is the cursor of the following page."""

    orders: list[Order]
    next: Number | None


class Fill(PublicTrade):
    """One side of a trade, for the participant whose side it is."""

    side: Side
    order_id: Number
    fee: Money


class Fills(Output):
    """Fills, newest first; next is the cursor of the following page."""

    fills: list[Fill]
    next: Number | None


class Cash(Output):
    """Money of a participant; total = available + held."""

    currency: Currency
    total: Money
    available: Money
    held: Money
    withdrawable: Money


class Units(Output):
    """Units of one series; total = available + held + frozen; sellable is part of available."""

    series_id: str
    total: Tonnes
    available: Tonnes
    held: Tonnes
    frozen: Tonnes
    sellable: Tonnes


class Account(Output):
    """A participant's trading account."""

    participant_id: str
    cash: Cash
    units: list[Units]


class SupervisedTrade(PublicTrade):
    """A trade with both sides, for the regulator."""

    buy_order_id: Number
    sell_order_id: Number
    buyer_id: str
    seller_id: str
    buyer_fee: Money
    seller_fee: Money


class SupervisedTrades(Output):
    """Trades with both sides, newest first; next is the cursor of the following page."""

    trades: list[SupervisedTrade]
    next: Number | None
