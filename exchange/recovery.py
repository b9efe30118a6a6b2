"""Recovery is start-up: newest good snapshot, replay of the tail, comparison, then open.

Checked before the market opens: no snapshot lies beyond the journal's end (that would mean lost
rows); the chain of every row up to the snapshot (in SQL) and of every row after it (here); that
the engine, given the journaled commands, gives the journaled events byte for byte; that the
journal ends where the lease row says; every invariant of the recovered state.

A snapshot of another engine version is a start only where that version ended: every row after it
is this version's own.  Whatever takes long runs in a thread, so that the lease is kept meanwhile.
"""

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from engine import ENGINE_VERSION
from engine.canonical import decode_envelope, encode
from engine.engine import Engine
from engine.faults import InvariantBroken
from engine.released import Released
from exchange.chain import GENESIS, TAG, link
from exchange.faults import JournalBroken, LeaseLost
from exchange.journal import Head, Journal, Row
from exchange.readmodel.model import ReadModel
from exchange.snapshots import Content, Snapshots

log = structlog.get_logger()

Progress = Callable[[int, int], None]
"""Told (seq reached, seq to reach) now and then during replay."""

PAGE_ROWS = 5_000

_UNFIT = (
    InvariantBroken,
    msgspec.DecodeError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What a row may raise that the engine has not written in this form."""


class Recovered:
    """State rebuilt from the journal up to and including `seq`."""

    def __init__(self, engine: Engine, read: ReadModel, seq: int, chain: bytes) -> None:
        self.engine = engine
        self.read = read
        self.seq = seq
        self.chain = chain

    def replay(self, rows: list[Row]) -> None:
        """Apply rows, checking number, chain and events of each; raises JournalBroken."""
        for row in rows:
            self._check_place(row)
            try:
                envelope = decode_envelope(row.command)
                events = self.engine.apply(row.seq, envelope)
            except _UNFIT as fault:
                raise JournalBroken(row.seq, f"the engine cannot replay it: {fault}") from fault
            if encode(events) != row.events:
                raise JournalBroken(row.seq, "the engine gives other events than were journaled")
            told = (envelope.timestamp_ns, self.engine.market.day)
            if (row.timestamp_ns, row.trading_day) != told:
                raise JournalBroken(row.seq, "its time or trading day is not the content's")
            self.read.apply(Released(row.seq, envelope, events))
            self.seq, self.chain = row.seq, row.chain

    def check_invariants(self) -> None:
        """Raise JournalBroken if the rebuilt state is not sound."""
        try:
            self.engine.check_invariants()
        except InvariantBroken as fault:
            raise JournalBroken(self.seq, f"the rebuilt state is not sound: {fault}") from fault

    def _check_place(self, row: Row) -> None:
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


async def recover(
    journal: Journal, snapshots: Snapshots, head: Head, progress: Progress
) -> Recovered:
    """Rebuild the market as of the journal's end.

    Raises JournalBroken, or LeaseLost if another leader writes meanwhile, and opens nothing.
    """
    state = await _start_from(journal, snapshots, await snapshots.seqs(), head)
    broken = await journal.first_broken_row(state.seq, TAG)
    if broken is not None:
        raise JournalBroken(broken, "row missing, or its content does not match the hash chain")
    await _replay(journal, state, head, progress)
    beyond = await journal.read(head.last_seq + 1)
    if beyond is not None and beyond.epoch > head.epoch:
        raise LeaseLost(f"epoch {beyond.epoch} writes the journal")
    if beyond is not None:
        raise JournalBroken(beyond.seq, f"the lease row says that {head.last_seq} is the last")
    await asyncio.to_thread(state.check_invariants)
    return state


async def follow(journal: Journal, snapshots: Snapshots) -> int:
    """Replay what is durable now beside the leader, and snapshot it; returns the seq.

    A difference from the journal raises JournalBroken: the follower checks determinism all day.
    """
    seqs = await snapshots.seqs()
    head = await journal.head()
    state = await _start_from(journal, snapshots, seqs, head)
    await _replay(journal, state, head, lambda _seq, _last_seq: None)
    await asyncio.to_thread(state.check_invariants)
    market, read = state.engine.to_record(), state.read.to_record()
    await snapshots.save(state.seq, state.chain, market, read)
    return state.seq


async def _replay(journal: Journal, state: Recovered, head: Head, progress: Progress) -> None:
    """Replay up to the head and not beyond."""
    while state.seq < head.last_seq:
        rows = await journal.read_after(state.seq, min(PAGE_ROWS, head.last_seq - state.seq))
        if not rows:
            break
        await asyncio.to_thread(state.replay, rows)
        progress(state.seq, head.last_seq)
    if state.seq != head.last_seq:
        ends = f"the journal ends at {state.seq}, the lease row says {head.last_seq}"
        raise JournalBroken(state.seq + 1, ends)
    if state.chain != head.last_chain:
        raise JournalBroken(state.seq, "its chain value is not the one in the lease row")


async def _start_from(
    journal: Journal, snapshots: Snapshots, seqs: list[int], head: Head
) -> Recovered:
    """The newest snapshot that is whole and lies on the chain, or an empty market."""
    for seq in seqs:
        if seq > head.last_seq:
            raise JournalBroken(
                head.last_seq + 1,
                f"a snapshot of seq {seq} exists, but the journal ends at {head.last_seq}:"
                " acknowledged rows are missing",
            )
        row = await journal.read(seq)
        snapshot = await snapshots.load(seq)
        if row is not None and snapshot is not None and snapshot.is_of(row):
            return await asyncio.to_thread(_restore, snapshot.content, row)
        log.warning("snapshot_unusable", seq=seq)
    return Recovered(Engine(), ReadModel(), 0, GENESIS)


def _restore(content: Content, row: Row) -> Recovered:
    engine = Engine.from_record(content.market)
    return Recovered(engine, ReadModel.from_record(content.read), row.seq, row.chain)
