"""What a new leader finds and does after an outage (R-HALT-2, R-ACT-3)."""

import pytest

from engine import commands as c
from engine import events as e
from engine.calendar import NEVER_NS
from engine.codes import HaltCause, Phase
from engine.engine import Engine
from tests.market_driver import (
    DAY,
    HOUR,
    INSTRUMENT,
    MIDNIGHT,
    MINUTE,
    SECOND,
    Frame,
    MarketDriver,
    closed_market,
    open_market,
)

HALTED = e.TradingHalted(c.ALL_INSTRUMENTS, HaltCause.TECHNICAL, "outage")
CREDIT = c.CreditCash("A", 500, "bank-7")


WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "next Mon")


def at(moment: str) -> int:
    """UTC ns of "Mon 10:00" in Shanghai, in the week of 2024-05-06."""
    day, clock = moment.rsplit(" ", 1)
    hours, minutes = clock.split(":")
    return MIDNIGHT + WEEK.index(day) * DAY + int(hours) * HOUR + int(minutes) * MINUTE


def outage(market: MarketDriver, start: str, end: str) -> Frame:
    """The last command is sequenced at `start`; a new leader takes over at `end`."""
    market.advance_to(at(start) - 1)
    market.now_ns = at(start)
    market.apply(c.SYSTEM_ACTOR, c.AdvanceClock())
    return market.crash(at(end) - market.now_ns)


@pytest.mark.parametrize(
    ("start", "end", "missed_minutes", "is_halted", "phase"),
    [
        ("Mon 09:10", "Mon 09:25", 0, False, Phase.PRE_OPEN),
        ("Mon 09:20", "Mon 09:34", 4, False, Phase.CONTINUOUS),
        ("Mon 09:20", "Mon 09:35", 5, False, Phase.CONTINUOUS),
        ("Mon 09:20", "Mon 09:36", 6, True, Phase.HALTED),
        ("Mon 10:00", "Mon 10:05", 5, False, Phase.CONTINUOUS),
        ("Mon 10:00", "Mon 10:06", 6, True, Phase.HALTED),
        ("Mon 11:00", "Mon 12:00", 30, True, Phase.BREAK),
        ("Mon 11:28", "Mon 13:02", 4, False, Phase.CONTINUOUS),
        ("Mon 12:00", "Mon 12:59", 0, False, Phase.BREAK),
        ("Mon 14:57", "Mon 16:00", 3, False, Phase.CLOSED),
        ("Mon 14:58", "Tue 09:31", 3, False, Phase.CONTINUOUS),
        ("Mon 14:00", "Tue 08:00", 60, True, Phase.CLOSED),
        ("Mon 16:00", "Tue 09:10", 0, False, Phase.PRE_OPEN),
        ("Mon 10:00", "Wed 10:10", 90 + 120 + 240 + 40, True, Phase.HALTED),
        ("Fri 16:00", "next Mon 08:00", 0, False, Phase.CLOSED),
    ],
)
def test_the_session_time_that_was_missed_decides(
    start: str, end: str, missed_minutes: int, is_halted: object, phase: Phase
) -> None:
    market = closed_market()
    events = outage(market, start, end)
    assert e.LeadershipTaken(1, missed_minutes * MINUTE, bool(is_halted)) == events[0]
    assert (is_halted, phase) == (HALTED in events, market.market.instruments[INSTRUMENT].phase)
    market.engine.check_invariants()


def test_one_nanosecond_over_the_allowed_time_halts() -> None:
    market = open_market()
    events = market.crash(300 * SECOND + 1 - (market.now_ns - market.market.clock_ns))
    assert (events[0].missed_session_ns, events[0].is_halted) == (300 * SECOND + 1, True)


def test_the_allowed_time_is_a_rule() -> None:
    market = open_market(auto_resume_seconds=0)
    (taken, *_) = market.crash(0)
    assert (taken.missed_session_ns, taken.is_halted) == (1, True)


def test_missed_phases_do_not_open_the_market_for_anybody() -> None:
    market = open_market("A buys 5@10000 GTC")
    events = market.crash(DAY)
    phases = [event.phase for event in events if isinstance(event, e.PhaseChanged)]
    assert Phase.CONTINUOUS not in phases
    assert phases[:4] == [Phase.HALTED, Phase.BREAK, Phase.HALTED, Phase.CLOSED]


def test_days_that_passed_start_and_end_in_order_and_expire_their_orders() -> None:
    market = open_market("A buys 5@10000", "B sells 5@11000 GTC")
    events = market.crash(2 * DAY)
    days = [event for event in events if isinstance(event, e.DayStarted | e.DayEnded)]
    assert [
        e.DayEnded(20240506), e.DayStarted(20240507), e.DayEnded(20240507), e.DayStarted(20240508),
    ] == days  # fmt: skip
    assert e.OrderExpired(1, 5) in events
    assert list(market.market.books[INSTRUMENT].orders) == [2]


def test_a_halt_after_an_outage_is_lifted_by_the_operator() -> None:
    market = open_market("A buys 5@10000")
    market.crash(HOUR)
    (refused,) = market.say("B sells 5@10000")
    market.send("op-1", c.ResumeTrading(c.ALL_INSTRUMENTS, "all well"))
    accepted = market.say("B sells 5@10000")
    assert (refused.reason, type(accepted[0]).__name__) == ("MARKET_NOT_OPEN", "OrderAccepted")


def test_a_long_outage_gives_pending_acts_their_time_back() -> None:
    market = open_market()
    (proposed,) = market.send("op-1", c.ProposeAct(CREDIT, "please"))
    lost_ns = 3 * DAY + market.now_ns - market.market.clock_ns
    events = market.crash(3 * DAY)
    extended = e.ActExtended(proposed.act_id, proposed.expires_ns + lost_ns)
    approved = market.send("op-2", c.ApproveAct(proposed.act_id))
    assert extended == events[1]
    assert not [event for event in events if isinstance(event, e.ActExpired)]
    assert e.ActApproved(proposed.act_id, "op-2") == approved[0]


def test_extended_acts_expire_at_their_new_time() -> None:
    market = open_market(act_expiry_seconds=60)
    (proposed,) = market.send("op-1", c.ProposeAct(CREDIT, "please"))
    market.crash(HOUR)
    expires_ns = market.market.acts[proposed.act_id].expires_ns
    assert expires_ns > market.now_ns
    assert market.advance_to(expires_ns) == (e.ActExpired(proposed.act_id),)


def test_a_short_outage_leaves_deadlines_as_they_are() -> None:
    market = open_market(act_expiry_seconds=60)
    (proposed,) = market.send("op-1", c.ProposeAct(CREDIT, "please"))
    events = market.crash(2 * MINUTE)
    assert [e.LeadershipTaken, e.ActExpired] == [type(event) for event in events]
    assert e.ActExpired(proposed.act_id) == events[1]


def test_an_act_that_expires_at_the_takeovers_instant_is_expired() -> None:
    market = open_market(act_expiry_seconds=60)
    (proposed,) = market.send("op-1", c.ProposeAct(CREDIT, "please"))
    events = market.crash(proposed.expires_ns - market.now_ns)
    assert e.ActExpired(proposed.act_id) == events[-1]


@pytest.mark.parametrize("cause", [HaltCause.REGULATOR, HaltCause.OPERATOR])
def test_an_outage_does_not_replace_the_cause_of_a_halt_in_force(cause: HaltCause) -> None:
    market = open_market()
    market.send("eco-1", c.HaltTrading(c.ALL_INSTRUMENTS, cause, "inquiry"))
    events = market.crash(HOUR)
    assert (e.LeadershipTaken, [cause]) == (type(events[0]), list(market.market.halts.values()))
    assert HALTED not in events


def test_time_after_an_early_close_is_not_missed() -> None:
    market = open_market()
    market.send("op-1", c.CloseMarket("typhoon"))
    events = market.crash(4 * HOUR)
    assert events == (e.LeadershipTaken(1, 0, is_halted=False),)


def test_the_first_leader_finds_a_market_that_is_not_founded() -> None:
    market = MarketDriver(Engine())
    events = market.crash(0)
    assert (e.LeadershipTaken(1, 0, is_halted=False),) == events
    assert market.engine.next_deadline() == NEVER_NS


def test_a_leader_of_a_market_past_its_calendar_does_nothing() -> None:
    market = closed_market(days=1)
    market.end_day()
    events = market.crash(90 * DAY)
    assert events == (e.LeadershipTaken(1, 0, is_halted=False),)
    assert market.market.epoch == 1
