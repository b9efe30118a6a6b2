"""What a verification found."""

from dataclasses import dataclass


class NoJournal(Exception):
    """There is nothing to verify: no journal in this database, or the file is no export."""


@dataclass(frozen=True, slots=True)
class Result:
    """`verified` is the verdict; seqs are 0 in an empty journal.

    rows, last_seq and chain (hex) describe what was found good: the whole journal, or the rows
    before the first broken one.
    """

    verified: bool
    rows: int
    first_seq: int
    last_seq: int
    chain: str
    broken_seq: int | None = None
    why: str = ""

    def line(self) -> str:
        """One line for people."""
        if not self.verified:
            return f"journal broken at seq {self.broken_seq}: {self.why}"
        return f"journal verified: {self.rows} rows, seq {self.last_seq}, chain {self.chain}"
