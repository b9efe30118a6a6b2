"""The two ways a command does not go through.

Refused            a business refusal: nothing was changed, an event says why
InvariantBroken    the engine contradicts itself: the process stops, nothing is released
"""


class Refused(Exception):
    """A rule refuses a command; reason is a code of engine/reasons.py."""

    def __init__(self, reason: str, field: str = "", **facts: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field
        self.facts = {name: str(value) for name, value in facts.items()}


class InvariantBroken(Exception):
    """Something that must always hold does not; there is no way on from here."""


def require(holds: bool, what: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Stop everything unless `what` holds."""
    if not holds:
        raise InvariantBroken(what)
