"""docs/errors.md holds every code, in both languages, as the tables have it."""

from pathlib import Path

from api.codes import IDENTITY_ERRORS, all_codes
from api.edge_codes import EDGE_CODES
from api.reference import errors_page
from engine.reasons import REASONS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "errors.md"


def test_the_page_is_what_the_tables_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == errors_page(), (
        "python -m api.reference docs/errors.md"
    )


def test_no_code_is_in_two_tables() -> None:
    codes = [row.code for row in all_codes()]
    assert len(codes) == len(set(codes))
    assert set(codes) == {*REASONS, *EDGE_CODES, *IDENTITY_ERRORS}


def test_every_code_says_rule_and_remedy_in_both_languages() -> None:
    for row in all_codes():
        for words in row.words.values():
            assert words.rule, row.code
            assert words.fix, row.code
        chinese = row.words["zh"].rule + row.words["zh"].fix
        assert any("\u4e00" <= character <= "\u9fff" for character in chinese), row.code
        assert 400 <= row.status < 600


def test_only_passing_states_are_retryable() -> None:
    assert {row.code for row in all_codes() if row.is_retryable} == {
        row.code for row in all_codes() if row.status in (429, 503, 504)
    }
