"""Answers about settlement, reconciliation, the journal and the registry."""

from pydantic import Field

from api.outputs.base import Count, Day, Instant, Money, Number, Output, Tonnes
from settlement.instructions import InstructionState


class HouseCash(Output):
    """Money of one of the venue's own accounts."""

    account: str
    series_id: None
    cash: Money


class HouseUnits(Output):
    """Units of one of the venue's own accounts."""

    account: str
    series_id: str
    units: Tonnes


class SettlementStatus(Output):
    """How far settlement is; watermark is the last journal seq whose movements are posted."""

    watermark: Count
    instructions: dict[InstructionState, Count]
    unposted: Count
    registry_transfers: Count
    house_balances: list[HouseCash | HouseUnits]


class Instruction(Output):
    """Delivery against payment of one trade."""

    trade_id: Number
    trading_day: Day
    instrument_id: str
    series_id: str
    quantity: Number
    value: Money
    buyer_id: str
    seller_id: str
    buyer_fee: Money
    seller_fee: Money
    state: InstructionState
    reason: str
    posting_id: Number | None
    registry_transfer_id: Number | None


class Instructions(Output):
    """Instructions in order of trade; next is the cursor of the following page."""

    instructions: list[Instruction]
    next: Number | None


class Break(Output):
    """One difference, with the ids to look for it; amounts in fen or tonnes."""

    kind: str
    ids: dict[str, str]
    expected: int
    actual: int


class ReconciliationReport(Output):
    """One reconciliation with everything it found."""

    report_seq: Number
    trading_day: Day | None
    state_digest: str = Field(pattern="^[0-9a-f]{64}$")
    break_count: Count
    breaks: list[Break]


class ReconciliationSummary(Output):
    """One reconciliation in short."""

    report_seq: Number
    breaks: Count
    recorded_at: Instant


class Reconciliations(Output):
    """Reconciliations, newest first."""

    reconciliations: list[ReconciliationSummary]


class Journal(Output):
    """Where the journal stands."""

    durable_seq: Count
    epoch: Count
    chain: str = Field(pattern="^[0-9a-f]{64}$")
    pending: Count
    stalled: str = Field(description="why commands wait, empty if they do not")
    recovered_seq: Count
    snapshot_seq: Count


class Issuance(Output):
    """Units that were issued."""

    registry_transfer_id: Number


class UnitBlock(Output):
    """A range of serials of one series; one serial is one tonne."""

    series_id: str
    status: str
    serial_from: Number
    serial_to: Number
    quantity: Number


class Holdings(Output):
    """A holder's unit blocks."""

    participant_id: str
    blocks: list[UnitBlock]
