"""Any command at all: every type, every field filled from values that are known, odd or extreme.

A sensible command has values that mean something in the market of the test, so that it gets past
its first checks; an odd one has anything anywhere.
"""

import typing
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from engine import commands as c
from engine.permissions import PERMITTED
from engine.rules import RuleVersion
from tests.market_driver import MIDNIGHT, rule_version, trading_day

NAMES = (
    "A", "B", "Z", "trader-A", "officer-B", "op-1", "op-2", "eco-1", "eco-2", "system", "*",
    "BEA-2024", "BEA-2025", "PCER-1", "key-1", "participant:A", "beijing-1", "o1", "",
    " ", "a b", "a|b", "é", "x" * 36, "x" * 37, "x" * 201, "ab" * 32, "0", "{fault}",
)  # fmt: skip
NUMBERS = (
    -(2**63), -1, 0, 1, 2, 3, 5, 10, 99, 100, 8_000, 9_999, 10_000, 12_000, 12_001, 1_000_000,
    20240506, 20240507, 20240520, 99_999_999, 10**15, MIDNIGHT, 2**62, 2**63 - 1,
)  # fmt: skip
SENSE: dict[str, st.SearchStrategy[Any]] = {
    "participant_id": st.sampled_from(("A", "A", "A", "B")),
    "person_id": st.sampled_from(("op-1", "trader-A", "officer-B", "new-1")),
    "series_id": st.sampled_from(("BEA-2024", "BEA-2025")),
    "instrument_id": st.sampled_from(("BEA-2024", "BEA-2024", "BEA-2025", "*")),
    "client_order_id": st.sampled_from(("c1", "c2", "c3")),
    "scope": st.sampled_from(("participant:A", "op-1")),
    "public_key": st.sampled_from(("ab" * 32, "cd" * 32)),
    "key_id": st.sampled_from(("key-1", "key-2")),
    "restriction": st.just(""),
    "price_ticks": st.integers(9_995, 10_005),
    "reference_price_ticks": st.just(10_000),
    "quantity": st.integers(1, 9),
    "cash_fen": st.integers(1, 10**6),
    "annual_allowance_tonnes": st.integers(0, 9),
    "order_id": st.integers(1, 6),
    "act_id": st.integers(1, 40),
    "deposit_id": st.integers(1, 40),
    "freeze_id": st.integers(1, 3),
    "vintage": st.just(2025),
    "expires_day": st.sampled_from((0, 20240508)),
    "rule_version": st.just(rule_version("beijing-2", 20240508)),
}
TEXTS = {"reason", "note", "body", "reference", "document", "label", "name"}
SENDERS = ("op-1", "op-2", "eco-1", "eco-2", "trader-A", "officer-B", "system")
UNSENT = (c.FoundMarket, c.LeaderStarted, c.AdvanceClock)
"""Commands that the exchange itself sequences, under conditions of its own."""

numbers = st.sampled_from(NUMBERS) | st.integers(-5, 60)
days = st.lists(st.sampled_from([trading_day(n) for n in range(12)]), max_size=4).map(tuple)


@cache
def values(kind: Any, *, sensible: bool = False) -> st.SearchStrategy[Any]:
    """Values of a type; `sensible` is about the fields of structs."""
    if kind is str:
        return st.sampled_from(NAMES)
    if kind is int:
        return numbers
    if kind is bool:
        return st.booleans()
    if isinstance(kind, UnionType):
        return st.one_of([values(each, sensible=sensible) for each in get_args(kind)])
    if get_origin(kind) is tuple:
        inner = get_args(kind)[0]
        is_day = inner.__name__ == "TradingDay"
        return days if is_day else st.lists(values(inner), max_size=3).map(tuple)
    if get_origin(kind) is dict:
        return st.just(rule_version().sources) | st.just({})
    if kind is RuleVersion:
        return structs(kind) | st.just(rule_version())
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    return structs(kind, sensible=sensible)


@cache
def structs(kind: type[msgspec.Struct], *, sensible: bool = False) -> st.SearchStrategy[Any]:
    """Instances of a command or of a part of one."""
    fields = {}
    for name, hint in typing.get_type_hints(kind).items():
        if name in kind.__struct_fields__:
            fields[name] = values(hint, sensible=sensible)
            if sensible and hint is str and name in TEXTS:
                fields[name] = st.just("a text")
            elif sensible and name in SENSE:
                fields[name] = SENSE[name]
    return st.builds(kind, **fields)


def sent_by(body: c.AnyCommand) -> st.SearchStrategy[tuple[str, c.AnyCommand]]:
    """A command with a sender, mostly one whose role may send it."""
    prefixes = {"SYSTEM": "system", "OPERATOR": "op", "ECOLOGY": "eco", "TRADER": "trader"}
    allowed = tuple(prefixes.get(role, "officer") for role in PERMITTED[type(body)])
    fit = st.sampled_from([person for person in SENDERS if person.startswith(allowed)])
    return st.tuples(st.one_of(fit, fit, fit, st.sampled_from(SENDERS)), st.just(body))


KINDS = [kind for kind in get_args(c.AnyCommand) if kind not in UNSENT]
OFTEN = [*KINDS, c.ProposeAct, c.ProposeAct, c.ProposeAct, c.EnterOrder, c.EnterOrder]
sensible_commands = st.sampled_from(OFTEN).flatmap(lambda kind: structs(kind, sensible=True))
odd_commands = st.sampled_from(OFTEN).flatmap(structs)
commands = st.one_of(sensible_commands, odd_commands, sensible_commands).flatmap(sent_by)
