"""Who takes part: participants (Art 17), insiders (Order 775 Art 7, 20), roles, machine keys.

Persons are opaque ids here; names, passwords and sessions live outside the market.
"""

from engine.accounts import new_account
from engine.codes import PARTICIPANT_ROLES, Role
from engine.commands import (
    SYSTEM_ACTOR,
    AdmitParticipant,
    DeclareInsider,
    GrantAccess,
    IssueKey,
    RevokeAccess,
    RevokeKey,
)
from engine.events import (
    AccessGranted,
    AccessRevoked,
    InsiderDeclared,
    KeyIssued,
    KeyRevoked,
    ParticipantAdmitted,
)
from engine.faults import Refused
from engine.market import Participant
from engine.step import MAX_TONNES, Step, grant_of, need_id, need_range, need_text

PUBLIC_KEY_HEX_DIGITS = 64


def admit_participant(step: Step, command: AdmitParticipant) -> None:
    """Open an account for a company or institution of an admitted class."""
    market = step.market
    need_id("participant_id", command.participant_id)
    need_id("group_id", command.group_id)
    need_text("name", command.name)
    need_range("annual_allowance_tonnes", command.annual_allowance_tonnes, 0, MAX_TONNES)
    if command.participant_class not in market.rules_now().admitted_classes:
        raise Refused(
            "CLASS_NOT_ADMITTED",
            "participant_class",
            participant_class=command.participant_class,
        )
    if command.participant_id in market.participants:
        raise Refused("PARTICIPANT_EXISTS", "participant_id", participant=command.participant_id)
    participant = Participant(
        command.participant_id,
        command.name,
        command.participant_class,
        command.group_id,
        command.annual_allowance_tonnes,
    )
    market.participants[command.participant_id] = participant
    market.accounts[command.participant_id] = new_account()
    market.join_group(participant)
    step.emit(
        ParticipantAdmitted(
            command.participant_id,
            command.name,
            command.participant_class,
            command.group_id,
            command.annual_allowance_tonnes,
        )
    )


def declare_insider(step: Step, command: DeclareInsider) -> None:
    """Bar a person from trading; screened at every order."""
    need_id("person_id", command.person_id)
    need_text("body", command.body)
    step.market.insiders[command.person_id] = command.body
    step.emit(InsiderDeclared(command.person_id, command.body))


def revoke_access(step: Step, command: RevokeAccess) -> None:
    """Take a role away."""
    grant_of(step.market, command.person_id)
    step.market.access.pop(command.person_id)
    step.emit(AccessRevoked(command.person_id))


def revoke_key(step: Step, command: RevokeKey) -> None:
    """Take a machine key out of force."""
    if command.key_id not in step.market.keys:
        raise Refused("KEY_UNKNOWN", "key_id", key=command.key_id)
    del step.market.keys[command.key_id]
    step.emit(KeyRevoked(command.key_id))


def check_grant(step: Step, act: GrantAccess) -> None:
    """Participant roles need an admitted participant, the others none; insiders never trade."""
    market, grant = step.market, act.grant
    need_id("person_id", grant.person_id)
    is_participant_role = grant.role in PARTICIPANT_ROLES
    is_system = grant.role is Role.SYSTEM or grant.person_id == SYSTEM_ACTOR
    if is_system or is_participant_role != bool(grant.participant_id):
        raise Refused("GRANT_INVALID", "grant/participant_id")
    if is_participant_role:
        market.participant(grant.participant_id)
        if grant.person_id in market.insiders:
            body = market.insiders[grant.person_id]
            raise Refused(
                "INSIDER_MAY_NOT_TRADE",
                "grant/person_id",
                person=grant.person_id,
                body=body,
            )


def grant_access(step: Step, act: GrantAccess, _act_id: int) -> None:
    """Give the role; staff of the venue and the authorities become insiders with it."""
    grant = act.grant
    step.market.access[grant.person_id] = grant
    step.emit(AccessGranted(grant.person_id, grant.role, grant.participant_id))
    declare_staff(step, grant.person_id, grant.role)


def declare_staff(step: Step, person_id: str, role: Role) -> None:
    """Whoever works for the venue or an authority may not trade, now or later."""
    if role not in PARTICIPANT_ROLES and person_id not in step.market.insiders:
        step.market.insiders[person_id] = str(role)
        step.emit(InsiderDeclared(person_id, str(role)))


def check_key(step: Step, act: IssueKey) -> None:
    """A new key id, a well-formed public key, a person with a role."""
    need_id("key_id", act.key_id)
    need_text("label", act.label)
    if act.key_id in step.market.keys:
        raise Refused("KEY_INVALID", "key_id", fault="the key id is in use")
    is_hex = all(c in "0123456789abcdef" for c in act.public_key)
    if len(act.public_key) != PUBLIC_KEY_HEX_DIGITS or not is_hex:
        raise Refused("KEY_INVALID", "public_key", fault="not 64 lower-case hex digits")
    if any(key.public_key == act.public_key for key in step.market.keys.values()):
        raise Refused("KEY_INVALID", "public_key", fault="the public key is in use")
    grant_of(step.market, act.person_id)


def issue_key(step: Step, act: IssueKey, _act_id: int) -> None:
    """Let the key speak for the person."""
    step.market.keys[act.key_id] = act
    step.emit(KeyIssued(act.key_id, act.person_id, act.public_key, act.label))
