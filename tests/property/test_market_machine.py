"""D3: whatever is sent to the market, its invariants hold and its events tell its state."""

from hypothesis import note, seed
from hypothesis.stateful import run_state_machine_as_test

from tests.property.market_machine import MarketMachine
from tests.property.sizes import SIZES
from tests.seeded import FIRST_SEED


@seed(FIRST_SEED)
class SeededMarketMachine(MarketMachine):
    """The machine, from a seed that a failure names."""

    def teardown(self) -> None:
        note(f"JINGTAN_SEED={FIRST_SEED}")


def test_the_market_keeps_its_invariants_whatever_is_sent() -> None:
    run_state_machine_as_test(SeededMarketMachine, settings=SIZES)
