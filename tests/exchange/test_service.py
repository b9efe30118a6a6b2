"""The exchange as one process runs it, on a real PostgreSQL: lives, ends, quarantine."""

import asyncio
import time

import pytest

from api.main import ExitCode, _reason_of
from engine import commands as c
from engine import engine as engine_module
from engine import events as e
from engine.canonical import encode
from engine.codes import HaltCause, Phase
from engine.released import Released
from engine.step import Step
from engine.trading import enter_order
from exchange import committer, lease, recovery, service
from exchange.clock import DemoClock
from exchange.committer import EngineBroken
from exchange.database import open_pool
from exchange.faults import ClockUnusable, JournalBroken, LeaseLost, OutcomeUnknown, Unavailable
from exchange.feed import released
from exchange.journal import LEASE_SECONDS, Journal
from exchange.snapshots import Snapshots
from tests.exchange.doubles import NS, POISON
from tests.exchange.service_world import (
    WRITER,
    OutageClock,
    bodies,
    buy,
    gated,
    read_rows,
    recovered,
    replayed,
)
from tests.exchange_driver import ExchangeDriver, expire_lease, running
from tests.market_driver import INSTRUMENT, MINUTE
from tests.seeded import FIRST_SEED, seeded

# --- lives ----------------------------------------------------------------------------------------


async def test_what_was_acknowledged_is_there_after_a_crash(driver: ExchangeDriver) -> None:
    await driver.trade(seeded(FIRST_SEED), 100)
    digest, shown = driver.digest(), encode(driver.exchange.read.to_record())
    await driver.kill()
    journaled = {row.seq: released(row) for row in await read_rows(driver)}
    assert [journaled[step.seq] for step in driver.acknowledged] == driver.acknowledged
    state = await recovered(driver)
    assert (state.engine.state_digest(), encode(state.read.to_record())) == (digest, shown)


async def test_the_snapshot_of_an_orderly_stop_is_what_a_replay_gives(
    driver: ExchangeDriver,
) -> None:
    await driver.trade(seeded(FIRST_SEED), 200)
    await driver.stop()
    seqs = await snapshot_seqs(driver)
    assert seqs[0] == driver.exchange.sequencer.durable_seq
    assert_same(await recovered(driver), await replayed(driver))


async def test_after_an_orderly_stop_the_next_leader_need_not_wait(driver: ExchangeDriver) -> None:
    await driver.stop()
    started = time.monotonic()
    await driver.start()
    assert time.monotonic() - started < LEASE_SECONDS
    assert driver.exchange.recovered_seq == (await snapshot_seqs(driver))[0]


async def test_a_snapshot_taken_while_the_leader_writes_is_a_start_for_the_next(
    driver: ExchangeDriver,
) -> None:
    trading = asyncio.create_task(driver.trade_until_gone(seeded(FIRST_SEED)))
    before = driver.exchange.sequencer.durable_seq
    for _ in range(3):
        await driver.take_snapshot()
    after = driver.exchange.sequencer.durable_seq
    await driver.kill()
    await trading
    seqs = await snapshot_seqs(driver)
    assert before <= seqs[-1] <= seqs[0] <= after
    assert_same(await recovered(driver), await replayed(driver))


async def snapshot_seqs(driver: ExchangeDriver) -> list[int]:
    pool = await open_pool(driver.dsn, WRITER, min_size=1, max_size=1)
    seqs = await Snapshots(pool).seqs()
    pool.terminate()
    return seqs


def assert_same(one: recovery.Recovered, other: recovery.Recovered) -> None:
    assert (one.seq, one.chain) == (other.seq, other.chain)
    assert one.engine.state_digest() == other.engine.state_digest()
    assert encode(one.read.to_record()) == encode(other.read.to_record())


async def test_a_demo_clock_goes_on_where_the_journal_ends(driver: ExchangeDriver) -> None:
    last_ns = driver.engine.market.clock_ns
    await driver.stop()
    driver.clock = DemoClock()
    await driver.start()
    assert 0 < driver.clock.now_ns() - last_ns < 60 * NS
    assert driver.engine.market.halts == {}
    assert driver.exchange.read.trading_day == 20240506


@pytest.mark.parametrize(
    ("outage_ns", "phase"), [(4 * MINUTE, Phase.CONTINUOUS), (10 * MINUTE, Phase.HALTED)]
)
async def test_after_a_long_outage_the_market_is_halted(
    driver: ExchangeDriver, outage_ns: int, phase: Phase
) -> None:
    await driver.stop()
    driver.clock = OutageClock(driver.engine.market.clock_ns + outage_ns)
    await driver.start()
    await driver.exchange.sequencer.wait_durable(driver.exchange.recovered_seq + 1)
    assert driver.exchange.read.instruments[INSTRUMENT].phase is phase
    assert bool(driver.exchange.read.halts) == (phase is Phase.HALTED)


async def test_a_journal_that_ends_in_the_future_is_not_opened(driver: ExchangeDriver) -> None:
    await driver.stop()
    last_ns = driver.engine.market.clock_ns
    driver.clock = OutageClock(last_ns - 5 * NS)
    with pytest.raises(ClockUnusable):
        await driver.start()
    await expire_lease(driver.dsn)
    driver.clock = OutageClock(last_ns - NS)
    await driver.start()  # within what clocks may differ


# --- requests -------------------------------------------------------------------------------------


async def test_a_repeated_request_gets_the_first_answer_from_the_journal(
    driver: ExchangeDriver,
) -> None:
    first = await driver.exchange.submit(*buy("once"))
    again = await driver.exchange.submit(*buy("once"))
    assert (first.is_repeated, again.is_repeated) == (False, True)
    assert again.step == first.step
    at_once = await asyncio.gather(*(driver.exchange.submit(*buy("twice")) for _ in range(5)))
    assert [outcome.is_repeated for outcome in at_once] == [False, True, True, True, True]
    assert len({outcome.step.seq for outcome in at_once}) == 1


async def test_a_first_answer_that_cannot_be_read_is_an_unknown_outcome(
    driver: ExchangeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await driver.exchange.submit(*buy("once"))

    async def cut(_journal: Journal, _seq: int) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(Journal, "read", cut)
    with pytest.raises(OutcomeUnknown):
        await driver.exchange.submit(*buy("once"))


async def test_a_client_that_gives_up_does_not_take_its_command_back(
    driver: ExchangeDriver,
) -> None:
    asking = asyncio.create_task(driver.exchange.submit(*buy("impatient")))
    await asyncio.sleep(0)
    asking.cancel()
    await driver.exchange.submit(*buy("patient"))
    known = driver.exchange.read.order_of_client_id
    assert ("A", "impatient") in known
    assert ("A", "patient") in known


# --- a broken engine ------------------------------------------------------------------------------


def enter_unless_poisoned(step: Step, command: c.EnterOrder) -> None:
    if command.client_order_id == POISON:
        step.market.fees_fen += 1  # halfway through
        raise KeyError("a mistake")
    enter_order(step, command)


async def test_a_poisoned_request_is_refused_after_one_restart_and_no_other_is(
    driver: ExchangeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engine_module._HANDLERS, c.EnterOrder, enter_unless_poisoned)
    await driver.say("A buys 3@9500")
    digest, ran = driver.digest(), driver.exchange.running
    with pytest.raises(OutcomeUnknown):
        await driver.exchange.submit(*buy(POISON))
    with pytest.raises(EngineBroken, match="restart to go on without it"):
        await ran
    with pytest.raises(Unavailable):
        await driver.exchange.submit(*buy("next"))
    await driver.stop()
    for _ in range(3):
        await driver.start()
        assert driver.engine.market.fees_fen == 0
        assert driver.engine.market.halts == {INSTRUMENT: HaltCause.TECHNICAL}
        outcome = await driver.exchange.submit(*buy(POISON))
        (refused,) = outcome.step.events
        assert isinstance(refused, e.OrderRejected)
        assert refused.reason == "REQUEST_QUARANTINED"
        await driver.stop()
    assert len(await bodies(driver, c.RefuseRequest)) == 1
    assert digest != driver.digest()


async def test_the_instrument_of_a_poisoned_amendment_is_found_in_the_market_before_it(
    driver: ExchangeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = (await driver.say("A buys 3@9500")).events[0].order_id  # type: ignore[union-attr]

    def forget_and_break(step: Step, command: c.AmendOrder) -> None:
        del step.market.books[INSTRUMENT].orders[command.order_id]
        raise KeyError("a mistake")

    monkeypatch.setitem(engine_module._HANDLERS, c.AmendOrder, forget_and_break)
    with pytest.raises(OutcomeUnknown):
        await driver.submit("trader-A", c.AmendOrder("A", order_id, 9_600, 3), POISON)
    await asyncio.wait([driver.exchange.running])
    await driver.stop()
    await driver.start()
    assert driver.engine.market.halts == {INSTRUMENT: HaltCause.TECHNICAL}


async def test_a_broken_engine_leaves_no_snapshot_of_itself(driver: ExchangeDriver) -> None:
    market = driver.engine.market
    market.instruments["ghost"] = None  # type: ignore[assignment]
    driver.clock.leap_to(driver.exchange.sequencer.next_deadline())
    await asyncio.wait([driver.exchange.running])
    with pytest.raises(EngineBroken, match="AdvanceClock"):
        await driver.exchange.running
    await driver.stop()
    assert await snapshot_seqs(driver) == []
    await driver.start()
    assert driver.exchange.recovered_seq == market.seq - 1
    assert await bodies(driver, c.RefuseRequest) == []
    assert driver.exchange.read.instruments[INSTRUMENT].phase is Phase.CONTINUOUS


async def test_an_engine_that_breaks_while_taking_the_lead_opens_nothing(
    driver: ExchangeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(_step: Step, _command: c.LeaderStarted) -> None:
        raise KeyError("a mistake")

    await driver.stop()
    with monkeypatch.context() as patch:
        patch.setitem(engine_module._HANDLERS, c.LeaderStarted, break_down)
        with pytest.raises(EngineBroken, match="a mistake"):
            await driver.start()
    await expire_lease(driver.dsn)
    await driver.start()


# --- ends -----------------------------------------------------------------------------------------


async def test_stopping_answers_everybody_and_keeps_what_it_answered(
    driver: ExchangeDriver,
) -> None:
    asking = [asyncio.create_task(driver.exchange.submit(*buy(f"s{n}"))) for n in range(50)]
    watching = asyncio.create_task(driver.exchange.feed.wait_beyond(10**9))
    await asyncio.sleep(0)
    await driver.stop()
    for outcome in await asyncio.gather(*asking):
        assert isinstance(outcome.step.events[0], e.OrderAccepted)
    with pytest.raises(OutcomeUnknown):
        await asyncio.wait_for(watching, 5)
    await driver.start()
    assert ("A", "s49") in driver.exchange.read.order_of_client_id


async def test_stopping_without_the_database_ends_in_time_and_answers_everybody(
    driver: ExchangeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "STOP_SECONDS", 0.3)
    async with gated(driver) as (exchange, gate):
        await exchange.submit(*buy("before"))
        gate.gate.clear()
        asking = asyncio.create_task(exchange.submit(*buy("unknown")))
        await asyncio.sleep(0.05)
        started = time.monotonic()
        await exchange.stop()
        assert time.monotonic() - started < 2
        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(asking, 5)
        assert exchange.running.done()
    await expire_lease(driver.dsn)
    await driver.start()
    assert ("A", "before") in driver.exchange.read.order_of_client_id


async def test_a_projection_that_fails_ends_the_exchange_not_the_answers(
    driver: ExchangeDriver,
) -> None:
    def fail(_step: Released, _changes: object) -> None:
        raise KeyError("a mistake")

    driver.exchange.listen(fail)
    outcome = await driver.exchange.submit(*buy("answered"))
    assert isinstance(outcome.step.events[0], e.OrderAccepted)
    with pytest.raises(KeyError):
        await driver.exchange.running
    with pytest.raises(Unavailable):
        await driver.exchange.submit(*buy("next"))
    await driver.stop()
    await driver.start()
    assert ("A", "answered") in driver.exchange.read.order_of_client_id


async def test_a_clock_that_fails_ends_the_exchange(
    driver: ExchangeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise OSError("no clock")

    monkeypatch.setattr(driver.clock, "now_ns", fail)
    with pytest.raises(OSError, match="no clock"):
        await driver.exchange.running
    with pytest.raises(Unavailable):
        await driver.exchange.submit(*buy("next"))


# --- clocks and snapshots -------------------------------------------------------------------------


async def test_a_clock_that_parts_from_the_databases_halts_the_market_once(
    driver: ExchangeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "time_ns", lambda: time.time_ns() + 3 * NS)
    await halted(driver, is_halted=True)
    await driver.submit("op-1", c.ResumeTrading(c.ALL_INSTRUMENTS, "seen"), "resume")
    renewals = 3 * lease.RENEW_SECONDS
    await asyncio.sleep(renewals)
    await halted(driver, is_halted=False)
    monkeypatch.setattr(committer, "time_ns", time.time_ns)
    await asyncio.sleep(renewals)
    monkeypatch.setattr(committer, "time_ns", lambda: time.time_ns() - 3 * NS)
    await halted(driver, is_halted=True)
    notes = [body.note for body in await bodies(driver, c.HaltTrading)]  # type: ignore[union-attr]
    assert len(notes) == 2
    assert notes[0].startswith("clock differs by -")


async def halted(driver: ExchangeDriver, *, is_halted: bool) -> None:
    """Wait until the market is halted, or is not."""
    async with asyncio.timeout(5):
        while bool(driver.exchange.read.halts) != is_halted:
            await asyncio.sleep(0.01)


async def test_a_clock_jump_is_not_forgotten_when_no_command_can_be_taken(
    driver: ExchangeDriver,
) -> None:
    sequencer = driver.exchange.sequencer
    sequencer.stall(OSError("gone"))
    driver.exchange._on_database_time(5 * NS)
    sequencer.recover()
    driver.exchange._on_database_time(5 * NS)
    await halted(driver, is_halted=True)


async def test_a_snapshot_is_taken_at_the_days_end_and_every_so_many_commands(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "SNAPSHOT_EVERY_COMMANDS", 40)
    async with running(dsn) as driver:
        pool = await open_pool(dsn, WRITER, min_size=1, max_size=1)
        snapshots = Snapshots(pool)
        await driver.trade(seeded(FIRST_SEED), 60)
        await until_newer(snapshots, driver.exchange.recovered_seq)
        monkeypatch.setattr(service, "SNAPSHOT_EVERY_COMMANDS", 10**9)
        before = driver.exchange.sequencer.durable_seq
        await driver.end_day()
        await until_newer(snapshots, before)
        pool.terminate()


async def until_newer(snapshots: Snapshots, seq: int) -> None:
    async with asyncio.timeout(10):
        while max(await snapshots.seqs(), default=0) <= seq:
            await asyncio.sleep(0.02)


async def test_a_follower_that_fails_does_not_touch_the_market(dsn: str) -> None:
    async with running(dsn) as driver:
        failures = [JournalBroken(1, "a difference"), OSError("no process")]

        async def fail() -> None:
            raise failures.pop()

        driver.exchange._take_snapshot = fail
        for left in (1, 0):
            driver.exchange._snapshot_due.set()
            while len(failures) > left:
                await asyncio.sleep(0.01)
        await driver.say("A buys 5@9000")


async def test_operators_see_where_the_journal_stands(driver: ExchangeDriver) -> None:
    status = driver.exchange.journal_status()
    head = await driver.exchange._journal.head()
    assert (status["durable_seq"], status["epoch"]) == (head.last_seq, head.epoch)
    assert status["chain"] == head.last_chain.hex()
    assert (status["pending"], status["stalled"]) == (0, "")


def test_why_the_exchange_ended_becomes_an_exit_code_and_one_line() -> None:
    ends: dict[Exception, ExitCode] = {
        LeaseLost("epoch 8 holds the lease"): ExitCode.LEASE_LOST,
        EngineBroken("the engine broke on EnterOrder"): ExitCode.ENGINE_BROKEN,
        KeyError("a mistake"): ExitCode.FAILED,
    }
    for end, code in ends.items():
        failure = _reason_of(end)
        assert failure.code == code
        assert str(end) in str(failure)
        assert "\n" not in str(failure)
