"""One function builds each payload, for REST and streams alike.

Money and prices are decimal strings, quantities integers in tonnes, times RFC 3339 in UTC.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from api.money import cny, price
from engine import events as e
from engine.codes import OrderStatus, Side
from engine.released import Released
from engine.rules import RuleVersion
from exchange.readmodel.model import BookChange
from exchange.readmodel.views import (
    AccountView,
    ActView,
    InstrumentView,
    OrderView,
    ParticipantView,
    TradeView,
)

Payload = dict[str, Any]
NS = 1_000_000_000


def instant(ns: int) -> str:
    """A UTC time as RFC 3339 with microseconds."""
    seconds, rest = divmod(ns, NS)
    stamp = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1_000)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def trading_day(day: int) -> str | None:
    """A trading day as YYYY-MM-DD, None before the first."""
    text = f"{day:08d}"
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if day else None


def instrument(view: InstrumentView) -> Payload:
    """An instrument with its limits, phase and trading today."""
    tick = view.tick_fen
    return {
        "instrument_id": view.instrument_id,
        "series_id": view.series_id,
        "product": view.product,
        "vintage": view.vintage,
        "currency": "CNY",
        "price_tick": cny(tick),
        "phase": view.phase,
        "halt_cause": view.halt_cause,
        "reference_price": price(view.reference_price_ticks, tick),
        "lower_limit": price(view.lower_limit_ticks, tick),
        "upper_limit": price(view.upper_limit_ticks, tick),
        "open": price(view.open_ticks, tick) if view.trade_count else None,
        "high": price(view.high_ticks, tick) if view.trade_count else None,
        "low": price(view.low_ticks, tick) if view.trade_count else None,
        "last": price(view.last_ticks, tick) if view.trade_count else None,
        "volume": view.volume_tonnes,
        "turnover": cny(view.turnover_fen),
        "trade_count": view.trade_count,
    }


def book_levels(levels: list[tuple[int, int]], tick_fen: int) -> list[Payload]:
    """Levels of one side, best first."""
    return [{"price": price(ticks, tick_fen), "quantity": tonnes} for ticks, tonnes in levels]


def book_delta(change: BookChange, tick_fen: int) -> Payload:
    """Levels that changed; quantity 0 removes a level."""
    sides: dict[Side, list[Payload]] = {Side.BUY: [], Side.SELL: []}
    for side, ticks, tonnes in change.levels:
        sides[side].append({"price": price(ticks, tick_fen), "quantity": tonnes})
    return {"bids": sides[Side.BUY], "offers": sides[Side.SELL]}


def public_trade(view: TradeView, tick_fen: int) -> Payload:
    """A trade as the tape shows it: no names."""
    return {
        "trade_id": view.trade_id,
        "trade_type": view.trade_type,
        "instrument_id": view.instrument_id,
        "price": price(view.price_ticks, tick_fen),
        "quantity": view.quantity,
        "value": cny(view.value_fen),
        "aggressor": view.aggressor,
        "trading_day": trading_day(view.trading_day),
        "executed_at": instant(view.executed_ns),
    }


def supervised_trade(view: TradeView, tick_fen: int) -> Payload:
    """A trade with both sides, for the regulator."""
    return public_trade(view, tick_fen) | {
        "buy_order_id": view.buy_order_id,
        "sell_order_id": view.sell_order_id,
        "buyer_id": view.buyer_id,
        "seller_id": view.seller_id,
        "buyer_fee": cny(view.buyer_fee_fen),
        "seller_fee": cny(view.seller_fee_fen),
    }


def fill(view: TradeView, tick_fen: int, side: Side) -> Payload:
    """One side of a trade, for the participant whose side it is."""
    is_buy = side is Side.BUY
    return public_trade(view, tick_fen) | {
        "side": side,
        "order_id": view.buy_order_id if is_buy else view.sell_order_id,
        "fee": cny(view.buyer_fee_fen if is_buy else view.seller_fee_fen),
    }


def order(view: OrderView, tick_fen: int) -> Payload:
    """An order as its participant and the regulator see it."""
    filled = view.cumulative_quantity
    return {
        "order_id": view.order_id,
        "participant_id": view.participant_id,
        "client_order_id": view.client_order_id,
        "instrument_id": view.instrument_id,
        "side": view.side,
        "price": price(view.price_ticks, tick_fen),
        "quantity": view.quantity,
        "time_in_force": view.time_in_force,
        "status": view.status,
        "reason": view.reason,
        "leaves_quantity": view.leaves_quantity,
        "cumulative_quantity": filled,
        "cumulative_value": cny(view.cumulative_value_fen),
        "fee": cny(view.fee_fen),
        "version": view.version,
        "trading_day": trading_day(view.trading_day),
        "entered_at": instant(view.entered_ns),
        "updated_at": instant(view.updated_ns),
    }


def rejected_order(event: e.OrderRejected, at_ns: int) -> Payload:
    """An order that was not accepted."""
    return {
        "order_id": None,
        "participant_id": event.participant_id,
        "client_order_id": event.client_order_id,
        "instrument_id": event.instrument_id,
        "status": OrderStatus.REJECTED,
        "reason": event.reason,
        "entered_at": instant(at_ns),
    }


def step_trades(step: Released, order_id: int, tick_fen: int) -> list[Payload]:
    """The executions of one order inside one released step."""
    return [
        {
            "trade_id": event.trade_id,
            "price": price(event.price_ticks, tick_fen),
            "quantity": event.quantity,
            "value": cny(event.value_fen),
            "fee": cny(
                event.buyer_fee_fen if event.buy_order_id == order_id else event.seller_fee_fen
            ),
        }
        for event in step.events
        if isinstance(event, e.TradeExecuted)
        and order_id in (event.buy_order_id, event.sell_order_id)
    ]


def account(participant_id: str, view: AccountView) -> Payload:
    """Money and units of a participant."""
    cash = view.cash
    return {
        "participant_id": participant_id,
        "cash": {
            "currency": "CNY",
            "total": cny(cash.available_fen + cash.held_fen),
            "available": cny(cash.available_fen),
            "held": cny(cash.held_fen),
            "withdrawable": cny(cash.withdrawable_fen),
        },
        "units": [
            {
                "series_id": series_id,
                "total": units.available + units.held + units.frozen,
                "available": units.available,
                "held": units.held,
                "frozen": units.frozen,
                "sellable": units.sellable,
            }
            for series_id, units in sorted(view.units.items())
        ],
    }


def participant(view: ParticipantView) -> Payload:
    """An admitted participant."""
    return {
        "participant_id": view.participant_id,
        "name": view.name,
        "participant_class": view.participant_class,
        "group_id": view.group_id,
        "annual_allowance": view.annual_allowance_tonnes,
    }


def act(view: ActView) -> Payload:
    """A sensitive act with its signatures."""
    return {
        "act_id": view.act_id,
        "kind": type(view.act).__name__,
        "act": msgspec.to_builtins(view.act),
        "proposer": view.proposer,
        "reason": view.reason,
        "status": view.status,
        "proposed_at": instant(view.proposed_ns),
        "expires_at": instant(view.expires_ns),
        "decided_by": view.decided_by or None,
        "decided_at": instant(view.decided_ns) if view.decided_ns else None,
        "note": view.note,
    }


def rule_version(version: RuleVersion, *, in_effect: bool) -> Payload:
    """A rule version: every number with its source."""
    return {
        "rule_version_id": version.rule_version_id,
        "effective_from": trading_day(version.effective_from_day),
        "in_effect": in_effect,
        "title": version.title,
        "basis": version.basis,
        "parameters": [
            {
                "name": name,
                "value": getattr(version.rules, name),
                "status": version.sources[name].status,
                "basis": version.sources[name].basis,
            }
            for name in type(version.rules).__struct_fields__
        ],
    }
