"""D3: whatever is sent to the market, its invariants hold and its events tell its state.

JINGTAN_EXAMPLES and JINGTAN_STEPS set the size; JINGTAN_SEED repeats a run.
"""

import os

from hypothesis import HealthCheck, note, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.market_machine import MarketMachine
from tests.seeded import FIRST_SEED

EXAMPLES = int(os.environ.get("JINGTAN_EXAMPLES", "400"))
STEPS = int(os.environ.get("JINGTAN_STEPS", "50"))


@seed(FIRST_SEED)
class SeededMarketMachine(MarketMachine):
    """The machine, from a seed that a failure names."""

    def teardown(self) -> None:
        note(f"JINGTAN_SEED={FIRST_SEED}")


def test_the_market_keeps_its_invariants_whatever_is_sent() -> None:
    run_state_machine_as_test(
        SeededMarketMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
