"""The canonical JSON form: what the verifier accepts is exactly what the journal writes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.canonical import encode
from exchange.verifier.form import NotCanonical, parse

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)

NOT_CANONICAL = {
    "keys out of order": b'{"b":1,"a":2}',
    "key twice": b'{"a":1,"a":1}',
    "inner keys out of order": b'[{"a":{"d":1,"c":2}}]',
    "space after a comma": b'{"a":1, "b":2}',
    "space after a colon": b'{"a": 1}',
    "newline at the end": b'{"a":1}\n',
    "tab between": b"[1,\t2]",
    "space before": b" [1]",
    "float": b"[1.0]",
    "exponent": b"[1e3]",
    "minus zero": b"[-0]",
    "leading zero": b"[01]",
    "NaN": b"[NaN]",
    "infinity": b"[-Infinity]",
    "escaped letter": rb'["\u0041"]',
    "escaped solidus": rb'["\/"]',
    "upper-case escape": rb'["\u001F"]',
    "long form of a short escape": rb'["\u000a"]',
    "lone surrogate": rb'["\ud800"]',
    "raw control character": b'["\x01"]',
    "raw newline": b'["\n"]',
    "byte order mark": b'\xef\xbb\xbf["a"]',
    "not UTF-8": b'["\xff"]',
    "cut": b'{"a":',
    "two values": b"[][]",
    "nothing": b"",
    "nested too deep": b"[" * 100_000,
    "huge number": b"[" + b"9" * 5_000 + b"]",
}


@given(JSON_VALUES)
def test_what_the_writer_encodes_is_canonical_and_means_the_same(value: Any) -> None:
    assert parse(encode(value)) == value


@given(JSON_VALUES)
def test_another_spelling_of_a_value_is_refused(value: Any) -> None:
    spellings = {
        json.dumps(value).encode(),
        json.dumps(value, indent=1, sort_keys=True).encode(),
    }
    for spelling in spellings - {encode(value)}:
        with pytest.raises(NotCanonical):
            parse(spelling)


@pytest.mark.parametrize("payload", NOT_CANONICAL.values(), ids=NOT_CANONICAL.keys())
def test_refused(payload: bytes) -> None:
    with pytest.raises(NotCanonical):
        parse(payload)


def test_strings_may_hold_what_looks_like_a_space_an_escape_or_a_number() -> None:
    value = {"note": 'a -0 \\ "b" 1.0 01\n', "公司": "京碳"}
    assert parse(encode(value)) == value
