"""The real command with a planted bug: replies leave before their batch is durable.

    python -m tests.reliability.early_acknowledgement run --data-dir D --port P

The commit itself is slow, as on a busy disk, so that a kill is sure to fall into the gap.
"""

import asyncio
from collections.abc import Sequence

from api.cli import main
from exchange.journal import Journal, Row
from exchange.sequencer import Pending, Sequencer

COMMIT_S = 0.05

_take_batch = Sequencer.take_batch
_append = Journal.append


def take_and_tell(sequencer: Sequencer) -> list[Pending]:
    """Take the next batch, and tell everybody that it is durable already."""
    batch = _take_batch(sequencer)
    for pending in batch:
        if pending.waiter is not None and not pending.waiter.done():
            pending.waiter.set_result(pending.released)
    return batch


async def append_slowly(
    journal: Journal, epoch: int, previous_seq: int, rows: Sequence[Row]
) -> None:
    """Append as the journal does, after a while."""
    await asyncio.sleep(COMMIT_S)
    await _append(journal, epoch, previous_seq, rows)


if __name__ == "__main__":
    Sequencer.take_batch = take_and_tell  # type: ignore[method-assign, assignment]
    Journal.append = append_slowly  # type: ignore[method-assign, assignment]
    main()
