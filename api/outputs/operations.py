"""Answers to operators and authorities: people, acts, keys, freezes, market control."""

from typing import Any, Literal

from pydantic import Field

from api.outputs.base import Instant, Number, Output, Tonnes
from engine.codes import ActStatus, FreezeReason, ParticipantClass, Role


class Done(Output):
    """A command that was carried out: the names of its events."""

    events: list[str]
    at: Instant
    duplicate: bool


class ProposedAct(Output):
    """A sensitive act with its first signature."""

    act_id: Number
    status: Literal[ActStatus.PENDING_APPROVAL]
    expires_at: Instant
    duplicate: bool


class ApprovedAct(Output):
    """A sensitive act that was carried out."""

    act_id: Number
    status: Literal[ActStatus.APPROVED]
    events: list[str]
    duplicate: bool


class RejectedAct(Output):
    """A sensitive act that will not happen."""

    act_id: Number
    status: Literal[ActStatus.REJECTED]
    duplicate: bool


class Act(Output):
    """A sensitive act with its signatures; money in `act` is in fen, prices in ticks."""

    act_id: Number
    kind: str
    act: dict[str, Any]
    proposer: str
    reason: str
    status: ActStatus
    proposed_at: Instant
    expires_at: Instant
    decided_by: str | None
    decided_at: Instant | None
    note: str


class Acts(Output):
    """Acts, newest first; next is the cursor of the following page."""

    acts: list[Act]
    next: Number | None


class Participant(Output):
    """An admitted company or institution."""

    participant_id: str
    name: str
    participant_class: ParticipantClass
    group_id: str
    annual_allowance: Tonnes


class Participants(Output):
    """Participants in order of id."""

    participants: list[Participant]


class Person(Output):
    """Somebody who can log in, with the role the journal gives."""

    person_id: str
    login: str
    display_name: str
    role: Role | None
    participant_id: str | None
    is_disabled: bool


class People(Output):
    """Persons in order of login; next is the cursor of the following page."""

    people: list[Person]
    next: str | None


class CreatedPerson(Output):
    """A new person; the one-time password is shown once."""

    person_id: str
    login: str
    one_time_password: str


class ResetPassword(Output):
    """A new one-time password, shown once."""

    person_id: str
    one_time_password: str


class Key(Output):
    """A machine key in force and the person it speaks for."""

    key_id: str
    person_id: str
    public_key: str
    label: str


class Keys(Output):
    """Machine keys in order of id."""

    keys: list[Key]


class Freeze(Output):
    """Units whose use is suspended; shortfall is what could not be frozen."""

    freeze_id: Number
    participant_id: str
    series_id: str
    quantity: Tonnes
    shortfall: Tonnes
    reason: FreezeReason
    document: str


class Freezes(Output):
    """Freezes in force."""

    freezes: list[Freeze]


class MarketTime(Output):
    """Market time after a leap."""

    market_time: Instant = Field(description="never goes back")
