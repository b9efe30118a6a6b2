"""Writes docs/errors.md from the tables of codes, so that the document cannot be wrong.

python -m api.reference docs/errors.md
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from api.codes import all_codes
from api.connection import REASONS as CLOSE_REASONS
from api.field_errors import FIELD_ERRORS
from engine.reasons import Words

HEAD = (
    "# Errors\n\n"
    "Every refusal and failure is `application/problem+json` (RFC 9457).\n"
    "`code` says what it is and never changes its meaning; its words may be improved.\n"
    "`errors` names the fields: `pointer` is a JSON pointer into the body,"
    " or begins with `/path`, `/query` or `/header`.\n"
    "`messages` holds rule and remedy in English and Chinese;"
    " `title` and `detail` are in the language of `Accept-Language`.\n"
    "`retryable` says that the same request may succeed later, `retry_after_ms` when;"
    " `rule_ref` names the rule that refuses.\n"
    "Report `trace_id` (also the header `X-Request-ID`) if you need help.\n"
    "If all faults of the fields are of one kind that has a row below, that is the problem's code;"
    " otherwise it is `INPUT_INVALID`.\n\n"
    "This page is made from the tables in the source: `python -m api.reference docs/errors.md`.\n"
)

CODES = """
## Codes

| code | status | rule | English | 中文 |
|---|---|---|---|---|
"""

FIELDS = """
## Faults of one field

These are the codes inside `errors`.

| code | English | 中文 |
|---|---|---|
"""

CLOSES = """
## Ends of a stream

`/v1/stream` ends with these close codes, and the reason beside them.

| close code | reason |
|---|---|
"""


def errors_page() -> str:
    """The whole of docs/errors.md."""
    fields = {text.code: text for text in FIELD_ERRORS.values()}
    parts = [
        HEAD,
        CODES,
        *_code_rows(),
        FIELDS,
        *(f"| `{code}` | {_cell(t.en)} | {_cell(t.zh)} |\n" for code, t in sorted(fields.items())),
        CLOSES,
        *(f"| {code} | `{reason}` |\n" for code, reason in sorted(CLOSE_REASONS.items())),
    ]
    return "".join(parts)


def _code_rows() -> Iterator[str]:
    for row in sorted(all_codes()):
        status = f"{row.status}, retryable" if row.is_retryable else str(row.status)
        said = " | ".join(_cell(_both(row.words[language])) for language in ("en", "zh"))
        yield f"| `{row.code}` | {status} | {_cell(row.rule_ref)} | {said} |\n"


def _both(words: Words) -> str:
    return f"{words.rule} {words.fix}".strip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(errors_page(), encoding="utf-8")
