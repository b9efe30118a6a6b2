"""The bodies that requests bring: strict types, no unknown fields."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from api.forms import (
    Day,
    Decimal,
    Id,
    ParameterValue,
    PublicKey,
    Quantity,
    Scope,
    Text,
    Tonnes,
    printable,
)
from engine.codes import (
    FreezeReason,
    HaltCause,
    ParticipantClass,
    Product,
    Role,
    Side,
    SourceStatus,
    TimeInForce,
)

MAX_CHANGES = 50


class Input(BaseModel):
    """Base of all bodies."""

    model_config = ConfigDict(extra="forbid")


class LoginInput(Input):
    """Credentials of a person."""

    login: Annotated[str, StringConstraints(max_length=64)]
    password: Annotated[str, StringConstraints(max_length=256)]


class PasswordInput(Input):
    """A change of password; needs no session."""

    login: Annotated[str, StringConstraints(max_length=64)]
    current_password: Annotated[str, StringConstraints(max_length=256)]
    new_password: Annotated[str, StringConstraints(max_length=256)]


class OrderInput(Input):
    """A limit order for continuous public bidding (公开竞价)."""

    client_order_id: Id
    instrument_id: Id
    side: Side
    price: Decimal
    quantity: Quantity
    time_in_force: TimeInForce = TimeInForce.DAY


class AmendInput(Input):
    """New terms of an open order; quantity is the order's total, filled part included."""

    price: Decimal | None = None
    quantity: Quantity | None = None


class ParticipantInput(Input):
    """A company or institution to admit (Measures Art 17)."""

    participant_id: Id
    name: Text
    participant_class: ParticipantClass
    group_id: Id | None = Field(default=None, description="controlling owner; itself if left out")
    annual_allowance: Tonnes = 0


class PersonInput(Input):
    """A person who shall be able to log in."""

    login: Annotated[str, StringConstraints(max_length=64)]
    display_name: Annotated[str, StringConstraints(min_length=1, max_length=80)]


class GrantInput(Input):
    """A role for a person; participant_id for traders and compliance officers only."""

    person_id: Id
    role: Role
    participant_id: Id | None = None
    reason: Text


class InsiderInput(Input):
    """A member of staff who may not trade (Order 775 Art 7, 20)."""

    person_id: Id
    body: Text


class KeyInput(Input):
    """An Ed25519 public key for a person's programs."""

    key_id: Id
    person_id: Id
    public_key: PublicKey
    label: Text
    reason: Text


class CashInput(Input):
    """Money in or out of a trading account; reference is the bank's."""

    participant_id: Id
    amount: Decimal
    reference: Text
    reason: Text


class UnitsInput(Input):
    """Units in or out of a trading account; reference is the registry's."""

    participant_id: Id
    series_id: Id
    quantity: Quantity
    reference: Text
    reason: Text


class SeriesInput(Input):
    """A series of units."""

    series_id: Id
    product: Product
    vintage: Annotated[int, Field(strict=True, ge=2013, le=2200)]
    restriction: Annotated[str, StringConstraints(max_length=200), AfterValidator(printable)] = ""
    expires_on: Day | None = None
    reason: Text


class InstrumentInput(Input):
    """An instrument that delivers one series."""

    instrument_id: Id
    series_id: Id
    reference_price: Decimal
    reason: Text


class RulesInput(Input):
    """A rule version: the one in effect with some parameters changed."""

    rule_version_id: Id
    effective_from: Day
    title: Text
    basis: Text
    changes: dict[str, ParameterValue] = Field(
        max_length=MAX_CHANGES, description="parameter name -> new value; see GET /v1/rules"
    )
    source_status: SourceStatus = SourceStatus.ASSUMED
    reason: Text


class CalendarInput(Input):
    """Trading days from `first` to `last`: weekdays outside Chinese holidays."""

    first: Day
    last: Day


class ReasonInput(Input):
    """Why."""

    reason: Text


class NoteInput(Input):
    """What to tell the market."""

    note: Text


class HaltInput(Input):
    """A halt of one instrument, or of all with '*'."""

    instrument_id: Scope
    cause: HaltCause
    note: Text


class ResumeInput(Input):
    """The end of a halt of exactly this scope."""

    instrument_id: Scope
    note: Text


class FreezeInput(Input):
    """A suspension of use (Measures Art 16)."""

    participant_id: Id
    series_id: Id
    quantity: Quantity
    freeze_reason: FreezeReason
    document: Text
    reason: Text


class ReleaseInput(Input):
    """The end of a freeze."""

    document: Text
    reason: Text


class IssuanceInput(Input):
    """Units that the registry issues to a holder."""

    series_id: Id
    participant_id: Id
    quantity: Quantity


class ClockInput(Input):
    """Let a demo market's clock leap to its next deadline."""

    leap: Annotated[str, StringConstraints(pattern="^NEXT_DEADLINE$")] = "NEXT_DEADLINE"
