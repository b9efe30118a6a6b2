"""The forms that single values of a request have: strict, bounded, and the same everywhere.

Nothing here guesses: an integer is plain digits, not "1_000", "+1", "1.0" or digits of another
script; money is a decimal string; text has no control characters, which no column of the books and
no screen could hold.  Every bound fits the integers of the database.
"""

import re
from datetime import date
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, StringConstraints
from pydantic_core import PydanticCustomError

from api.money import DECIMAL

MAX_QUANTITY = 10**10
MAX_NUMBER = 2**63 - 1
MAX_PARAMETER = 10**15
MAX_LIST = 100

_DECIMAL = re.compile(DECIMAL, re.ASCII)
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)


def printable(text: str) -> str:
    """The text, unless it has control characters: NUL above all, which no text column takes."""
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in text):
        raise PydanticCustomError("text_not_printable", "no control characters")
    return text


def _whole(value: Any) -> Any:
    """Text of the address that is a whole number in plain digits, as that number."""
    if not isinstance(value, str):
        return value  # a default
    if _WHOLE.fullmatch(value) is None:
        raise PydanticCustomError("whole_number", "a whole number in plain digits")
    return int(value)


def _decimal(value: Any) -> Any:
    if not isinstance(value, str) or _DECIMAL.fullmatch(value) is None:
        raise PydanticCustomError("amount_malformed", "a decimal string in CNY")
    return value


def _day(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError as fault:
        raise PydanticCustomError("day_unknown", "no such day") from fault
    return text


def _parameter(value: Any) -> Any:
    """A rule parameter's value; its own range is the market's to check."""
    if isinstance(value, list) and len(value) <= MAX_LIST:
        fits = all(isinstance(entry, str) and entry.isprintable() for entry in value)
    elif isinstance(value, str):
        fits = value.isprintable()
    else:
        fits = isinstance(value, int) and abs(value) <= MAX_PARAMETER  # bool is an int
    if not fits:
        raise PydanticCustomError("parameter_value", "an integer, string, boolean or string list")
    return value


Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,36}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(printable)]
Scope = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z0-9_-]{1,36})$")]
PublicKey = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{64}$"),
    Field(description="32 bytes as lower-case hex"),
]
Decimal = Annotated[
    str,
    BeforeValidator(_decimal),
    StringConstraints(pattern=DECIMAL, max_length=16),
    Field(description="decimal string in CNY with at most two places", examples=["83.50"]),
]
Quantity = Annotated[int, Field(strict=True, ge=1, le=MAX_QUANTITY, description="tonnes CO2e")]
Tonnes = Annotated[int, Field(strict=True, ge=0, le=MAX_QUANTITY)]
Day = Annotated[
    str,
    StringConstraints(pattern=r"^2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"),
    AfterValidator(_day),
]
ParameterValue = Annotated[
    Any, PlainValidator(_parameter, json_schema_input_type=int | str | bool | list[str])
]

AfterLogin = Annotated[str, AfterValidator(printable), Query(max_length=64)]
Number = Annotated[int, BeforeValidator(_whole), Path(ge=1, le=MAX_NUMBER)]
"""A number that the exchange gave: of an order, an act, a freeze, a record."""

_Given = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=MAX_NUMBER)]
Cursor = Annotated[_Given | None, Query()]
After = Annotated[int, BeforeValidator(_whole), Query(ge=0, le=MAX_NUMBER)]
Limit = Annotated[int, BeforeValidator(_whole), Query(ge=1, le=1_000)]
Depth = Annotated[int, BeforeValidator(_whole), Query(ge=1, le=500)]
