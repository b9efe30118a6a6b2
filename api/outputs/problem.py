"""What every refusal and failure looks like (RFC 9457, application/problem+json)."""

from pydantic import Field

from api.outputs.base import Count, Output


class SaidWords(Output):
    """A refusal in one language: the rule that refuses, and what the sender can do."""

    rule: str
    fix: str


class BothLanguages(Output):
    """A refusal in English and Chinese."""

    en: SaidWords
    zh: SaidWords


class BothTexts(Output):
    """One sentence in English and Chinese."""

    en: str
    zh: str


class FieldProblem(Output):
    """One field that is wrong."""

    pointer: str = Field(description="JSON pointer into the body, or into /path, /query, /header")
    code: str
    detail: str
    messages: BothTexts


class ProblemOutput(Output):
    """A refusal or failure; `title` and `detail` are in the language the client prefers."""

    type: str
    title: str
    status: int = Field(ge=400, le=599)
    code: str = Field(description="stable; see GET /v1/reasons and docs/errors.md")
    detail: str
    messages: BothLanguages
    errors: list[FieldProblem]
    retryable: bool
    retry_after_ms: Count = Field(default=0, description="present if retryable")
    rule_ref: str
    instance: str
    trace_id: str
