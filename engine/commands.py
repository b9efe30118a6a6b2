"""Everything the market can be asked to do: imperative, complete in itself.

A command carries every fact it needs; the envelope adds who asked and when.  Prices are in ticks,
quantities in tonnes, money in fen.  A request id makes a command idempotent in its scope: the
participant for an order (there it is the client_order_id), the person otherwise.

`Act` commands need two people (see engine/acts.py) and travel inside ProposeAct.
"""

import msgspec

from engine.calendar import TradingDay
from engine.codes import (
    FreezeReason,
    HaltCause,
    ParticipantClass,
    Product,
    Role,
    Side,
    TimeInForce,
)
from engine.rules import RuleVersion

SYSTEM_ACTOR = "system"
"""Actor of commands that the exchange itself sequences."""

ALL_INSTRUMENTS = "*"
"""Scope of a halt that covers the whole market."""


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """Base of all commands; the tag is the class name."""


class AccessGrant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One person's role; participant_id only for TRADER and COMPLIANCE."""

    person_id: str
    role: Role
    participant_id: str = ""


# --- the run of the market --------------------------------------------------------------------


class FoundMarket(Command, frozen=True, tag="FoundMarket"):
    """First command of a journal: the founding staff and the first rule version."""

    grants: tuple[AccessGrant, ...]
    rule_version: RuleVersion


class LeaderStarted(Command, frozen=True, tag="LeaderStarted"):
    """A leader takes over the log under a new epoch; first record of each leadership."""

    epoch: int


class AdvanceClock(Command, frozen=True, tag="AdvanceClock"):
    """Carry out what is due at the envelope's timestamp, which is exactly one deadline."""


class RefuseRequest(Command, frozen=True, tag="RefuseRequest"):
    """A quarantined command broke an invariant: refuse its request id, halt its instrument."""

    quarantine_id: int
    scope: str
    request_id: str
    instrument_id: str


class OpenMarket(Command, frozen=True, tag="OpenMarket"):
    """Open an instrument market whose scheduled opening was blocked; inside a session only."""


class CloseMarket(Command, frozen=True, tag="CloseMarket"):
    """End the trading day now: a special closure."""

    note: str


class HaltTrading(Command, frozen=True, tag="HaltTrading"):
    """Halt one instrument, or ALL_INSTRUMENTS; cancels stay possible."""

    instrument_id: str
    cause: HaltCause
    note: str


class ResumeTrading(Command, frozen=True, tag="ResumeTrading"):
    """Lift the halt of the same scope."""

    instrument_id: str
    note: str


# --- admission and access ---------------------------------------------------------------------


class AdmitParticipant(Command, frozen=True, tag="AdmitParticipant"):
    """Admit a company or institution (Art 17); group_id is its controlling owner."""

    participant_id: str
    name: str
    participant_class: ParticipantClass
    group_id: str
    annual_allowance_tonnes: int


class DeclareInsider(Command, frozen=True, tag="DeclareInsider"):
    """Put a person on the list of staff who may not trade (Order 775 Art 7, 20)."""

    person_id: str
    body: str


class RevokeAccess(Command, frozen=True, tag="RevokeAccess"):
    """Take a person's role away, at once and by one person."""

    person_id: str


class RevokeKey(Command, frozen=True, tag="RevokeKey"):
    """Make a machine key useless, at once and by one person."""

    key_id: str


class SetTradingDays(Command, frozen=True, tag="SetTradingDays"):
    """Replace every trading day that has not started."""

    days: tuple[TradingDay, ...]


# --- acts that need two people ----------------------------------------------------------------


class GrantAccess(Command, frozen=True, tag="GrantAccess"):
    """Give a person a role."""

    grant: AccessGrant


class IssueKey(Command, frozen=True, tag="IssueKey"):
    """Bind an Ed25519 public key (32 bytes as hex) to a person with a role."""

    key_id: str
    person_id: str
    public_key: str
    label: str


class InstallRules(Command, frozen=True, tag="InstallRules"):
    """Add a rule version that takes effect on a future trading day."""

    rule_version: RuleVersion


class ListSeries(Command, frozen=True, tag="ListSeries"):
    """Make a series of units known; restriction '' and expires_day 0 mean none."""

    series_id: str
    product: Product
    vintage: int
    restriction: str
    expires_day: int


class ListInstrument(Command, frozen=True, tag="ListInstrument"):
    """List an instrument that delivers one series, with its first reference price in ticks."""

    instrument_id: str
    series_id: str
    reference_price_ticks: int


class CreditCash(Command, frozen=True, tag="CreditCash"):
    """Credit money that arrived at the clients' money bank account; reference is the bank's."""

    participant_id: str
    cash_fen: int
    reference: str


class WithdrawCash(Command, frozen=True, tag="WithdrawCash"):
    """Pay withdrawable money out to the participant."""

    participant_id: str
    cash_fen: int
    reference: str


class DepositUnits(Command, frozen=True, tag="DepositUnits"):
    """Ask the registry to lock units to the exchange; they count when it confirms."""

    participant_id: str
    series_id: str
    quantity: int
    reference: str


class WithdrawUnits(Command, frozen=True, tag="WithdrawUnits"):
    """Return sellable units to the participant's own registry account."""

    participant_id: str
    series_id: str
    quantity: int
    reference: str


class FreezeUnits(Command, frozen=True, tag="FreezeUnits"):
    """Suspend the use of units on deposit (Art 16), naming the legal document."""

    participant_id: str
    series_id: str
    quantity: int
    reason: FreezeReason
    document: str


class ReleaseUnits(Command, frozen=True, tag="ReleaseUnits"):
    """End a freeze."""

    freeze_id: int
    document: str


class OverrideBreaks(Command, frozen=True, tag="OverrideBreaks"):
    """Let the market open although reconciliation breaks are unresolved."""

    reason: str


Act = (
    GrantAccess
    | IssueKey
    | InstallRules
    | ListSeries
    | ListInstrument
    | CreditCash
    | WithdrawCash
    | DepositUnits
    | WithdrawUnits
    | FreezeUnits
    | ReleaseUnits
    | OverrideBreaks
)


class ProposeAct(Command, frozen=True, tag="ProposeAct"):
    """First signature under a sensitive act."""

    act: Act
    reason: str


class ApproveAct(Command, frozen=True, tag="ApproveAct"):
    """Second signature, by another person of the right role: the act is carried out."""

    act_id: int


class RejectAct(Command, frozen=True, tag="RejectAct"):
    """Refuse a proposed act, or take one's own proposal back."""

    act_id: int
    reason: str


# --- trading ----------------------------------------------------------------------------------


class EnterOrder(Command, frozen=True, tag="EnterOrder"):
    """A limit order for continuous public bidding; its request id is the client_order_id."""

    participant_id: str
    client_order_id: str
    instrument_id: str
    side: Side
    price_ticks: int
    quantity: int
    time_in_force: TimeInForce


class AmendOrder(Command, frozen=True, tag="AmendOrder"):
    """Set an open order's price or total quantity, filled part included; null keeps what is."""

    participant_id: str
    order_id: int
    price_ticks: int | None
    quantity: int | None


class CancelOrder(Command, frozen=True, tag="CancelOrder"):
    """Cancel what is left of an open order."""

    participant_id: str
    order_id: int


# --- from and for settlement ------------------------------------------------------------------


class ConfirmUnitDeposit(Command, frozen=True, tag="ConfirmUnitDeposit"):
    """The registry's answer to a deposit: locked, or refused with its reason."""

    deposit_id: int
    is_locked: bool
    refusal: str


class ReportPositions(Command, frozen=True, tag="ReportPositions"):
    """State every account's totals at this seq, for reconciliation."""


class RecordReconciliation(Command, frozen=True, tag="RecordReconciliation"):
    """Outcome of the reconciliation of the positions reported at report_seq."""

    report_seq: int
    break_count: int


AnyCommand = (
    FoundMarket
    | LeaderStarted
    | AdvanceClock
    | RefuseRequest
    | OpenMarket
    | CloseMarket
    | HaltTrading
    | ResumeTrading
    | AdmitParticipant
    | DeclareInsider
    | RevokeAccess
    | RevokeKey
    | SetTradingDays
    | ProposeAct
    | ApproveAct
    | RejectAct
    | EnterOrder
    | AmendOrder
    | CancelOrder
    | ConfirmUnitDeposit
    | ReportPositions
    | RecordReconciliation
)


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command as it is sequenced: market time (UTC ns), actor, request id ('' = none)."""

    timestamp_ns: int
    actor: str
    request_id: str
    body: AnyCommand
