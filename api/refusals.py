"""A refusal by the market as a problem that points into the request which caused it.

The engine names fields of its commands; a client knows the fields of its request.  They are the
same but for the names in this table.
"""

from api.problems import Problem
from engine import events as e
from engine.commands import AmendOrder, AnyCommand, CancelOrder, EnterOrder
from engine.released import Released

NOWHERE = ""
_REQUEST_FIELDS = {
    "actor": NOWHERE,
    "request_id": "/header/Idempotency-Key",
    "cash": "amount",
    "cash_fen": "amount",
    "annual_allowance_tonnes": "annual_allowance",
    "expires_day": "expires_on",
    "grant/person_id": "person_id",
    "grant/participant_id": "participant_id",
    "days": "last",
    "days/0": "first",
    "rule_version/rule_version_id": "rule_version_id",
    "rule_version/effective_from_day": "effective_from",
    "rule_version/title": "title",
    "rule_version/basis": "basis",
}
_OF_AN_ORDER = {"request_id": "client_order_id"}
_OF_AN_OPEN_ORDER = {"instrument_id": "order_id"}


def raise_refusal(step: Released) -> None:
    """Raise the Problem of a step that refused its command."""
    for event in step.events:
        if isinstance(event, e.ActFailed):
            pointer = f"/act/{event.field}" if event.field else NOWHERE
            raise Problem(event.reason, pointer, **event.facts)
        if isinstance(event, e.CommandRefused | e.OrderRejected):
            pointer = request_field(step.envelope.body, event.field)
            raise Problem(event.reason, pointer, **event.facts)


def request_field(body: AnyCommand, field: str) -> str:
    """The request's field that a command's field came from, NOWHERE if it came from none."""
    if isinstance(body, EnterOrder):
        field = _OF_AN_ORDER.get(field, field)
    elif isinstance(body, AmendOrder | CancelOrder):
        field = _OF_AN_OPEN_ORDER.get(field, field)
    if field in _REQUEST_FIELDS:
        return _REQUEST_FIELDS[field]
    return field.replace("rule_version/", "changes/")
