"""The follower process: replays the journal beside the leader and leaves a snapshot.

Started by the server at each day's end and every so many commands; a difference between what the
engine gives and what was journaled ends it with a non-zero code.
"""

import asyncio
import os
import sys

from exchange.database import open_pool
from exchange.faults import JournalBroken
from exchange.journal import Journal
from exchange.recovery import follow
from exchange.snapshots import Snapshots

NICENESS = 10


async def take_snapshot(dsn: str) -> int:
    """Snapshot what is durable now; returns its seq."""
    pool = await open_pool(dsn, "jingtan_journal_writer", min_size=1, max_size=1)
    try:
        return await follow(Journal(pool), Snapshots(pool))
    finally:
        await pool.close()


if __name__ == "__main__":
    os.nice(NICENESS)
    try:
        asyncio.run(take_snapshot(os.environ["DATABASE_URL"]))
    except JournalBroken as broken:
        sys.exit(f"jingtan: {broken}")
