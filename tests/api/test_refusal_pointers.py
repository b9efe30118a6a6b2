"""The market's field names become the request's, so that a pointer leads somewhere."""

import inspect

import pytest

from api import inputs
from api.refusals import NOWHERE, request_field
from engine.codes import Side, TimeInForce
from engine.commands import AmendOrder, AnyCommand, CancelOrder, EnterOrder, RejectAct

ENTER = EnterOrder("A", "c-1", "BEA-2024", Side.BUY, 10_000, 1, TimeInForce.DAY)
AMEND = AmendOrder("A", 1, 10_000, 1)
CANCEL = CancelOrder("A", 1)
OTHER = RejectAct(1, "x")
CASES: list[tuple[AnyCommand, str, str]] = [
    (ENTER, "price", "price"),
    (ENTER, "instrument_id", "instrument_id"),
    (ENTER, "request_id", "client_order_id"),
    (ENTER, "actor", NOWHERE),
    (AMEND, "instrument_id", "order_id"),
    (AMEND, "request_id", "/header/Idempotency-Key"),
    (CANCEL, "order_id", "order_id"),
    (OTHER, "request_id", "/header/Idempotency-Key"),
    (OTHER, "cash", "amount"),
    (OTHER, "cash_fen", "amount"),
    (OTHER, "annual_allowance_tonnes", "annual_allowance"),
    (OTHER, "expires_day", "expires_on"),
    (OTHER, "grant/person_id", "person_id"),
    (OTHER, "grant/participant_id", "participant_id"),
    (OTHER, "days", "last"),
    (OTHER, "days/0", "first"),
    (OTHER, "rule_version/rule_version_id", "rule_version_id"),
    (OTHER, "rule_version/effective_from_day", "effective_from"),
    (OTHER, "rule_version/title", "title"),
    (OTHER, "rule_version/basis", "basis"),
    (OTHER, "rule_version/lot_tonnes", "changes/lot_tonnes"),
]
PATH_FIELDS = {"order_id", "act_id", "freeze_id", "key_id", "person_id"}
INPUT_FIELDS = {
    name
    for _, model in inspect.getmembers(inputs, inspect.isclass)
    if issubclass(model, inputs.Input)
    for name in model.model_fields
}


@pytest.mark.parametrize(("command", "field", "expected"), CASES)
def test_a_field_points_into_the_request(command: AnyCommand, field: str, expected: str) -> None:
    assert request_field(command, field) == expected


@pytest.mark.parametrize("pointer", sorted({expected for _, _, expected in CASES}))
def test_every_pointer_leads_to_a_field_that_a_request_has(pointer: str) -> None:
    known = INPUT_FIELDS | PATH_FIELDS | {NOWHERE, "/header/Idempotency-Key"}
    assert pointer.removesuffix("/lot_tonnes") in known
