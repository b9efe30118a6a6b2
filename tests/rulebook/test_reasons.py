"""The table of refusals: whole in both languages, and always filled in by what is raised."""

import ast
import re
from http import HTTPStatus
from pathlib import Path
from string import Formatter

import pytest

from engine.reasons import REASONS, Reason, Words, words

ENGINE = Path(__file__).parents[2] / "engine"
CHINESE = re.compile(r"[\u4e00-\u9fff]")
RULE_REF = re.compile(r"R-[A-Z0-9]+-\d+|(Measures|Order 775) Art \d+(, \d+)*(; .+)?")
CHOSEN_AT_RUN_TIME = {
    "engine.py": {"IDEMPOTENCY_BODY_MISMATCH", "REQUEST_QUARANTINED"},
    "phases.py": {"BREAKS_UNRESOLVED", "CALENDAR_EXHAUSTED"},
}
"""Codes that a file raises through a variable, once in each of these files."""

each_reason = pytest.mark.parametrize("reason", REASONS.values(), ids=REASONS)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def in_words(chosen: Words) -> set[str]:
    return placeholders(chosen.rule) | placeholders(chosen.fix)


def names_of(call: ast.Call) -> set[str]:
    return {keyword.arg for keyword in call.keywords if keyword.arg}


def raised() -> list[tuple[str, str, set[str]]]:
    """(file, code or "" if it is a variable, names of the facts) of every Refused(...)."""
    found = []
    for path in sorted(ENGINE.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Name(id="Refused"), args=[ast.Constant(value=str(code)), *_]
                ):
                    found.append((path.name, code, names_of(node)))
                case ast.Call(func=ast.Name(id="Refused")):
                    found.append((path.name, "", names_of(node)))
                case _:
                    pass
    return found


@each_reason
def test_a_reason_speaks_both_languages(reason: Reason) -> None:
    for part in (*reason.en, *reason.zh):
        assert part.strip() == part != ""
    assert all(part.isascii() for part in reason.en)
    assert all(CHINESE.search(part) for part in reason.zh)


@each_reason
def test_a_reason_tells_the_same_facts_in_both_languages(reason: Reason) -> None:
    assert in_words(reason.en) == in_words(reason.zh)
    assert placeholders(reason.en.fix) == placeholders(reason.zh.fix) == set()


@each_reason
def test_a_reason_has_a_client_error_status_and_a_rule(reason: Reason) -> None:
    assert HTTPStatus.BAD_REQUEST <= HTTPStatus(reason.status) < HTTPStatus.INTERNAL_SERVER_ERROR
    assert RULE_REF.fullmatch(reason.rule_ref)


def test_codes_are_unique_and_spelt_alike() -> None:
    assert all(re.fullmatch(r"[A-Z]+(_[A-Z]+)*", code) for code in REASONS)
    assert all(code == reason.code for code, reason in REASONS.items())


def test_every_reason_is_raised_and_everything_raised_is_a_reason() -> None:
    literal = {code for _, code, _ in raised() if code}
    chosen = set().union(*CHOSEN_AT_RUN_TIME.values())
    assert REASONS.keys() == literal | chosen


def test_the_facts_raised_fill_the_words_in() -> None:
    lacking = []
    for file, code, facts in raised():
        for each in {code} if code else CHOSEN_AT_RUN_TIME[file]:
            needed = in_words(REASONS[each].en) | in_words(REASONS[each].zh)
            if not needed <= facts:
                lacking.append((file, each, sorted(needed - facts)))
    assert lacking == []


def test_codes_chosen_at_run_time_are_the_ones_written_down() -> None:
    assert sorted(file for file, code, _ in raised() if not code) == sorted(CHOSEN_AT_RUN_TIME)


@pytest.mark.parametrize(
    ("code", "facts", "language", "rule"),
    [
        ("ORDER_NOT_OPEN", {"order": "7"}, "en", "Order 7 is not open."),
        ("ORDER_NOT_OPEN", {"order": "7"}, "zh", "订单 7 不在有效申报中。"),
        ("ORDER_NOT_OPEN", {"order": "{x}"}, "fr", "Order {x} is not open."),
        (
            "PRICE_OUTSIDE_LIMITS",
            {"lower_fen": "8000", "upper_fen": "12005"},
            "en",
            "The price limits today are 80.00 CNY to 120.05 CNY.",
        ),
    ],
)
def test_words_are_filled_in(code: str, facts: dict[str, str], language: str, rule: str) -> None:
    assert rule == words(code, facts, language).rule
