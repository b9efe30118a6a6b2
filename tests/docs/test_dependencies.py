"""Every dependency has its reason in the documentation and its exact version in the constraints."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME: list[str] = PROJECT["dependencies"]
DEVELOPMENT: list[str] = PROJECT["optional-dependencies"]["dev"]
PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==[\w.!+]+")


def name_of(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return found[0].lower().replace("_", "-")


def documented(heading: str) -> list[str]:
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| ([a-z0-9-]+) \| \S.+ \|$", section, re.MULTILINE)[1:]


@pytest.mark.parametrize(
    ("heading", "requirements"), [("Runtime", RUNTIME), ("Development", DEVELOPMENT)]
)
def test_each_dependency_has_one_reason(heading: str, requirements: list[str]) -> None:
    assert documented(heading) == sorted(name_of(requirement) for requirement in requirements)


def test_each_dependency_is_pinned_exactly_and_without_an_address() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not PIN.fullmatch(line)] == []
    pinned = {name_of(line) for line in lines}
    assert {name_of(requirement) for requirement in RUNTIME + DEVELOPMENT} <= pinned
