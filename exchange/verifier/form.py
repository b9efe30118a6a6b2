"""The canonical JSON form of commands and events, checked.

Canonical is: UTF-8; object keys sorted and unique; no space outside strings; integers only, without
leading zeros, plus sign or -0; in strings, quote and backslash escaped, control characters as
\\b \\f \\n \\r \\t or \\u00xx in lower case, and everything else as it is.
Each value has exactly one canonical text.
"""

import json
from typing import Any, NoReturn

_known_orders: set[tuple[str, ...]] = {()}
"""Key sequences that were found sorted and unique; as many as the journal has kinds of objects."""

_MOST_KNOWN_ORDERS = 10_000


class NotCanonical(ValueError):
    """The bytes are not the canonical JSON of anything."""


def parse(payload: bytes) -> Any:
    """The value of canonical bytes; raises NotCanonical."""
    try:
        text = payload.decode()
        value, end = _decoder.raw_decode(text)
        is_rewritten = _has_choices(text) and _encoder.encode(value) != text
    except NotCanonical:
        raise
    except (ValueError, RecursionError) as error:
        raise NotCanonical(f"not JSON: {error}") from error
    if end != len(text):
        raise NotCanonical(f"not JSON: something follows at character {end}")
    if is_rewritten:
        raise NotCanonical("spaces, escapes or numbers are not in their canonical form")
    return value


def _has_choices(text: str) -> bool:
    """Whether a string, a space or an integer in valid JSON may have another, canonical text."""
    return (
        "\\" in text or " " in text or "-0" in text or "\n" in text or "\t" in text or "\r" in text
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = tuple([key for key, _ in pairs])
    if keys not in _known_orders:
        if list(keys) != sorted(set(keys)):
            raise NotCanonical(f"keys are not sorted and unique: {', '.join(keys)}")
        if len(_known_orders) < _MOST_KNOWN_ORDERS:
            _known_orders.add(keys)
    return dict(pairs)


def _no_float(literal: str) -> NoReturn:
    raise NotCanonical(f"not an integer: {literal}")


_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_no_float, parse_constant=_no_float
)
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
