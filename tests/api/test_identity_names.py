"""Logins look alike only if they are alike; person ids tell nothing."""

import re

import pytest

from api.identity.errors import DisplayNameInvalid, LoginInvalid
from api.identity.names import new_person_id, normalise_display_name, normalise_login


@pytest.mark.parametrize(
    ("typed", "login"),
    [
        ("liwei", "liwei"),
        ("LiWei", "liwei"),
        ("ｌｉｗｅｉ７", "liwei7"),  # full-width
        ("\u212aelvin", "kelvin"),  # the Kelvin sign
        ("a.b-c_d@firm.cn", "a.b-c_d@firm.cn"),
    ],
)
def test_a_login_has_one_spelling(typed: str, login: str) -> None:
    assert login == normalise_login(typed)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ab",
        "1abc",
        "-abc",
        " liwei",
        "li wei",
        "liwei\n",
        "lіwei",  # a Cyrillic letter
        "李伟李伟",
        "İstanbul",
        "a" * 65,
        "ﷺﷺﷺ",
        "li\x00wei",
        "li\ud800wei",
    ],
)
def test_a_login_that_could_be_mistaken_is_refused(typed: str) -> None:
    with pytest.raises(LoginInvalid):
        normalise_login(typed)


def test_a_display_name_keeps_chinese_and_loses_outer_spaces() -> None:
    assert normalise_display_name("  李伟 (Li Wei) ") == "李伟 (Li Wei)"


@pytest.mark.parametrize("name", ["", "   ", "a\u202eb", "a\nb", "a\x00b", "a\u200bb", "x" * 81])
def test_a_display_name_with_invisible_characters_is_refused(name: str) -> None:
    with pytest.raises(DisplayNameInvalid):
        normalise_display_name(name)


def test_person_ids_are_opaque_and_differ() -> None:
    ids = [new_person_id() for _ in range(1_000)]
    assert len(set(ids)) == 1_000
    assert all(re.fullmatch(r"p-[a-z2-7]{12}", person_id) for person_id in ids)
