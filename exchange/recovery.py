"""Recovery is start-up: newest good snapshot, replay of the tail, comparison, then open.

Checked before the market opens: no snapshot lies beyond the journal's end (that would mean lost
rows); the chain of every row up to the snapshot (in SQL) and of every row after it (here); that
the engine, given the journaled commands, gives the journaled events byte for byte; that the
journal ends where the lease row says; every invariant of the recovered state.
"""

from collections.abc import Callable

import structlog

from engine import ENGINE_VERSION
from engine.canonical import decode_envelope, encode
from engine.engine import Engine
from engine.faults import InvariantBroken
from engine.released import Released
from exchange.chain import GENESIS, TAG, link
from exchange.faults import JournalBroken
from exchange.journal import Head, Journal, Row
from exchange.readmodel.model import ReadModel
from exchange.snapshots import Snapshots

log = structlog.get_logger()

Progress = Callable[[int, int], None]
"""Told (seq reached, seq to reach) now and then during replay."""

PROGRESS_EVERY = 20_000


class Recovered:
    """State rebuilt from the journal up to and including `seq`."""

    def __init__(self, engine: Engine, read: ReadModel, seq: int, chain: bytes) -> None:
        self.engine = engine
        self.read = read
        self.seq = seq
        self.chain = chain

    def replay(self, row: Row) -> None:
        """Apply one journal row, checking number, chain and events; raises JournalBroken."""
        if row.seq != self.seq + 1:
            raise JournalBroken(self.seq + 1, f"row missing, the next one is {row.seq}")
        if row.chain != link(self.chain, row.seq, row.epoch, row.command, row.events):
            raise JournalBroken(row.seq, "its content does not match the hash chain")
        if row.engine_version != ENGINE_VERSION:
            raise JournalBroken(
                row.seq,
                f"written by engine version {row.engine_version}, this is {ENGINE_VERSION}:"
                " stop the old version in order first, so that it leaves a snapshot",
            )
        envelope = decode_envelope(row.command)
        try:
            events = self.engine.apply(row.seq, envelope)
        except InvariantBroken as broken:
            raise JournalBroken(row.seq, f"the engine refuses to replay it: {broken}") from broken
        if encode(events) != row.events:
            raise JournalBroken(row.seq, "the engine gives other events than were journaled")
        self.read.apply(Released(row.seq, envelope, events))
        self.seq, self.chain = row.seq, row.chain

    def check_invariants(self) -> None:
        """Raise JournalBroken if the rebuilt state is not sound."""
        try:
            self.engine.check_invariants()
        except InvariantBroken as fault:
            raise JournalBroken(self.seq, f"the rebuilt state is not sound: {fault}") from fault


async def recover(
    journal: Journal, snapshots: Snapshots, head: Head, progress: Progress
) -> Recovered:
    """Rebuild the market as of the journal's end; raises JournalBroken and opens nothing."""
    state = await _start_from(journal, snapshots, head)
    broken = await journal.first_broken_link(state.seq, TAG)
    if broken is not None:
        raise JournalBroken(broken, "its content does not match the hash chain")
    async for row in journal.stream_after(state.seq):
        state.replay(row)
        if row.seq % PROGRESS_EVERY == 0:
            progress(row.seq, head.last_seq)
    if (state.seq, state.chain) != (head.last_seq, head.last_chain):
        raise JournalBroken(
            min(state.seq, head.last_seq) + 1,
            f"the journal ends at {state.seq}, the lease row says {head.last_seq}",
        )
    state.check_invariants()
    return state


async def follow(journal: Journal, snapshots: Snapshots) -> int:
    """Replay what is durable now beside the leader, and snapshot it; returns the seq.

    A difference from the journal raises JournalBroken: the follower checks determinism all day.
    """
    head = await journal.head()
    state = await _start_from(journal, snapshots, head)
    async for row in journal.stream_after(state.seq):
        if row.seq > head.last_seq:
            break
        state.replay(row)
    state.check_invariants()
    market, read = state.engine.to_record(), state.read.to_record()
    await snapshots.save(state.seq, state.chain, market, read)
    return state.seq


async def _start_from(journal: Journal, snapshots: Snapshots, head: Head) -> Recovered:
    """The newest snapshot that is whole and lies on the chain, or an empty market."""
    for seq in await snapshots.seqs():
        if seq > head.last_seq:
            raise JournalBroken(
                head.last_seq + 1,
                f"a snapshot of seq {seq} exists, but the journal ends at {head.last_seq}:"
                " acknowledged rows are missing",
            )
        snapshot = await snapshots.load(seq)
        row = await journal.read(seq)
        if snapshot is not None and row is not None and row.chain == snapshot.chain:
            engine = Engine.from_record(snapshot.content.market)
            read = ReadModel.from_record(snapshot.content.read)
            return Recovered(engine, read, seq, snapshot.chain)
        log.warning("snapshot_unusable", seq=seq)
    return Recovered(Engine(), ReadModel(), 0, GENESIS)
