"""Where market time comes from."""

import time

from exchange.clock import DemoClock, SystemClock

HOUR = 3_600_000_000_000
SLACK = 5_000_000_000
"""More than any of these tests takes."""


def near(ns: int, expected_ns: int) -> bool:
    return expected_ns <= ns < expected_ns + SLACK


def test_the_system_clock_is_the_machines() -> None:
    clock = SystemClock()
    clock.resume_after(time.time_ns() + HOUR)
    assert near(clock.now_ns(), time.time_ns() - SLACK // 2)


def test_a_demo_clock_starts_now_or_where_it_is_told() -> None:
    assert near(DemoClock().now_ns(), time.time_ns() - SLACK // 2)
    assert near(DemoClock(5 * HOUR).now_ns(), 5 * HOUR)


def test_a_demo_clock_leaps_ahead_only_and_goes_on_from_there() -> None:
    clock = DemoClock(5 * HOUR)
    clock.leap_to(7 * HOUR)
    assert near(clock.now_ns(), 7 * HOUR)
    clock.leap_to(6 * HOUR)
    first, second = clock.now_ns(), clock.now_ns()
    assert near(first, 7 * HOUR)
    assert second >= first


def test_a_demo_clock_stands_still_while_the_exchange_is_down() -> None:
    clock = DemoClock()
    clock.resume_after(3 * HOUR)
    assert 3 * HOUR < clock.now_ns() < 3 * HOUR + SLACK


def test_a_demo_clock_goes_on_from_a_journal_that_is_ahead_of_it() -> None:
    clock = DemoClock(5 * HOUR)
    clock.resume_after(9 * HOUR)
    assert 9 * HOUR < clock.now_ns() < 9 * HOUR + SLACK


def test_an_empty_journal_leaves_a_demo_clock_where_it_is() -> None:
    clock = DemoClock(5 * HOUR)
    clock.resume_after(0)
    assert near(clock.now_ns(), 5 * HOUR)
