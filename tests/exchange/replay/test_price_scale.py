"""Recorded prices become engine ticks in the same order, inside the engine's limits."""

from pathlib import Path

import pytest

from engine.rules import price_limits
from exchange.replay.scale import PriceScale, survey
from exchange.replay.venue import replay_rules
from tests.exchange.replay.tape import BUY, SELL, Tape

RULES = replay_rules()


def test_the_tick_is_the_greatest_common_divisor() -> None:
    scale = PriceScale({5_853_300, 5_853_200, 5_859_900}, RULES)
    assert scale.tick == 100
    assert scale.ticks_of == {5_853_200: 58_532, 5_853_300: 58_533, 5_859_900: 58_599}
    assert scale.price_of[58_533] == 5_853_300


@pytest.mark.parametrize(
    "prices",
    [
        {1},
        {1, 2, 3, 4},
        {100, 200, 195_000, 195_001, 1_999_999_900},
        {1_200_000_000 + cents for cents in range(0, 10_000, 100)},
        {1, 9_999_999_998},
        set(range(1, 3_000)) | {10**9},
    ],
)
def test_any_prices_fit_in_their_order(prices: set[int]) -> None:
    scale = PriceScale(prices, RULES)
    ticks = [scale.ticks_of[price] for price in sorted(prices)]
    lower, upper = price_limits(scale.reference_ticks, RULES)
    assert ticks == sorted(set(ticks))
    assert lower <= ticks[0] <= ticks[-1] <= upper


@pytest.mark.parametrize(
    ("ids_by_instant", "expected"),
    [
        ([[50], [51], [52]], 51),
        ([[7], [50]], 50),
        ([[40, 7, 45], [50], [51]], 51),
        ([[40, 7, 45], [44], [50, 51], [52]], 52),
        ([[50], [40, 7], [51]], 51),
        ([[50]], None),
        ([], None),
    ],
)
def test_an_id_given_out_early_in_the_recorded_time(
    ids_by_instant: list[list[int]], expected: int | None, tmp_path: Path
) -> None:
    tape = Tape(1)
    tape.rest(SELL, (1, 1_000, 1_000_000))
    tape.execute(1, 1)
    for ids in ids_by_instant:
        first = tape.rows + 1
        for order_id in ids:
            tape.add(order_id, 10, 990_000, BUY)
        tape.at_once(first)
    found = survey(*tape.recording.write(tmp_path), lambda _done, _total: None)
    assert found.first_id == expected
    assert (found.rows, found.levels) == (tape.rows, 1)
