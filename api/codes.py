"""Every code that a problem, a stream error or a document may carry, read as one table.

Three tables feed it: the market's (engine/reasons.py), the edge's (api/edge_codes.py) and that of
people and signatures (api/identity/errors.py).  Their codes never collide.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from api.edge_codes import EDGE_CODES
from api.identity.errors import IdentityError
from engine.reasons import REASONS, Words, words

LANGUAGES = ("en", "zh")
IDENTITY_ERRORS: dict[str, type[IdentityError]] = {
    leaf.code: leaf for branch in IdentityError.__subclasses__() for leaf in branch.__subclasses__()
}


class Code(NamedTuple):
    """One code with its words by language; {names} in them stand for facts."""

    code: str
    status: int
    rule_ref: str
    is_retryable: bool
    words: Mapping[str, Words]


def all_codes() -> Iterator[Code]:
    """Every code: the market's, the edge's, identity's, each table in its own order."""
    for reason in REASONS.values():
        both = {"en": reason.en, "zh": reason.zh}
        yield Code(reason.code, reason.status, reason.rule_ref, is_retryable=False, words=both)
    for code, row in EDGE_CODES.items():
        yield Code(code, row.status, "", row.is_retryable, {"en": row.en, "zh": row.zh})
    for error in IDENTITY_ERRORS.values():
        both = {
            "en": Words(error.english, error.english_fix),
            "zh": Words(error.chinese, error.chinese_fix),
        }
        yield Code(error.code, error.status, "", error.retryable, both)


_BY_CODE = {row.code: row for row in all_codes()}


def explain(code: str, facts: Mapping[str, str]) -> Code:
    """A code with its words filled from the facts; raises KeyError for an unknown code."""
    row = _BY_CODE[code]
    if code in REASONS:
        return row._replace(words={lang: words(code, dict(facts), lang) for lang in LANGUAGES})
    filled = {
        lang: Words(said.rule.format_map(facts), said.fix) for lang, said in row.words.items()
    }
    return row._replace(words=filled)
