"""The table of rows is complete, and docs/reliability.md shows each of them with its tests."""

import re
from typing import Any

import pytest

from tests.reliability.__main__ import ROOT
from tests.reliability.report import Report, RowResult
from tests.reliability.rows import HERE, ROWS, Row

PAGE = ROOT / "docs" / "reliability.md"
LINK = re.compile(r"\[[^\]]+\]\(\.\./(tests/[a-z_/]+\.py)\)")
THIS = "test_rows.py"


def _files(row: Row) -> set[str]:
    return {name.partition("::")[0] for name in row.tests}


def test_every_test_of_this_folder_belongs_to_a_row() -> None:
    found = {f"{HERE}/{path.name}" for path in (ROOT / HERE).glob("test_*.py")}
    assert found == {name for row in ROWS for name in _files(row)} | {f"{HERE}/{THIS}"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_names_tests_and_a_size_that_exist(row: Row) -> None:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in _files(row)]
    for name in row.tests:
        function = name.partition("::")[2]
        assert not function or any(f"def {function}(" in text for text in texts), name
    if row.size_variable:
        default = f'"{row.size_variable}", "{row.ci_size}"'
        assert any(default in text for text in texts), default
        assert row.full_size > row.ci_size


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_the_page_links_each_row_to_its_tests(row: Row) -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    told = [line for line in lines if line.startswith(f"| {row.id} |")]
    assert len(told) == 1
    assert _files(row) <= set(LINK.findall(told[0]))


def test_every_link_of_the_page_leads_somewhere() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page):
        assert (PAGE.parent / target).exists(), target


def _report(*rows: RowResult) -> Report:
    return Report("abc", 7, "a machine", "now", 1.0, list(rows))


def test_the_report_passes_only_if_every_row_did() -> None:
    counts: dict[str, Any] = {"trials": 3, "acknowledged": 9, "checked": 9, "resent_unknown": 1}
    counts |= {"lost": 0, "doubled": 0, "invented": 0, "unsound": 0}
    counts |= {"recovery_s": [1.0, 3.0, 2.0], "faults": {"kill -9": 3}, "notes": {"rate p50": 1}}
    good = RowResult("A1", "a demand", 3, 1, [], 60, [counts])
    bad = RowResult("B1", "another", 0, 2, ["test_x"], 1)
    line = "| A1 | passed | 3 | 1 | 3 | 9 | 9 | 1 | 0 | 0 | 0 | 0 | 2.00 | 3.00 | 60 |"
    assert line in _report(good).markdown()
    assert "- failed: test_x" in _report(good, bad).markdown()
    verdicts = [_report(*rows).passed for rows in ((good,), (good, bad), ())]
    assert verdicts == [True, False, False]
