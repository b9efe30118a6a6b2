"""Nothing that is sent can break the engine: whatever the fields hold, there is an answer."""

from hypothesis import given, note, seed
from hypothesis import strategies as st

from engine import commands as c
from engine import events as e
from engine.canonical import decode_envelope, decode_events, encode
from engine.codes import Role
from tests.market_driver import MarketDriver, copy_of, open_market
from tests.property.any_command import commands
from tests.property.sizes import SIZES
from tests.seeded import FIRST_SEED


def market_with_everything() -> MarketDriver:
    """A small open market in which many names of the commands mean something."""
    market = open_market("A buys 5@9900", "B sells 5@10000 GTC", "C buys 2@10000")
    market.act(c.GrantAccess(c.AccessGrant("officer-B", Role.COMPLIANCE, "B")))
    market.act(c.IssueKey("key-1", "trader-A", "ab" * 32, "desk"))
    market.act(c.DepositUnits("A", "BEA-2024", 5, "reg-1"))
    market.send("op-1", c.ProposeAct(c.CreditCash("A", 5, "bank-1"), "please"))
    return market


START = market_with_everything()
PREPARED = copy_of(START.engine.to_record())


@seed(FIRST_SEED)
@SIZES
@given(
    sent=st.lists(st.tuples(commands, st.sampled_from(("", "", "", "r1", "r2"))), max_size=20),
)
def test_every_command_has_an_answer(
    sent: list[tuple[tuple[str, c.AnyCommand], str]],
) -> None:
    note(f"JINGTAN_SEED={FIRST_SEED}")
    market = MarketDriver(type(START.engine).from_record(copy_of(PREPARED)))
    for (sender, body), request_id in sent:
        events = market.send(sender, body, request_id)
        if isinstance(body, c.ProposeAct) and isinstance(events[0], e.ActProposed):
            signer = "eco-2" if sender == "eco-1" else "op-2"
            market.send(signer, c.ApproveAct(events[0].act_id))
        market.engine.check_invariants()
    market.advance_to(market.engine.next_deadline())
    market.engine.check_invariants()
    for envelope, events in market.log:
        assert decode_envelope(encode(envelope)) == envelope
        assert decode_events(encode(events)) == events
    market.restart()
