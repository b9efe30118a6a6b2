"""Which entries a movement gives: pure double entry.

Amounts are signed: credit +, debit -; money in fen, units in tonnes.  Every posting sums to zero
per asset.  A participant's balance is what the venue holds for it; an external account mirrors
the world outside (the clients' money at the bank, the units under lock at the registry) and so
is never above zero.  Clients' money and the venue's fees are accounts of their own.

    trade        buyer cash -(value + fee)   seller cash +(value - fee)   fees:public +both fees
                 seller units -quantity      buyer units +quantity
    cash in      bank:clients -amount        participant cash +amount     (out: the other way)
    units in     registry:<series> -quantity participant units +quantity  (out: the other way)
"""

from typing import NamedTuple

import msgspec

from engine.events import (
    CashCredited,
    CashWithdrawn,
    TradeExecuted,
    UnitDepositRequested,
)
from settlement.movements import Movement

CASH = "cash"
_UNITS_PREFIX = "units:"


class AccountKey(NamedTuple):
    """An account by its nature: kind is participant, house or external."""

    kind: str
    owner: str
    asset: str


Entry = tuple[AccountKey, int]

PUBLIC_FEES = AccountKey("house", "fees:public", CASH)
CLIENTS_BANK = AccountKey("external", "bank:clients", CASH)


class Posting(msgspec.Struct, frozen=True):
    """Entries that become final together, under the name of their cause."""

    cause: str
    kind: str
    seq: int
    trading_day: int
    timestamp_ns: int
    entries: tuple[Entry, ...]


def units_asset(series_id: str) -> str:
    """The asset of a series' units."""
    return f"{_UNITS_PREFIX}{series_id}"


def series_of(asset: str) -> str:
    """The series of a unit asset; '' for cash."""
    return asset.removeprefix(_UNITS_PREFIX) if asset != CASH else ""


def cash_account(participant_id: str) -> AccountKey:
    """A participant's money."""
    return AccountKey("participant", participant_id, CASH)


def units_account(participant_id: str, series_id: str) -> AccountKey:
    """A participant's units of a series."""
    return AccountKey("participant", participant_id, units_asset(series_id))


def registry_account(series_id: str) -> AccountKey:
    """The registry, as far as it holds units of a series under the exchange's lock."""
    return AccountKey("external", f"registry:{series_id}", units_asset(series_id))


def posting_of(movement: Movement) -> Posting:
    """The posting of a movement."""
    event = movement.event
    match event:
        case TradeExecuted():
            kind, entries = "trade", trade_entries(event)
        case CashCredited():
            client = cash_account(event.participant_id)
            kind, entries = "cash_in", _move(CLIENTS_BANK, client, event.cash_fen)
        case CashWithdrawn():
            client = cash_account(event.participant_id)
            kind, entries = "cash_out", _move(client, CLIENTS_BANK, event.cash_fen)
        case _:
            registry = registry_account(event.series_id)
            client = units_account(event.participant_id, event.series_id)
            if isinstance(event, UnitDepositRequested):
                kind, entries = "units_in", _move(registry, client, event.quantity)
            else:
                kind, entries = "units_out", _move(client, registry, event.quantity)
    return Posting(
        movement.cause,
        kind,
        movement.seq,
        movement.trading_day,
        movement.timestamp_ns,
        entries,
    )


def trade_entries(trade: TradeExecuted) -> tuple[Entry, ...]:
    """Both legs and the fees of a trade, without entries of zero."""
    fees_fen = trade.buyer_fee_fen + trade.seller_fee_fen
    entries = (
        (cash_account(trade.buyer_id), -(trade.value_fen + trade.buyer_fee_fen)),
        (cash_account(trade.seller_id), trade.value_fen - trade.seller_fee_fen),
        (PUBLIC_FEES, fees_fen),
        (units_account(trade.seller_id, trade.series_id), -trade.quantity),
        (units_account(trade.buyer_id, trade.series_id), trade.quantity),
    )
    return tuple(entry for entry in entries if entry[1])


def _move(giver: AccountKey, receiver: AccountKey, amount: int) -> tuple[Entry, ...]:
    return ((giver, -amount), (receiver, amount))
