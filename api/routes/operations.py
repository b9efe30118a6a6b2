"""The operators' people and products: admission, access, keys, series, instruments, rules, days."""

from datetime import date
from typing import Any

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response

from api import payloads
from api.access import Caller
from api.commands import JsonReply, RequestId, propose, record
from api.components import Parts
from api.field_errors import pointer_of
from api.forms import AfterLogin, Id
from api.identity.signatures import parse_public_key
from api.inputs import (
    CalendarInput,
    GrantInput,
    InsiderInput,
    InstrumentInput,
    KeyInput,
    ParticipantInput,
    PersonInput,
    RulesInput,
    SeriesInput,
)
from api.money import parse_ticks
from api.outputs.operations import (
    CreatedPerson,
    Done,
    Keys,
    Participants,
    People,
    ProposedAct,
    ResetPassword,
)
from api.outputs.trading import Account
from api.problems import InputProblem, Problem
from api.strict_json import StrictRoute
from engine.commands import (
    AccessGrant,
    AdmitParticipant,
    DeclareInsider,
    GrantAccess,
    InstallRules,
    IssueKey,
    ListInstrument,
    ListSeries,
    RevokeAccess,
    RevokeKey,
    SetTradingDays,
)
from engine.rules import Rules, RuleVersion, Source
from exchange.readmodel.model import ReadModel
from exchange.trading_days import trading_days

router = APIRouter(prefix="/ops/v1", tags=["operations"], route_class=StrictRoute)

MAX_CALENDAR_DAYS = 1_000


@router.get("/participants", summary="Admitted participants", response_model=Participants)
async def list_participants(parts: Parts) -> Response:
    """Participants in order of id."""
    views = sorted(parts.exchange.read.participants.values(), key=lambda v: v.participant_id)
    return JsonReply({"participants": [payloads.participant(view) for view in views]})


@router.post(
    "/participants", status_code=201, summary="Admit a company or institution", response_model=Done
)
async def admit_participant(
    parts: Parts, caller: Caller, request_id: RequestId, applicant: ParticipantInput
) -> Response:
    """Natural persons and staff of the venue, registry, verifiers, supervisors are refused."""
    body = AdmitParticipant(
        applicant.participant_id,
        applicant.name,
        applicant.participant_class,
        applicant.group_id or applicant.participant_id,
        applicant.annual_allowance,
    )
    return await record(parts, caller, request_id, body, 201)


@router.get(
    "/participants/{participant_id}/account",
    summary="A participant's account",
    response_model=Account,
)
async def get_account(parts: Parts, participant_id: Id) -> Response:
    """Money and units of any participant."""
    view = parts.exchange.read.accounts.get(participant_id)
    if view is None:
        raise Problem("PARTICIPANT_UNKNOWN", "participant_id", participant=participant_id)
    return JsonReply(payloads.account(participant_id, view))


@router.get("/people", summary="Persons who can log in", response_model=People)
async def list_people(parts: Parts, after_login: AfterLogin = "") -> Response:
    """Persons in order of login, with the roles they hold."""
    access = parts.exchange.read.access
    people: list[payloads.Payload] = []
    for person in await parts.people.list_people(after_login=after_login):
        grant = access.get(person.person_id)
        people.append(
            {
                "person_id": person.person_id,
                "login": person.login,
                "display_name": person.display_name,
                "role": grant.role if grant is not None else None,
                "participant_id": (grant.participant_id or None) if grant is not None else None,
                "is_disabled": person.disabled_at_ns is not None,
            }
        )
    return JsonReply({"people": people, "next": people[-1]["login"] if people else None})


@router.post("/people", status_code=201, summary="Register a person", response_model=CreatedPerson)
async def create_person(parts: Parts, caller: Caller, person: PersonInput) -> Response:
    """The one-time password is shown once; the person may do nothing until a role is granted."""
    created = await parts.people.create_person(
        person.login, person.display_name, actor=caller.person_id
    )
    shown = {
        "person_id": created.person_id,
        "login": created.login,
        "one_time_password": created.one_time_password,
    }
    return JsonReply(shown, 201)


@router.post(
    "/people/{person_id}/password",
    status_code=201,
    summary="Reset a password",
    response_model=ResetPassword,
)
async def reset_password(parts: Parts, caller: Caller, person_id: Id) -> Response:
    """A new one-time password, shown once; all sessions of the person end."""
    password = await parts.people.reset_password(person_id, actor=caller.person_id)
    return JsonReply({"person_id": person_id, "one_time_password": password}, 201)


@router.post(
    "/people/{person_id}/revocation", summary="Take a person's role away", response_model=Done
)
async def revoke_access(
    parts: Parts, caller: Caller, request_id: RequestId, person_id: Id
) -> Response:
    """At once, by one person; open streams are closed."""
    return await record(parts, caller, request_id, RevokeAccess(person_id))


@router.post(
    "/access-grants",
    status_code=202,
    summary="Propose a role for a person",
    response_model=ProposedAct,
)
async def grant_access(
    parts: Parts, caller: Caller, request_id: RequestId, grant: GrantInput
) -> Response:
    """Needs a second operator; roles of authorities need the ecology department."""
    await parts.people.get(grant.person_id)
    act = GrantAccess(AccessGrant(grant.person_id, grant.role, grant.participant_id or ""))
    return await propose(parts, caller, request_id, act, grant.reason)


@router.post("/insiders", status_code=201, summary="Bar a person from trading", response_model=Done)
async def declare_insider(
    parts: Parts, caller: Caller, request_id: RequestId, insider: InsiderInput
) -> Response:
    """Order 775 Art 7 and 20; screened at every order."""
    body = DeclareInsider(insider.person_id, insider.body)
    return await record(parts, caller, request_id, body, 201)


@router.get("/keys", summary="Machine keys in force", response_model=Keys)
async def list_keys(parts: Parts) -> Response:
    """Public keys with the persons they speak for."""
    views = sorted(parts.exchange.read.keys.values(), key=lambda v: v.key_id)
    return JsonReply({"keys": [msgspec.to_builtins(view) for view in views]})


@router.post("/keys", status_code=202, summary="Propose a machine key", response_model=ProposedAct)
async def issue_key(parts: Parts, caller: Caller, request_id: RequestId, key: KeyInput) -> Response:
    """The private key never leaves its owner."""
    parse_public_key(key.public_key)
    act = IssueKey(key.key_id, key.person_id, key.public_key, key.label)
    return await propose(parts, caller, request_id, act, key.reason)


@router.post(
    "/keys/{key_id}/revocation", summary="Take a machine key out of force", response_model=Done
)
async def revoke_key(parts: Parts, caller: Caller, request_id: RequestId, key_id: Id) -> Response:
    """At once, by one person."""
    return await record(parts, caller, request_id, RevokeKey(key_id))


@router.post(
    "/series", status_code=202, summary="Propose a series of units", response_model=ProposedAct
)
async def list_series(
    parts: Parts, caller: Caller, request_id: RequestId, series: SeriesInput
) -> Response:
    """Product, vintage, restriction, expiry."""
    expires_day = _day_number(series.expires_on) if series.expires_on else 0
    act = ListSeries(
        series.series_id, series.product, series.vintage, series.restriction, expires_day
    )
    return await propose(parts, caller, request_id, act, series.reason)


@router.post(
    "/instruments", status_code=202, summary="Propose an instrument", response_model=ProposedAct
)
async def list_instrument(
    parts: Parts, caller: Caller, request_id: RequestId, instrument: InstrumentInput
) -> Response:
    """Its reference price gives the first price limits."""
    tick = _rules_in_effect(parts.exchange.read).rules.price_tick_fen
    ticks = parse_ticks(instrument.reference_price, tick, "reference_price")
    act = ListInstrument(instrument.instrument_id, instrument.series_id, ticks)
    return await propose(parts, caller, request_id, act, instrument.reason)


@router.post(
    "/rules", status_code=202, summary="Propose a rule version", response_model=ProposedAct
)
async def install_rules(
    parts: Parts, caller: Caller, request_id: RequestId, change: RulesInput
) -> Response:
    """The version in effect with some parameters changed, from a future trading day on."""
    version = changed_rules(_rules_in_effect(parts.exchange.read), change)
    return await propose(parts, caller, request_id, InstallRules(version), change.reason)


@router.post("/calendar", summary="Set the trading days", response_model=Done)
async def set_trading_days(
    parts: Parts, caller: Caller, request_id: RequestId, span: CalendarInput
) -> Response:
    """Replaces every trading day that has not started."""
    first, last = date.fromisoformat(span.first), date.fromisoformat(span.last)
    if not 0 <= (last - first).days < MAX_CALENDAR_DAYS:
        raise InputProblem("CALENDAR_SPAN_INVALID", "last", limit=MAX_CALENDAR_DAYS)
    return await record(parts, caller, request_id, SetTradingDays(trading_days(first, last)))


def changed_rules(current: RuleVersion, change: RulesInput) -> RuleVersion:
    """A rule version with some parameters changed, each with its new source."""
    values: dict[str, Any] = msgspec.to_builtins(current.rules)
    for name, value in change.changes.items():
        if name not in values:
            raise InputProblem("FIELD_UNKNOWN", pointer_of(("body", "changes", name)))
        try:
            msgspec.convert(values | {name: value}, Rules)
        except msgspec.ValidationError as fault:
            raise InputProblem("PARAMETER_TYPE_INVALID", f"changes/{name}", name=name) from fault
    rules = msgspec.convert(values | change.changes, Rules)
    sources = current.sources | dict.fromkeys(
        change.changes, Source(change.source_status, change.basis)
    )
    return RuleVersion(
        change.rule_version_id,
        _day_number(change.effective_from),
        change.title,
        change.basis,
        rules,
        sources,
    )


def _rules_in_effect(read: ReadModel) -> RuleVersion:
    for version in read.rule_versions:
        if version.rule_version_id == read.rule_version_id:
            return version
    raise Problem("NOT_FOUND")


def _day_number(text: str) -> int:
    day = date.fromisoformat(text)
    return day.year * 10_000 + day.month * 100 + day.day
