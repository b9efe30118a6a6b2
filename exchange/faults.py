"""How running the market can fail, as types.

ExchangeError
├── Unavailable          refused before sequencing; nothing happened, try again
├── OutcomeUnknown       sequenced, but not known to be durable; ask by request id
├── LeaseLost            another leader writes the journal; this process must stop
├── JournalBroken        the journal contradicts itself or the engine; the market stays shut
└── ClockUnusable        the clock is not fit to stamp commands
"""


class ExchangeError(Exception):
    """Base of the exchange's operating failures."""


class Unavailable(ExchangeError):
    """The exchange takes no command now; retryable, nothing was done."""

    def __init__(self, why: str, retry_after_ms: int = 1_000) -> None:
        super().__init__(why)
        self.retry_after_ms = retry_after_ms


class OutcomeUnknown(ExchangeError):
    """The command may or may not have taken effect."""


class LeaseLost(ExchangeError):
    """The lease row is not ours any more: whatever was not durable is void."""


class JournalBroken(ExchangeError):
    """The journal cannot be trusted from `seq` on."""

    def __init__(self, seq: int, what: str) -> None:
        super().__init__(f"journal broken at seq {seq}: {what}")
        self.seq = seq
        self.what = what


class ClockUnusable(ExchangeError):
    """Market time cannot go on from the journal's last time."""
