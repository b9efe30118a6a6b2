"""DvP instructions and their states: one instruction per trade, states only ever added.

State table: docs/settlement.md.  With the embedded registry `due` and the final state become
visible in the same commit.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.events import TradeExecuted, UnitDepositRequested
from settlement.movements import Movement


class InstructionState(StrEnum):
    """States of an instruction; posted and failed are final."""

    DUE = "due"
    RESERVED = "reserved"
    POSTED = "posted"
    FAILED = "failed"


_StateRow = tuple[int, InstructionState, str, int | None, int | None]


class Outcome(msgspec.Struct, frozen=True):
    """How a movement ended: posted under these ids, or not, for a reason."""

    movement: Movement
    posting_id: int | None = None
    registry_transfer_id: int | None = None
    refusal: str = ""


_INSTRUCT = text("""
    INSERT INTO settlement.instruction (trade_id, seq, trading_day, timestamp_ns, instrument_id,
        series_id, price_ticks, quantity, value_fen, buyer_id, seller_id, buyer_fee_fen,
        seller_fee_fen)
    SELECT * FROM unnest(CAST(:trade_ids AS bigint[]), CAST(:seqs AS bigint[]),
        CAST(:days AS integer[]), CAST(:times AS bigint[]), CAST(:instruments AS text[]),
        CAST(:series AS text[]), CAST(:prices AS bigint[]), CAST(:quantities AS bigint[]),
        CAST(:values AS bigint[]), CAST(:buyers AS text[]), CAST(:sellers AS text[]),
        CAST(:buyer_fees AS bigint[]), CAST(:seller_fees AS bigint[]))
""")

_STATES = text("""
    INSERT INTO settlement.instruction_state
        (trade_id, state, reason, posting_id, registry_transfer_id)
    SELECT * FROM unnest(CAST(:trade_ids AS bigint[]), CAST(:states AS text[]),
        CAST(:reasons AS text[]), CAST(:postings AS bigint[]), CAST(:transfers AS bigint[]))
""")

_DEPOSITS = text("""
    INSERT INTO settlement.deposit (deposit_id, seq, participant_id, series_id, quantity,
        is_locked, refusal, posting_id, registry_transfer_id)
    SELECT * FROM unnest(CAST(:deposit_ids AS bigint[]), CAST(:seqs AS bigint[]),
        CAST(:participants AS text[]), CAST(:series AS text[]), CAST(:quantities AS bigint[]),
        CAST(:locked AS boolean[]), CAST(:refusals AS text[]), CAST(:postings AS bigint[]),
        CAST(:transfers AS bigint[]))
""")

_UNPOSTED = text("""
    INSERT INTO settlement.unposted (cause, seq, reason)
    SELECT * FROM unnest(CAST(:causes AS text[]), CAST(:seqs AS bigint[]),
        CAST(:reasons AS text[]))
""")


async def instruct(connection: AsyncConnection, movements: Sequence[Movement]) -> None:
    """Write an instruction, due, for each trade among the movements."""
    trades = [(m, m.event) for m in movements if isinstance(m.event, TradeExecuted)]
    if not trades:
        return
    values = {
        "trade_ids": [trade.trade_id for _, trade in trades],
        "seqs": [movement.seq for movement, _ in trades],
        "days": [trade.trading_day for _, trade in trades],
        "times": [movement.timestamp_ns for movement, _ in trades],
        "instruments": [trade.instrument_id for _, trade in trades],
        "series": [trade.series_id for _, trade in trades],
        "prices": [trade.price_ticks for _, trade in trades],
        "quantities": [trade.quantity for _, trade in trades],
        "values": [trade.value_fen for _, trade in trades],
        "buyers": [trade.buyer_id for _, trade in trades],
        "sellers": [trade.seller_id for _, trade in trades],
        "buyer_fees": [trade.buyer_fee_fen for _, trade in trades],
        "seller_fees": [trade.seller_fee_fen for _, trade in trades],
    }
    await connection.execute(_INSTRUCT, values)
    due = [(trade.trade_id, InstructionState.DUE, "", None, None) for _, trade in trades]
    await _add_states(connection, due)


async def conclude(connection: AsyncConnection, outcomes: Sequence[Outcome]) -> None:
    """Write how each movement ended: instruction states, deposits, and what stayed unposted."""
    trades: list[_StateRow] = []
    deposits: list[tuple[Outcome, UnitDepositRequested]] = []
    unposted: list[Outcome] = []
    for outcome in outcomes:
        event = outcome.movement.event
        if isinstance(event, TradeExecuted):
            state = InstructionState.FAILED if outcome.refusal else InstructionState.POSTED
            ids = (outcome.posting_id, outcome.registry_transfer_id)
            trades.append((event.trade_id, state, outcome.refusal, *ids))
        elif isinstance(event, UnitDepositRequested):
            deposits.append((outcome, event))
        elif outcome.refusal:
            unposted.append(outcome)
    await _add_states(connection, trades)
    await _add_deposits(connection, deposits)
    await _add_unposted(connection, unposted)


async def _add_states(connection: AsyncConnection, rows: Sequence[_StateRow]) -> None:
    if not rows:
        return
    names = ("trade_ids", "states", "reasons", "postings", "transfers")
    await connection.execute(
        _STATES, dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    )


async def _add_deposits(
    connection: AsyncConnection, deposits: Sequence[tuple[Outcome, UnitDepositRequested]]
) -> None:
    if not deposits:
        return
    values = {
        "deposit_ids": [request.deposit_id for _, request in deposits],
        "seqs": [outcome.movement.seq for outcome, _ in deposits],
        "participants": [request.participant_id for _, request in deposits],
        "series": [request.series_id for _, request in deposits],
        "quantities": [request.quantity for _, request in deposits],
        "locked": [not outcome.refusal for outcome, _ in deposits],
        "refusals": [outcome.refusal for outcome, _ in deposits],
        "postings": [outcome.posting_id for outcome, _ in deposits],
        "transfers": [outcome.registry_transfer_id for outcome, _ in deposits],
    }
    await connection.execute(_DEPOSITS, values)


async def _add_unposted(connection: AsyncConnection, outcomes: Sequence[Outcome]) -> None:
    if not outcomes:
        return
    values = {
        "causes": [outcome.movement.cause for outcome in outcomes],
        "seqs": [outcome.movement.seq for outcome in outcomes],
        "reasons": [outcome.refusal for outcome in outcomes],
    }
    await connection.execute(_UNPOSTED, values)
