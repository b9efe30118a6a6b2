"""What can be wrong with one field of a request, in English and Chinese.

Pydantic says what it found by an error type and, for some, a context; this table gives each type
that our inputs can raise a stable code and words ({names} are filled from the context).
tests/api/test_field_errors.py raises every one of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

POINTER_ESCAPES = str.maketrans({"~": "~0", "/": "~1"})


class FieldText(NamedTuple):
    """One kind of fault: its code and what it says."""

    code: str
    en: str
    zh: str


class FieldError(NamedTuple):
    """One invalid field: where (a JSON pointer), which fault, in words."""

    pointer: str
    code: str
    detail: str
    messages: Mapping[str, str]


_NOT_WHOLE = FieldText(
    "NOT_A_WHOLE_NUMBER",
    "This is a whole number, written in plain digits.",
    "须为整数，仅使用数字书写。",
)
_NOT_AN_OBJECT = FieldText("NOT_AN_OBJECT", "This is a JSON object.", "须为 JSON 对象。")
_OTHERWISE = FieldText(
    "FIELD_INVALID", "This does not have its documented form.", "不符合规定格式。"
)

FIELD_ERRORS: dict[str, FieldText] = {
    "missing": FieldText("FIELD_MISSING", "This is required.", "此项为必填。"),
    "extra_forbidden": FieldText(
        "FIELD_UNKNOWN", "There is no such field here.", "此处没有该字段。"
    ),
    "string_type": FieldText("NOT_A_STRING", "This is a string.", "须为字符串。"),
    "string_unicode": FieldText(
        "TEXT_NOT_UNICODE", "This is text of whole Unicode characters.", "须为有效的 Unicode 文本。"
    ),
    "string_too_short": FieldText(
        "TEXT_TOO_SHORT",
        "This has at least {min_length} characters.",
        "至少须有 {min_length} 个字符。",
    ),
    "string_too_long": FieldText(
        "TEXT_TOO_LONG",
        "This has at most {max_length} characters.",
        "不得超过 {max_length} 个字符。",
    ),
    "string_pattern_mismatch": FieldText(
        "FORM_MISMATCH", "This has the form {pattern}.", "须符合格式 {pattern}。"
    ),
    "text_not_printable": FieldText(
        "TEXT_NOT_PRINTABLE", "This has no control characters.", "不得含有控制字符。"
    ),
    "amount_malformed": FieldText(
        "AMOUNT_MALFORMED",
        'This is a decimal string with at most two places, such as "83.50".',
        '须为最多两位小数的十进制字符串，如 "83.50"。',
    ),
    "day_unknown": FieldText(
        "DAY_UNKNOWN", "There is no such day in the calendar.", "日历中没有这一天。"
    ),
    "whole_number": _NOT_WHOLE,
    "int_type": _NOT_WHOLE,
    "greater_than_equal": FieldText(
        "NUMBER_TOO_SMALL", "This is at least {ge}.", "不得小于 {ge}。"
    ),
    "less_than_equal": FieldText("NUMBER_TOO_LARGE", "This is at most {le}.", "不得大于 {le}。"),
    "bool_parsing": FieldText(
        "NOT_A_TRUTH_VALUE", "This is true or false.", "须为 true 或 false。"
    ),
    "enum": FieldText("NOT_IN_LIST", "This is one of {expected}.", "须为以下之一：{expected}。"),
    "parameter_value": FieldText(
        "NOT_A_PARAMETER_VALUE",
        "This is a whole number, a string, true or false, or a list of strings.",
        "须为整数、字符串、true 或 false、或字符串数组。",
    ),
    "dict_type": _NOT_AN_OBJECT,
    "model_attributes_type": _NOT_AN_OBJECT,
    "too_long": FieldText(
        "LIST_TOO_LONG", "This has at most {max_length} entries.", "不得超过 {max_length} 项。"
    ),
}
"""Pydantic error type -> what we say."""


def field_error(fault: Mapping[str, Any], language: str) -> FieldError:
    """What a fault of pydantic's says in our words."""
    text = FIELD_ERRORS.get(fault["type"], _OTHERWISE)
    context = fault.get("ctx", {})
    messages = {"en": _filled(text.en, context, " or "), "zh": _filled(text.zh, context, "、")}
    return FieldError(pointer_of(fault["loc"]), text.code, messages[language], messages)


def pointer_of(location: Sequence[str | int]) -> str:
    """A JSON pointer into the body, or into /path, /query or /header."""
    where, *path = location
    steps = path if where == "body" else location
    pointer = "".join(f"/{str(step).translate(POINTER_ESCAPES)}" for step in steps)
    return pointer.encode("utf-8", "replace").decode()  # names may hold lone surrogates


def _filled(text: str, context: Mapping[str, Any], choice: str) -> str:
    return text.format_map(
        {name: str(value).replace(" or ", choice) for name, value in context.items()}
    )
