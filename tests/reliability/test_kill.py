"""A1: kill -9 of the real server under REST and WebSocket load loses, doubles and invents nothing.

JINGTAN_KILLS sets the number of kills; JINGTAN_SEED repeats a run's random choices.
"""

import os
import sys
from collections.abc import Callable

from api.demo.market import OPERATOR_1
from tests.reliability.kills import OFFERED_RATE, Kind, kill_once, open_market
from tests.reliability.market_state import breaks_of_the_books
from tests.reliability.markets import Market
from tests.reliability.tally import Tally, percentile
from tests.seeded import FIRST_SEED, seeded

ROW = "A1"
KILLS = int(os.environ.get("JINGTAN_KILLS", "10"))
KILLS_PER_MARKET = 25
KINDS = [Kind.BUSY] * 10
KINDS[3] = KINDS[8] = Kind.QUIET
KINDS[6] = Kind.ROLLING
ATTEMPTS_PER_KILL = 3
EARLY = (sys.executable, "-m", "tests.reliability.early_acknowledgement", "run")


async def test_what_was_acknowledged_before_a_kill_is_there_once_after_the_restart(
    new_market: Callable[[], Market], tally: Tally
) -> None:
    chance = seeded(FIRST_SEED)
    attempts = 0
    while tally.trials < KILLS:
        market = new_market()
        killed = await open_market(market, chance)
        tally.notes["offered per second"] = f"closed loop, at least {OFFERED_RATE}"
        tally.notes["calibrated rate"] = round(killed.calibrated_rate)
        tally.notes["minimum rate"] = round(killed.minimum_rate)
        goal = min(KILLS, tally.trials + KILLS_PER_MARKET)
        while tally.trials < goal:
            attempts += 1
            assert attempts <= ATTEMPTS_PER_KILL * KILLS, "the load never reached its minimum"
            findings = await kill_once(killed, tally, KINDS[tally.trials % len(KINDS)])
            findings.assert_none(f"after kill {attempts}, JINGTAN_SEED={FIRST_SEED}")
        token = market.staff[OPERATOR_1.login]
        assert await breaks_of_the_books(market.server.port, token) == 0
        market.end()
    tally.notes["rate p50"] = percentile([float(rate) for rate in tally.rates], 50)
    tally.notes["ready p99 s"] = tally.recovery_percentile(99)
    assert tally.acknowledged > 0
    assert tally.resent_unknown > 0


async def test_the_trial_finds_acknowledgements_that_run_ahead_of_the_commit(
    market: Market,
) -> None:
    market.server.command = EARLY
    killed = await open_market(market, seeded(FIRST_SEED))
    tally = Tally("A1 with a planted bug", FIRST_SEED)
    findings = await kill_once(killed, tally, Kind.BUSY)
    assert findings.lost, f"JINGTAN_SEED={FIRST_SEED}"
