"""The released feed for consumers with a watermark of their own, read from the journal.

Only durable rows are in the journal, so reading it is reading the released feed; the sequencer
says when there is more.
"""

from engine.canonical import decode_envelope, decode_events
from engine.released import Released
from exchange.journal import Journal, Row
from exchange.sequencer import Sequencer


def released(row: Row) -> Released:
    """A journal row as a released step."""
    return Released(row.seq, decode_envelope(row.command), decode_events(row.events))


class JournalFeed:
    """Released steps in seq order, from any point."""

    def __init__(self, journal: Journal, sequencer: Sequencer) -> None:
        self._journal = journal
        self._sequencer = sequencer

    async def read_after(self, seq: int, limit: int) -> list[Released]:
        """Up to `limit` steps after seq; empty when there is none yet."""
        return [released(row) for row in await self._journal.read_after(seq, limit)]

    async def wait_beyond(self, seq: int) -> None:
        """Return once there is a step after seq."""
        await self._sequencer.wait_durable(seq + 1)
