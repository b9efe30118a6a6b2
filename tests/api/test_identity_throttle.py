"""Failed logins are slowed more and more, and nobody is locked out for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.identity.errors import LoginThrottled
from api.identity.throttle import LoginThrottle, ThrottleRule, address_group
from tests.api.identity_world import HOME, ManualClock

RULE = ThrottleRule(free_attempts=3, refill_ms=60_000, longest_delay_ms=30_000)
ROOMY = ThrottleRule(free_attempts=1_000_000, refill_ms=1)
ELSEWHERE = "198.51.100.4"


def throttle(clock: ManualClock, *, per_address: ThrottleRule = ROOMY) -> LoginThrottle:
    return LoginThrottle(clock, per_login=RULE, per_address=per_address)


def wait_ms(throttled: LoginThrottle, login: str | None = "liwei", address: str = HOME) -> int:
    """0 if the attempt was let through (and charged), or the wait it was told."""
    try:
        throttled.charge(login, address)
    except LoginThrottled as refusal:
        return refusal.retry_after_ms or -1
    return 0


def test_delays_double_after_the_free_attempts_up_to_the_longest() -> None:
    clock = ManualClock()
    throttled = throttle(clock)
    assert [wait_ms(throttled) for _ in range(3)] == [0, 0, 0]
    waits = []
    for _ in range(8):
        waits.append(wait := wait_ms(throttled))
        clock.advance(wait / 1_000)
        assert wait_ms(throttled) == 0
    assert waits == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]


def test_an_attempt_inside_a_delay_does_not_prolong_it() -> None:
    clock = ManualClock()
    throttled = throttle(clock)
    for _ in range(3):
        wait_ms(throttled)
    assert [wait_ms(throttled) for _ in range(50)] == [1_000] * 50
    clock.advance(1)
    assert wait_ms(throttled) == 0


def test_attempts_in_parallel_are_charged_before_their_outcome_is_known() -> None:
    throttled = throttle(ManualClock())
    let_through = [wait_ms(throttled) for _ in range(1_000)].count(0)
    assert let_through == RULE.free_attempts


def test_failures_are_forgiven_one_by_one() -> None:
    clock = ManualClock()
    throttled = throttle(clock)
    for _ in range(3):
        wait_ms(throttled)
    clock.advance(2 * 60)
    assert [wait_ms(throttled) for _ in range(3)] == [0, 0, 1_000]


def test_a_success_forgets_the_failures_of_the_login() -> None:
    throttled = throttle(ManualClock())
    for _ in range(2):
        wait_ms(throttled)
    throttled.charge("liwei", HOME)
    throttled.succeed("liwei", HOME)
    waits = [wait_ms(throttled, address=ELSEWHERE) for _ in range(4)]
    assert waits == [0, 0, 0, 1_000]


def test_strangers_who_guess_do_not_delay_the_owner_at_a_trusted_address() -> None:
    throttled = throttle(ManualClock())
    throttled.trust("liwei", HOME)
    while wait_ms(throttled, address=ELSEWHERE) == 0:
        pass
    assert wait_ms(throttled, address=HOME) == 0
    assert wait_ms(throttled, address=ELSEWHERE) > 0


@given(pauses_s=st.lists(st.sampled_from([0, 0.001, 1, 31]), max_size=200))
def test_an_owner_without_a_trusted_address_waits_no_longer_than_the_longest_delay(
    pauses_s: list[float],
) -> None:
    clock = ManualClock()
    throttled = throttle(clock)
    for pause_s in pauses_s:
        assert 0 <= wait_ms(throttled, address=ELSEWHERE) <= RULE.longest_delay_ms
        clock.advance(pause_s)
    clock.advance(RULE.longest_delay_ms / 1_000)
    assert wait_ms(throttled, address=HOME) == 0


def test_one_address_guessing_at_many_logins_is_slowed() -> None:
    throttled = throttle(ManualClock(), per_address=RULE)
    waits = [wait_ms(throttled, login=f"login{n}") for n in range(5)]
    assert waits == [0, 0, 0, 1_000, 1_000]
    assert wait_ms(throttled, login=None) == 1_000
    assert wait_ms(throttled, login="login9", address=ELSEWHERE) == 0


def test_a_success_of_ones_own_does_not_wash_an_address_clean() -> None:
    throttled = throttle(ManualClock(), per_address=RULE)
    for n in range(2):
        wait_ms(throttled, login=f"victim{n}")
    throttled.charge("attacker", HOME)
    throttled.succeed("attacker", HOME)
    assert [wait_ms(throttled, login=f"victim{n}") for n in (3, 4)] == [0, 1_000]


def test_a_login_and_an_address_of_the_same_text_have_their_own_buckets() -> None:
    throttled = throttle(ManualClock(), per_address=RULE)
    for _ in range(3):
        wait_ms(throttled, login=None, address="liwei")
    assert wait_ms(throttled, login="liwei", address=HOME) == 0


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        ("x" * 500, "x" * 64),
    ],
)
def test_addresses_of_one_customer_share_a_bucket(address: str, group: str) -> None:
    assert group == address_group(address)


def test_a_full_table_refuses_new_buckets_and_keeps_the_old() -> None:
    clock = ManualClock()
    throttled = LoginThrottle(clock, per_login=RULE, per_address=ROOMY, max_buckets=2)
    for _ in range(3):
        wait_ms(throttled)
    assert wait_ms(throttled, login="other", address=ELSEWHERE) == 10_000
    assert wait_ms(throttled) == 1_000
    clock.advance(3_600)
    assert wait_ms(throttled, login="other", address=ELSEWHERE) == 0
