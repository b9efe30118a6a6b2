"""Whatever pydantic may find wrong with a field is said in our words, in both languages."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from api import forms, inputs
from api.field_errors import FIELD_ERRORS, field_error, pointer_of
from engine.codes import ActStatus

JUNK: list[Any] = [
    None, True, 0, -1, 1.0, 1.5, float("nan"), float("inf"), 10**30, -(10**30), b"x",
    "", " ", "x", "x" * 500, "0", "-1", "1.0", "٣", "a\x00b", "\ud800", "2024-02-30", "2024-13-01",
    "9999-12-31", "100.001", "maybe", [], [1], ["a\x00"], {}, {"a": 1.5}, {"\ud800": 1},
    {f"parameter_{number}": 1 for number in range(60)}, {"a": [str(n) for n in range(200)]},
]  # fmt: skip
MODELS = {
    name: model
    for name, model in inspect.getmembers(inputs, inspect.isclass)
    if issubclass(model, inputs.Input) and model is not inputs.Input
}
PARAMETERS: dict[str, Any] = {
    "Number": forms.Number,
    "Cursor": forms.Cursor,
    "After": forms.After,
    "Limit": forms.Limit,
    "Depth": forms.Depth,
    "AfterLogin": forms.AfterLogin,
    "Id": forms.Id,
    "open": bool | None,
    "status": ActStatus | None,
}
Fault = Mapping[str, Any]


def faults_of(kind: Any, value: Any) -> list[Fault]:
    """What pydantic finds, as FastAPI asks it."""
    try:
        TypeAdapter(kind).validate_python(value, from_attributes=True)
    except ValidationError as invalid:
        return [dict(fault) for fault in invalid.errors()]
    return []


def all_faults() -> Iterator[Fault]:
    """Every fault that any junk has in any field, body or parameter."""
    for model in MODELS.values():
        for value in JUNK:
            yield from faults_of(model, value)
            for field in model.model_fields:
                yield from faults_of(model, {field: value, "no_such_field": 1})
    for kind in PARAMETERS.values():
        for text in (value for value in JUNK if isinstance(value, str)):
            yield from faults_of(kind, text)


def test_the_table_has_exactly_the_faults_that_can_happen() -> None:
    assert {fault["type"] for fault in all_faults()} == set(FIELD_ERRORS)


def test_every_fault_is_told_whole_in_both_languages() -> None:
    for fault in all_faults():
        shown = field_error({**fault, "loc": ("body", *fault["loc"])}, "zh")
        assert set(shown.messages) == {"en", "zh"}
        assert shown.detail == shown.messages["zh"]
        for text in shown.messages.values():
            assert text
            assert not any(f"{{{name}}}" in text for name in ("ge", "le", "expected", "pattern"))
        assert "input should" not in shown.messages["en"].lower()
        assert any("\u4e00" <= character <= "\u9fff" for character in shown.messages["zh"])
        shown.pointer.encode()


def test_a_fault_that_nobody_foresaw_is_still_told() -> None:
    shown = field_error({"type": "future_fault", "loc": ("body", "price")}, "en")
    assert shown == (
        "/price",
        "FIELD_INVALID",
        "This does not have its documented form.",
        {"en": "This does not have its documented form.", "zh": "不符合规定格式。"},
    )


@pytest.mark.parametrize(
    ("location", "pointer"),
    [
        (("body",), ""),
        (("body", "price"), "/price"),
        (("body", "changes", "a/b~c"), "/changes/a~1b~0c"),
        (("body", "list", 0), "/list/0"),
        (("query", "limit"), "/query/limit"),
        (("path", "order_id"), "/path/order_id"),
        (("body", "\ud800"), "/?"),
    ],
)
def test_pointers_are_json_pointers(location: tuple[str | int, ...], pointer: str) -> None:
    assert pointer_of(location) == pointer


@pytest.mark.parametrize("code", sorted({text.code for text in FIELD_ERRORS.values()}))
def test_one_code_has_one_meaning(code: str) -> None:
    texts = {(text.en, text.zh) for text in FIELD_ERRORS.values() if text.code == code}
    assert len(texts) == 1
