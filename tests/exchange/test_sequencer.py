"""The sequencer: order, time, the bounded window, and that every future ends."""

import asyncio
import time
from typing import Any

import msgspec
import pytest

from engine import commands as c
from engine import events as e
from engine.canonical import decode_envelope, decode_events, encode
from engine.codes import HaltCause, Phase
from engine.released import Released
from exchange import sequencer as module
from exchange.chain import GENESIS, link
from exchange.faults import OutcomeUnknown, Unavailable
from tests.exchange.doubles import EPOCH, NS, POISON, Shell
from tests.market_driver import INSTRUMENT, MINUTE


def kinds(steps: list[Released]) -> list[str]:
    return [type(step.envelope.body).__name__ for step in steps]


def is_pending(future: "asyncio.Future[Any]") -> bool:
    return not future.done()


# --- order and durability -----------------------------------------------------------------------


async def test_nothing_is_answered_or_shown_before_its_batch_is_durable() -> None:
    shell = Shell()
    first, second = shell.buy(), shell.buy()
    shell.sequencer.take_batch()
    third = shell.buy()
    await asyncio.sleep(0)
    assert is_pending(first)
    assert shell.released == []
    shell.sequencer.release_batch()
    assert [step.seq for step in shell.released] == [first.result().seq, second.result().seq]
    assert is_pending(third)
    shell.commit()
    assert third.result().seq == second.result().seq + 1 == shell.sequencer.durable_seq


async def test_listeners_hear_every_step_once_and_in_order() -> None:
    shell = Shell()
    before = shell.market.seq
    for size in (3, 1, 5):
        for _ in range(size):
            shell.buy()
        shell.commit()
    assert [step.seq for step in shell.released] == list(range(before + 1, before + 10))


async def test_the_journaled_rows_are_chained_and_hold_what_was_applied() -> None:
    shell = Shell("B sells 5@9000")
    futures = [shell.buy(), shell.buy(quantity=9), shell.buy(price_ticks=1)]
    chain = GENESIS
    for pending, future in zip(shell.sequencer.take_batch(), futures, strict=True):
        row = pending.row
        chain = link(chain, row.seq, EPOCH, row.command, row.events)
        assert (row.chain, row.epoch) == (chain, EPOCH)
        envelope = decode_envelope(row.command)
        assert shell.start.apply(row.seq, envelope) == decode_events(row.events)
        shell.sequencer.stop("end of the test")
        assert future.exception() is not None
    assert shell.start.state_digest() == shell.engine.state_digest()


@pytest.mark.parametrize("name", ["\ud800", 5])
async def test_what_cannot_be_journaled_is_not_sequenced(name: Any) -> None:
    shell = Shell()
    digest = shell.engine.state_digest()
    with pytest.raises((UnicodeEncodeError, msgspec.ValidationError)):
        shell.sequencer.submit("op-1", "r", c.HaltTrading(name, HaltCause.OPERATOR, "note"))
    assert shell.engine.state_digest() == digest
    future = shell.buy()
    shell.commit()
    assert isinstance(future.result().events[0], e.OrderAccepted)


async def test_a_listener_that_fails_takes_no_answer_from_anybody() -> None:
    shell = Shell()
    waiting = asyncio.create_task(shell.sequencer.wait_durable(shell.market.seq + 2))
    futures = [shell.buy(), shell.buy()]
    await asyncio.sleep(0)

    def fail(_step: Released) -> None:
        raise KeyError("a mistake in a projection")

    shell.sequencer.listen(fail)
    with pytest.raises(KeyError):
        shell.commit()
    assert [future.done() for future in futures] == [True, True]
    shell.sequencer.stop("the committer ends")
    with pytest.raises(OutcomeUnknown):
        await asyncio.wait_for(waiting, 1)  # seq 2 was not shown: durable_seq says what has been


# --- time -----------------------------------------------------------------------------------------


async def test_time_grows_although_the_clock_stands_still_or_goes_back() -> None:
    shell = Shell()
    shell.buy()
    shell.clock.at_ns -= 10 * NS
    shell.buy()
    shell.buy()
    shell.commit()
    stamps = [step.envelope.timestamp_ns for step in shell.released]
    assert stamps == [stamps[0], stamps[0] + 1, stamps[0] + 2]


async def test_every_deadline_on_the_way_comes_before_the_command() -> None:
    shell = Shell()
    lunch = shell.sequencer.next_deadline()
    shell.clock.at_ns = lunch + 100 * MINUTE
    future = shell.buy()
    shell.commit()
    assert kinds(shell.released) == ["AdvanceClock", "AdvanceClock", "EnterOrder"]
    assert shell.released[0].envelope.timestamp_ns == lunch
    assert isinstance(future.result().events[0], e.OrderAccepted)  # the afternoon session


async def test_a_deadline_between_two_looks_at_the_clock_is_not_overdue() -> None:
    for early_ns in range(1, 6):
        shell = Shell()
        shell.clock.at_ns, shell.clock.step_ns = shell.sequencer.next_deadline() - early_ns, 1
        for _ in range(6):
            shell.buy()
        assert not shell.sequencer.stopped
        shell.commit()
        assert kinds(shell.released).count("AdvanceClock") == 1


async def test_a_clock_that_lags_behind_the_last_stamp_meets_the_deadline_all_the_same() -> None:
    shell = Shell()
    shell.clock.at_ns = shell.sequencer.next_deadline() - 2
    for _ in range(4):
        shell.buy()
    shell.commit()
    assert kinds(shell.released) == [
        "EnterOrder",
        "EnterOrder",
        "AdvanceClock",
        *["EnterOrder"] * 2,
    ]
    assert not shell.sequencer.stopped


async def test_time_passes_in_silence() -> None:
    shell = Shell()
    shell.sequencer.tick()
    assert shell.sequencer.pending_count == 0
    shell.clock.at_ns = shell.sequencer.next_deadline()
    shell.sequencer.tick()
    shell.commit()
    assert kinds(shell.released) == ["AdvanceClock"]
    assert shell.market.instruments[INSTRUMENT].phase is Phase.BREAK


# --- the window -----------------------------------------------------------------------------------


async def test_a_full_window_refuses_before_sequencing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PENDING_ROWS", 3)
    shell = Shell()
    accepted = [shell.buy() for _ in range(3)]
    seq = shell.market.seq
    with pytest.raises(Unavailable):
        shell.buy()
    shell.clock.at_ns = shell.sequencer.next_deadline()
    shell.sequencer.tick()
    assert shell.market.seq == seq  # what is due waits as well
    shell.commit()
    assert all(future.done() for future in accepted)
    shell.sequencer.tick()
    assert shell.market.seq == seq + 1


async def test_the_window_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PENDING_BYTES", 600)
    shell = Shell()
    shell.buy()
    shell.buy()
    with pytest.raises(Unavailable):
        shell.buy()
    shell.commit()
    shell.buy()
    shell.commit()
    assert shell.sequencer._pending_bytes == 0


async def test_the_window_is_bounded_in_age(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = Shell()
    shell.buy()
    shell.sequencer.take_batch()
    now = time.monotonic() + module.MAX_PENDING_SECONDS
    monkeypatch.setattr(module, "monotonic", lambda: now + 0.1)
    with pytest.raises(Unavailable):
        shell.buy()
    shell.sequencer.release_batch()
    shell.buy()


async def test_a_batch_has_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BATCH_ROWS", 2)
    shell = Shell()
    for _ in range(3):
        shell.buy()
    assert len(shell.sequencer.take_batch()) == 2
    assert shell.sequencer.has_work.is_set()
    shell.sequencer.release_batch()
    assert len(shell.sequencer.take_batch()) == 1
    assert not shell.sequencer.has_work.is_set()


# --- outages --------------------------------------------------------------------------------------


async def test_while_the_journal_does_not_answer_commands_are_refused_and_deadlines_wait() -> None:
    shell = Shell()
    seq = shell.market.seq
    shell.sequencer.stall(OSError("gone"))
    with pytest.raises(Unavailable):
        shell.buy()
    for _ in range(3):
        shell.clock.at_ns = shell.sequencer.next_deadline()
        shell.sequencer.tick()
    assert shell.market.seq == seq


async def test_a_short_outage_goes_unnoticed_by_the_market() -> None:
    shell = Shell()
    shell.sequencer.stall(OSError("gone"))
    shell.clock.at_ns += 299 * NS
    shell.sequencer.recover()
    shell.buy()
    shell.commit()
    assert kinds(shell.released) == ["EnterOrder"]
    assert shell.market.halts == {}


async def test_after_a_long_outage_the_market_is_halted_and_no_deadline_was_lost() -> None:
    shell = Shell()
    shell.sequencer.stall(OSError("gone"))
    shell.clock.at_ns = shell.sequencer.next_deadline() + NS
    shell.sequencer.recover()
    shell.sequencer.tick()
    shell.commit()
    (step,) = shell.released
    assert isinstance(step.envelope.body, c.LeaderStarted)
    assert step.envelope.body.epoch == EPOCH
    assert shell.market.halts == {c.ALL_INSTRUMENTS: HaltCause.TECHNICAL}
    assert shell.market.instruments[INSTRUMENT].phase is Phase.BREAK


async def test_an_outage_is_counted_from_its_first_failure() -> None:
    shell = Shell()
    shell.sequencer.stall(OSError("gone"))
    shell.clock.at_ns += 200 * NS
    shell.sequencer.stall(OSError("still"))
    shell.clock.at_ns += 200 * NS
    shell.sequencer.recover()
    assert shell.market.halts


# --- a broken engine ------------------------------------------------------------------------------


async def test_a_command_that_breaks_the_engine_stops_everything_and_is_kept() -> None:
    shell = Shell()
    before = shell.buy()
    broken = shell.buy(POISON)
    assert isinstance(broken.exception(), OutcomeUnknown)
    with pytest.raises(Unavailable):
        shell.buy()
    assert is_pending(before)
    case = shell.sequencer.quarantine
    assert case is not None
    assert (case.scope, case.request_id, case.instrument_id) == (
        "participant:A",
        POISON,
        INSTRUMENT,
    )
    assert decode_envelope(case.command).request_id == POISON
    assert case.error == "ZeroDivisionError: by a mistake"
    shell.sequencer.stop(shell.sequencer.stopped)
    assert isinstance(before.exception(), OutcomeUnknown)


async def test_a_deadline_that_breaks_the_engine_takes_no_command_with_it() -> None:
    shell = Shell()
    shell.engine.breaks_on = c.AdvanceClock
    shell.clock.at_ns = shell.sequencer.next_deadline()
    seq = shell.sequencer.durable_seq
    with pytest.raises(Unavailable):
        shell.buy()
    case = shell.sequencer.quarantine
    assert case is not None
    assert (case.request_id, case.scope) == ("", c.SYSTEM_ACTOR)
    assert shell.sequencer.pending_count == 0
    assert shell.sequencer.durable_seq == seq


async def test_a_tick_that_breaks_the_engine_says_so_by_stopping() -> None:
    shell = Shell()
    shell.engine.breaks_on = c.AdvanceClock
    shell.clock.at_ns = shell.sequencer.next_deadline()
    shell.sequencer.tick()
    shell.sequencer.tick()
    assert shell.sequencer.stopped == "the engine broke on AdvanceClock"
    assert shell.sequencer.has_work.is_set()


async def test_events_that_cannot_be_journaled_break_the_engine_as_well() -> None:
    shell = Shell()
    shell.engine.breaks_with = None
    future = shell.buy(POISON)
    assert isinstance(future.exception(), OutcomeUnknown)
    assert shell.sequencer.quarantine is not None
    assert shell.sequencer.pending_count == 0


# --- every future ends ----------------------------------------------------------------------------


async def test_stopping_ends_every_future_whose_command_is_not_durable() -> None:
    shell = Shell()
    durable = shell.buy()
    shell.commit()
    in_flight = shell.buy()
    shell.sequencer.take_batch()
    opened = shell.buy()
    watching = asyncio.create_task(shell.sequencer.wait_durable(shell.market.seq + 9))
    await asyncio.sleep(0)
    shell.sequencer.stop("told to")
    assert isinstance(durable.result().events[0], e.OrderAccepted)
    for future in (in_flight, opened):
        assert str(future.exception()) == "told to"
    with pytest.raises(OutcomeUnknown, match="told to"):
        await asyncio.wait_for(watching, 1)
    with pytest.raises(OutcomeUnknown):
        await shell.sequencer.wait_durable(shell.market.seq + 9)
    with pytest.raises(Unavailable):
        shell.buy()


async def test_what_is_sequenced_may_become_durable_after_the_last_command_was_taken() -> None:
    shell = Shell()
    future = shell.buy()
    shell.sequencer.stop_taking("soon")
    with pytest.raises(Unavailable, match="soon"):
        shell.buy()
    shell.commit()
    assert isinstance(future.result().events[0], e.OrderAccepted)


async def test_a_client_that_left_disturbs_neither_release_nor_stop() -> None:
    shell = Shell()
    left, stays = shell.buy(), shell.buy()
    left.cancel()
    shell.commit()
    assert stays.result().seq == shell.sequencer.durable_seq
    shell.buy().cancel()
    shell.sequencer.stop("told to")


async def test_waiting_for_a_seq_ends_when_it_is_durable() -> None:
    shell = Shell()
    await shell.sequencer.wait_durable(shell.sequencer.durable_seq)
    shell.buy()
    near = asyncio.create_task(shell.sequencer.wait_durable(shell.market.seq))
    far = asyncio.create_task(shell.sequencer.wait_durable(shell.market.seq + 1))
    left = asyncio.create_task(shell.sequencer.wait_durable(shell.market.seq))
    await asyncio.sleep(0)
    left.cancel()
    shell.commit()
    await asyncio.wait_for(near, 1)
    assert not far.done()
    shell.buy()
    shell.commit()
    await asyncio.wait_for(far, 1)
    assert shell.sequencer._durable_waiters == []


async def test_a_command_of_the_exchange_itself_has_nobody_waiting() -> None:
    shell = Shell()
    halt = c.HaltTrading(c.ALL_INSTRUMENTS, HaltCause.TECHNICAL, "note")
    shell.sequencer.submit_own(halt)
    shell.commit()
    assert [step.envelope.actor for step in shell.released] == [c.SYSTEM_ACTOR]
    shell.sequencer.stop("told to")
    with pytest.raises(Unavailable):
        shell.sequencer.submit_own(halt)


async def test_the_engine_gets_what_the_journal_gives_back() -> None:
    shell = Shell()
    future = shell.buy()
    (pending,) = shell.sequencer.take_batch()
    shell.sequencer.release_batch()
    step = future.result()
    assert encode(step.envelope) == pending.row.command
    assert step.envelope == decode_envelope(pending.row.command)
