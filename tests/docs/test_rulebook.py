"""docs/rulebook.md has every rule, parameter and refusal, and every rule is cited by a test."""

import re
from pathlib import Path

import pytest

from engine import beijing
from engine.reasons import REASONS
from engine.rules import Rules

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "rulebook.md").read_text(encoding="utf-8")
HEADING = re.compile(
    r"^### (?P<rule>[^:]+): (?P<english>[^(]+) \((?P<chinese>[^)]+)\)$", re.MULTILINE
)
RULES = {match["rule"]: match["chinese"] for match in HEADING.finditer(TEXT)}
CHINESE = re.compile(r"[\u4e00-\u9fff]+")
TESTS = tuple(
    path.read_text(encoding="utf-8")
    for folder in ("engine", "rulebook", "property")
    for path in (ROOT / "tests" / folder).glob("*.py")
)


def row(key: str) -> list[str]:
    """The cells after the first one in the row of a table that `key` begins."""
    (line,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{key}` |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_every_heading_of_the_third_level_is_a_rule_with_its_chinese_term() -> None:
    headings = [line for line in TEXT.splitlines() if line.startswith("### ")]
    assert len(headings) == len(RULES)
    assert all(CHINESE.search(term) for term in RULES.values())


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_cited_by_a_test(rule: str) -> None:
    cited = re.compile(rf"{re.escape(rule)}(?![0-9])")
    assert any(cited.search(text) for text in TESTS)


@pytest.mark.parametrize("code", REASONS)
def test_every_refusal_has_its_row_and_its_rule(code: str) -> None:
    reason = REASONS[code]
    assert [str(reason.status), reason.rule_ref] == row(code)
    assert reason.rule_ref in RULES


@pytest.mark.parametrize("name", Rules.__struct_fields__)
def test_every_parameter_has_its_row_with_value_status_and_rule(name: str) -> None:
    value, status, rule = row(name)
    assert (shown(getattr(beijing.RULES, name)), str(beijing.SOURCES[name].status)) == (
        value,
        status,
    )
    assert rule in RULES


def test_no_test_cites_a_rule_that_is_not_written_down() -> None:
    cited = {rule for text in TESTS for rule in re.findall(r"\bR-[A-Z0-9]+-\d+", text)}
    assert cited <= RULES.keys()
