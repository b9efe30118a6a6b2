"""The committer: what it acknowledges is in the journal, whatever the journal does to it."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import asyncpg
import pytest

from engine import events as e
from engine.commands import AdvanceClock, LeaderStarted
from engine.released import Released
from exchange import committer as module
from exchange.committer import EngineBroken, _ahead_ns
from exchange.faults import LeaseLost, OutcomeUnknown, Unavailable
from exchange.journal import Head
from tests.exchange.doubles import EPOCH, NS, POISON, Fault, Shell
from tests.seeded import FIRST_SEED, seeded

GONE = ConnectionRefusedError("nobody listens")
CUT = asyncpg.ConnectionDoesNotExistError("the line was cut")
LATE = TimeoutError("no answer")
FULL = asyncpg.DiskFullError("no space")
FAULTS = (GONE, CUT, LATE, FULL, asyncpg.InterfaceError("pool is closing"))
Moment = Literal["", "before", "after", "late"]
MOMENTS: tuple[Moment, ...] = ("", "before", "after", "late")

Answer = Released | BaseException


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.002)
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.02)


@asynccontextmanager
async def running(shell: Shell) -> AsyncIterator["asyncio.Task[None]"]:
    """The committer at work; at the end it is asked to stop and has to."""
    task = asyncio.create_task(shell.committer.run())
    try:
        yield task
    finally:
        shell.sequencer.stop_taking("end of the test")
        await asyncio.wait([task], timeout=5)
        assert task.done(), "the committer does not end"
        assert shell.sequencer.pending_count == len(shell.sequencer._in_flight)


async def answers(*futures: "asyncio.Future[Released]") -> list[Answer]:
    """How each future ended; none may be left waiting."""
    _, waiting = await asyncio.wait(futures, timeout=5)
    assert not waiting, "a client waits for ever"
    return [future.exception() or future.result() for future in futures]


# --- results that are known -----------------------------------------------------------------------


async def test_what_is_acknowledged_is_in_the_journal_in_order() -> None:
    shell = Shell()
    async with running(shell):
        steps = await asyncio.gather(*[shell.buy() for _ in range(20)])
    assert [step.seq for step in steps] == shell.seqs()
    assert [step.seq for step in shell.released] == shell.seqs()


async def test_the_next_batch_fills_while_one_is_in_flight() -> None:
    shell = Shell()
    hold = asyncio.Event()
    shell.journal.append_faults.append(Fault(hold=hold))
    async with running(shell):
        first = shell.buy()
        while not shell.journal.appends:
            await asyncio.sleep(0)
        others = [shell.buy() for _ in range(7)]
        assert not first.done()
        assert shell.released == []
        hold.set()
        await answers(first, *others)
    assert shell.journal.appends == 2


# --- results that are not known -------------------------------------------------------------------


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_commit_that_fails_takes_effect_once(moment: Moment, error: Exception) -> None:
    shell = Shell()
    shell.journal.append_faults.append(Fault(moment, error))
    async with running(shell):
        first, second = await asyncio.gather(shell.buy(), shell.buy())
        assert shell.seqs() == [first.seq, second.seq]
        assert shell.journal.appends == (1 if moment == "after" else 2)
        third = await shell.buy()
    assert shell.seqs() == [first.seq, second.seq, third.seq]
    assert shell.sequencer.stalled == ""


async def test_a_commit_that_gets_through_after_it_was_given_up_takes_effect_once() -> None:
    """The server was frozen: it carries the first try out when it already has the second."""
    shell = Shell()
    shell.journal.append_faults.append(Fault("late", LATE))
    async with running(shell):
        step = await shell.buy()
        assert shell.seqs() == [step.seq]
        assert shell.journal.appends == 2
        again = await shell.buy()
    assert shell.seqs() == [step.seq, again.seq]


async def test_while_a_result_is_unknown_nothing_is_taken_or_answered() -> None:
    shell = Shell()
    shell.journal.append_faults.append(Fault("after", CUT))
    shell.journal.head_faults.extend(Fault("before", GONE) for _ in range(4))
    hold = asyncio.Event()
    shell.journal.head_faults.append(Fault(hold=hold))
    async with running(shell):
        future = shell.buy()
        while shell.journal.head_faults:
            await asyncio.sleep(0.001)
        assert not future.done()
        with pytest.raises(Unavailable):
            shell.buy()
        hold.set()
        assert (await future).seq == shell.seqs()[-1]
        await shell.buy()


async def test_a_full_disk_is_not_hammered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.02)
    shell = Shell()
    shell.journal.append_faults.extend(Fault("before", FULL) for _ in range(4))
    started = time.monotonic()
    async with running(shell):
        shell.committer._retry_seconds = 0.02
        await shell.buy()
    assert time.monotonic() - started > 0.02 + 0.04 + 0.08 + 0.16


@pytest.mark.parametrize("seed", [FIRST_SEED, *range(12)])
async def test_faults_at_random_lose_nothing_double_nothing_and_leave_nobody_waiting(
    seed: int,
) -> None:
    chance = seeded(seed)
    shell = Shell()
    shell.journal.append_faults.extend(random_fault(chance) for _ in range(40))
    shell.journal.head_faults.extend(Fault("before", GONE) for _ in range(chance.randrange(5)))
    futures: list[asyncio.Future[Released]] = []
    async with running(shell):
        while len(futures) < 120 and not shell.sequencer.stopped:
            try:
                futures += [shell.buy() for _ in range(chance.randrange(1, 6))]
            except Unavailable:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0)
        found = await answers(*futures)
    assert [step.seq for step in found if isinstance(step, Released)] == shell.seqs(), (
        f"seed {seed}"
    )
    assert [step.seq for step in shell.released] == shell.seqs(), f"seed {seed}"
    for row in shell.journal.rows:
        assert len([r for r in shell.journal.rows if r.seq == row.seq]) == 1


def random_fault(chance: random.Random) -> Fault:
    return Fault(chance.choice(MOMENTS), chance.choice(FAULTS))


# --- another leader -------------------------------------------------------------------------------


async def test_a_leader_that_was_replaced_acknowledges_nothing_more() -> None:
    shell = Shell()
    async with running(shell) as task:
        durable = await shell.buy()
        shell.journal.seize()
        (lost,) = await answers(shell.buy())
        assert isinstance(lost, OutcomeUnknown)
        with pytest.raises(LeaseLost, match=f"epoch {EPOCH + 1}"):
            await asyncio.wait_for(task, 5)
        with pytest.raises(Unavailable):
            shell.buy()
    assert shell.seqs() == [durable.seq]
    assert [step.seq for step in shell.released] == [durable.seq]


async def test_a_leader_replaced_while_its_commit_was_unknown_answers_so() -> None:
    shell = Shell()
    hold = asyncio.Event()
    shell.journal.append_faults.append(Fault("after", CUT))
    shell.journal.head_faults.append(Fault(hold=hold))
    async with running(shell) as task:
        future = shell.buy()
        while shell.journal.head_faults:
            await asyncio.sleep(0)
        shell.journal.seize()
        hold.set()
        (lost,) = await answers(future)
        assert isinstance(lost, OutcomeUnknown)
        with pytest.raises(LeaseLost):
            await asyncio.wait_for(task, 5)


@pytest.mark.parametrize("beyond", [-1, 1, 2])
async def test_a_journal_that_ends_elsewhere_is_not_written_to(beyond: int) -> None:
    shell = Shell()
    shell.journal.append_faults.append(Fault("before", CUT))
    async with running(shell) as task:
        future = shell.buy()
        end = shell.market.seq - 1 + beyond
        shell.journal.row = Head(EPOCH, end, b"x" * 32)
        (lost,) = await answers(future)
        assert isinstance(lost, OutcomeUnknown)
        with pytest.raises(LeaseLost, match=f"ends at {end}"):
            await asyncio.wait_for(task, 5)
    assert shell.seqs() == []


async def test_a_seq_that_is_taken_ends_the_leadership() -> None:
    shell = Shell()
    shell.journal.append_faults.append(Fault("before", asyncpg.UniqueViolationError("seq")))
    async with running(shell) as task:
        (lost,) = await answers(shell.buy())
        assert isinstance(lost, OutcomeUnknown)
        with pytest.raises(LeaseLost):
            await asyncio.wait_for(task, 5)


# --- the lease ------------------------------------------------------------------------------------


async def test_the_lease_is_renewed_in_silence() -> None:
    shell = Shell()
    async with running(shell):
        while shell.lease.renewals < 3:
            await asyncio.sleep(0.005)
    assert shell.seqs() == []


async def test_a_renewal_that_fails_stalls_until_one_succeeds() -> None:
    shell = Shell()
    shell.lease.faults.extend((GONE, LATE))
    async with running(shell):
        while not shell.sequencer.stalled:
            await asyncio.sleep(0.001)
        with pytest.raises(Unavailable):
            shell.buy()
        while shell.sequencer.stalled:
            await asyncio.sleep(0.001)
        await shell.buy()


async def test_a_lease_found_lost_at_renewal_ends_it() -> None:
    shell = Shell()
    shell.lease.faults.append(LeaseLost("gone"))
    async with running(shell) as task:
        waiting = asyncio.create_task(shell.sequencer.wait_durable(shell.market.seq + 1))
        with pytest.raises(LeaseLost):
            await asyncio.wait_for(task, 5)
        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(waiting, 5)


async def test_after_a_long_outage_of_the_journal_the_leader_starts_over() -> None:
    shell = Shell()
    hold = asyncio.Event()
    shell.journal.append_faults.append(Fault("before", GONE))
    shell.journal.head_faults.append(Fault(hold=hold))
    async with running(shell):
        future = shell.buy()
        while not shell.sequencer.stalled:
            await asyncio.sleep(0)
        shell.clock.at_ns += 301 * NS
        hold.set()
        await future
        rejected = (await shell.buy()).events[0]
        assert isinstance(rejected, e.OrderRejected)
        assert rejected.reason == "MARKET_NOT_OPEN"
    bodies = [step.envelope.body for step in shell.released]
    assert [body for body in bodies if isinstance(body, LeaderStarted)] == [LeaderStarted(EPOCH)]


@pytest.mark.parametrize(
    ("before", "database", "after", "ahead"),
    [
        (100, 100, 100, 0),
        (100, 150, 200, 0),
        (100, 100, 9_000, 0),  # a slow answer
        (100, 9_000, 9_000, 0),
        (100, 260, 200, 60),
        (100, 60, 200, -40),
        (200, 150, 100, 0),  # our clock went back meanwhile
    ],
)
def test_only_what_no_delay_explains_is_a_clock_difference(
    before: int, database: int, after: int, ahead: int
) -> None:
    if before > after:
        assert abs(_ahead_ns(before, database, after)) <= before - after
    else:
        assert _ahead_ns(before, database, after) == ahead


async def test_the_clock_difference_is_reported_at_each_renewal() -> None:
    shell = Shell()
    shell.lease.ahead_ns = 5 * NS
    async with running(shell):
        while len(shell.ahead) < 2:
            await asyncio.sleep(0.005)
    assert all(4 * NS < ahead <= 5 * NS for ahead in shell.ahead)


async def test_a_slow_answer_is_no_clock_difference() -> None:
    shell = Shell()
    shell.lease.answer_seconds = 0.2
    async with running(shell):
        while not shell.ahead:
            await asyncio.sleep(0.01)
    assert abs(shell.ahead[0]) < NS // 100


# --- ends -----------------------------------------------------------------------------------------


async def test_asked_to_stop_it_commits_what_was_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchange.sequencer.MAX_BATCH_ROWS", 2)
    shell = Shell()
    hold = asyncio.Event()
    shell.journal.append_faults.append(Fault(hold=hold))
    async with running(shell) as task:
        futures = [shell.buy() for _ in range(7)]
        while not shell.journal.appends:
            await asyncio.sleep(0)
        shell.sequencer.stop_taking("told to")
        hold.set()
        assert all(isinstance(step, Released) for step in await answers(*futures))
        await asyncio.wait_for(task, 5)
    assert len(shell.seqs()) == 7


async def test_cancelled_in_the_middle_of_a_commit_it_leaves_nobody_waiting() -> None:
    shell = Shell()
    shell.journal.append_faults.append(Fault(hold=asyncio.Event()))
    async with running(shell) as task:
        futures = [shell.buy() for _ in range(3)]
        watching = asyncio.create_task(shell.sequencer.wait_durable(shell.market.seq))
        while not shell.journal.appends:
            await asyncio.sleep(0)
        task.cancel()
        assert [type(found) for found in await answers(*futures)] == [OutcomeUnknown] * 3
        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(watching, 5)
        await asyncio.wait([task])
        assert task.cancelled()


async def test_an_unforeseen_failure_stops_the_exchange_and_says_why() -> None:
    shell = Shell()
    shell.journal.append_faults.append(Fault("before", KeyError("a mistake")))
    async with running(shell) as task:
        (lost,) = await answers(shell.buy())
        assert isinstance(lost, OutcomeUnknown)
        with pytest.raises(KeyError):
            await asyncio.wait_for(task, 5)
        with pytest.raises(Unavailable):
            shell.buy()


async def test_a_projection_that_fails_stops_the_exchange_after_it_has_answered() -> None:
    shell = Shell()

    def fail(_step: Released) -> None:
        raise KeyError("a mistake")

    async with running(shell) as task:
        shell.sequencer.listen(fail)
        first = shell.buy()
        assert isinstance((await answers(first))[0], Released)
        with pytest.raises(KeyError):
            await asyncio.wait_for(task, 5)
        with pytest.raises(Unavailable):
            shell.buy()


async def test_an_engine_that_breaks_while_a_batch_is_in_flight_loses_no_acknowledgement() -> None:
    shell = Shell()
    hold = asyncio.Event()
    shell.journal.append_faults.append(Fault(hold=hold))
    async with running(shell) as task:
        in_flight = shell.buy()
        while not shell.journal.appends:
            await asyncio.sleep(0)
        opened, broken = shell.buy(), shell.buy(POISON)
        hold.set()
        found = await answers(in_flight, opened, broken)
        assert isinstance(found[0], Released)
        assert [type(answer) for answer in found[1:]] == [OutcomeUnknown, OutcomeUnknown]
        with pytest.raises(EngineBroken, match="restart to go on without it"):
            await asyncio.wait_for(task, 5)
    assert shell.seqs() == [shell.released[0].seq]
    ((epoch, after_seq, case),) = shell.journal.cases
    assert (epoch, after_seq, case.request_id) == (EPOCH, shell.seqs()[-1], POISON)


async def test_a_quarantine_is_written_as_soon_as_the_database_is_back() -> None:
    shell = Shell()
    hold = asyncio.Event()
    faults = [Fault("before", GONE), Fault("before", LATE), Fault("before", CUT, hold)]
    shell.journal.quarantine_faults.extend(faults)
    async with running(shell) as task:
        opened, broken = shell.buy(), shell.buy(POISON)
        found = await answers(opened, broken)  # before the database is back
        assert [type(answer) for answer in found] == [OutcomeUnknown, OutcomeUnknown]
        assert shell.journal.cases == []
        hold.set()
        with pytest.raises(EngineBroken):
            await asyncio.wait_for(task, 5)
    assert [case.request_id for _, _, case in shell.journal.cases] == [POISON]
    assert shell.seqs() == []


async def test_a_broken_deadline_promises_nothing_for_the_restart() -> None:
    shell = Shell()
    shell.engine.breaks_on = AdvanceClock
    async with running(shell) as task:
        shell.clock.at_ns = shell.sequencer.next_deadline()
        shell.sequencer.tick()
        with pytest.raises(EngineBroken, match="a restart may meet it again"):
            await asyncio.wait_for(task, 5)
