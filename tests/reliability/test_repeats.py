"""F1: a write sent one to five times at once, and again after a kill: one effect, one answer.

JINGTAN_REPEATS sets the number of trials; JINGTAN_SEED repeats a run's random choices.
"""

import os

from api.policy import POLICY
from tests.reliability.markets import Market
from tests.reliability.repeats import (
    Repeater,
    effects_by_key,
    expected_effects,
    routes_of,
    units_issued,
)
from tests.reliability.tally import Tally
from tests.reliability.write_catalogue import BUILDERS, NOT_BY_KEY, Catalogue
from tests.seeded import FIRST_SEED, seeded

ROW = "F1"
TRIALS = int(os.environ.get("JINGTAN_REPEATS", "500"))
ALWAYS_REFUSED = {("POST", "/ops/v1/market/opening")}
"""Opening a session that is open: repeating a refusal gives the same refusal."""


def test_every_write_of_the_policy_table_is_tried_or_has_its_reason() -> None:
    posts = {route for route in POLICY if route[0] == "POST"}
    assert posts == BUILDERS.keys() | NOT_BY_KEY.keys()
    assert not BUILDERS.keys() & NOT_BY_KEY.keys()


async def test_a_write_sent_many_times_and_across_a_kill_has_one_effect_and_one_answer(
    market: Market, tally: Tally
) -> None:
    server = market.server
    server.start()
    await server.wait_ready()
    catalogue = Catalogue(market)
    await catalogue.open()
    registered = await catalogue.registered_units()
    repeater = Repeater(server.port, seeded(FIRST_SEED))
    *routes, closing = BUILDERS
    for number in range(TRIALS - 1):
        route = routes[number % len(routes)]
        write = await catalogue.build(route, f"r{number}")
        await repeater.send_at_once(write, f"r{number}", tally)
    last = f"r{TRIALS - 1}"
    await repeater.send_at_once(await catalogue.build(closing, last), last, tally)
    server.kill()
    repeater.close()
    tally.fault("kill -9")
    server.start()
    tally.recovery_s.append(round(await server.wait_ready(), 3))
    for trial in repeater.trials:
        await repeater.repeat(trial, tally)
    repeater.close()
    issued = sum(units_issued(trial) for trial in repeater.trials)
    assert registered + issued == await catalogue.registered_units(), f"JINGTAN_SEED={FIRST_SEED}"
    assert routes_of(repeater.trials) == BUILDERS.keys() - ALWAYS_REFUSED
    actual = await effects_by_key(server.socket_dsn)
    expected = expected_effects(repeater.trials)
    assert expected == {key: actual[key] for key in expected}, f"JINGTAN_SEED={FIRST_SEED}"
    tally.notes["routes"] = len(BUILDERS)
    tally.notes["effects checked in the journal"] = len(expected)
