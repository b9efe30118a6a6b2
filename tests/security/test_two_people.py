"""J4: one person can never give both signatures, whatever keys, sessions, names or moments."""

import asyncio
import itertools
from typing import NamedTuple

import pytest

from tests.api.client import Json
from tests.api.market_api import BEA, MarketApi

_names = itertools.count(1)
pytestmark = pytest.mark.asyncio(loop_scope="module")

CASH: Json = {"participant_id": "C", "amount": "500.00", "reference": "bank-1"}


class ActCase(NamedTuple):
    """A sensitive act, its path, who may propose it, who may approve it and who may not."""

    path: str
    body: Json
    proposer: str
    approvers: tuple[str, ...]
    never: tuple[str, ...]


OPERATORS_ONLY = (("op-2",), ("eco-1",))
EITHER = (("op-2", "eco-1"), ())
UNITS: Json = {"participant_id": "A", "series_id": BEA, "quantity": 5, "reference": "r-1"}
KEY: Json = {"key_id": "k-1", "public_key": "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc"
             "8664125531b8", "label": "bot", "person_id": "{trader-a}"}  # fmt: skip
RULES: Json = {
    "rule_version_id": "beijing-2",
    "effective_from": "2024-06-03",
    "title": "New",
    "basis": "test",
    "changes": {"public_fee_ppm": 1},
}
FREEZE: Json = {
    "participant_id": "A",
    "series_id": BEA,
    "quantity": 5,
    "freeze_reason": "COURT",
    "document": "order 1",
}
TRADER: Json = {"person_id": "{somebody}", "role": "TRADER", "participant_id": "A"}
SERIES: Json = {"series_id": "S-1", "product": "BEA", "vintage": 2025}

ACTS = {
    "credit money": ActCase("/ops/v1/cash-credits", CASH, "op-1", *OPERATORS_ONLY),
    "pay money out": ActCase("/ops/v1/cash-withdrawals", CASH, "op-1", *OPERATORS_ONLY),
    "deposit units": ActCase("/ops/v1/unit-deposits", UNITS, "op-1", *OPERATORS_ONLY),
    "return units": ActCase("/ops/v1/unit-withdrawals", UNITS, "op-1", *OPERATORS_ONLY),
    "issue a key": ActCase("/ops/v1/keys", KEY, "op-1", *OPERATORS_ONLY),
    "change the rules": ActCase("/ops/v1/rules", RULES, "op-1", *EITHER),
    "list a series": ActCase("/ops/v1/series", SERIES, "op-1", *OPERATORS_ONLY),
    "override breaks": ActCase("/ops/v1/break-overrides", {}, "op-1", *EITHER),
    "make a trader": ActCase("/ops/v1/access-grants", TRADER, "op-1", *OPERATORS_ONLY),
    "make an operator": ActCase(
        "/ops/v1/access-grants", {"person_id": "{somebody}", "role": "OPERATOR"}, "op-1",
        *OPERATORS_ONLY,
    ),
    "make a regulator": ActCase(
        "/ops/v1/access-grants", {"person_id": "{somebody}", "role": "ECOLOGY"}, "op-1",
        ("eco-1",), ("op-2",),
    ),
    "make an auditor": ActCase(
        "/ops/v1/access-grants", {"person_id": "{somebody}", "role": "AUDITOR"}, "op-1",
        ("eco-2",), ("op-2",),
    ),
    "freeze units": ActCase("/regulator/v1/freezes", FREEZE, "eco-1", ("eco-2",), ("op-1",)),
}  # fmt: skip


@pytest.fixture(scope="module")
def market(shared_market: MarketApi) -> MarketApi:
    """One market for all tests here."""
    return shared_market


async def filled(body: Json, market: MarketApi) -> Json:
    """The body with a person's id in place of {login}; {somebody} is new and without a role."""
    person = str(body.get("person_id", ""))
    if person == "{somebody}":
        return body | {"person_id": await market.register(f"somebody-{next(_names)}")}
    if person == "{trader-a}":
        return body | {"person_id": market.people["trader-a"]}
    return body


async def acts(market: MarketApi) -> dict[int, str]:
    """Status of every act since the market was founded."""
    shown = (await (await market.be("op-1")).get("/ops/v1/acts", limit=1_000))["acts"]
    return {act["act_id"]: act["status"] for act in shown}


async def propose(market: MarketApi, case: ActCase) -> int:
    return await market.propose(case.path, await filled(case.body, market), case.proposer)


async def cash_of_c(market: MarketApi) -> int:
    """Participant C's money in fen."""
    shown: str = (await (await market.be("trader-c")).get("/v1/account"))["cash"]["total"]
    return int(shown.replace(".", ""))


async def third_operator(market: MarketApi) -> str:
    """The login of a new operator."""
    login = f"operator-{next(_names)}"
    grant = {"person_id": await market.register(login), "role": "OPERATOR"}
    await market.act("/ops/v1/access-grants", grant)
    return login


async def revoke(market: MarketApi, login: str) -> None:
    await (await market.be("op-2")).post(f"/ops/v1/people/{market.people[login]}/revocation")


@pytest.mark.parametrize("name", ACTS)
async def test_each_act_needs_a_second_person_of_the_right_role(
    name: str, market: MarketApi
) -> None:
    case = ACTS[name]
    if name == "pay money out":
        await market.act("/ops/v1/cash-credits", CASH)
    act_id = await propose(market, case)
    path = f"/ops/v1/acts/{act_id}/approval"

    alone = await (await market.be(case.proposer)).refused("POST", path)
    authority = "ROLE_NOT_PERMITTED" if "op-2" in case.never else "SAME_PERSON"
    assert (alone["status"], alone["code"]) == (403, authority)
    for login in case.never:
        said = await (await market.be(login)).refused("POST", path)
        assert (said["status"], said["code"]) == (403, "ROLE_NOT_PERMITTED"), login
    assert (await acts(market))[act_id] == "PENDING_APPROVAL"
    done = await (await market.be(case.approvers[0])).post(path)
    assert (done["act_id"], done["status"], done["duplicate"]) == (act_id, "APPROVED", False)
    assert done["events"][0] == "ActApproved"
    assert (await acts(market))[act_id] == "APPROVED"


@pytest.mark.parametrize("login", ["trader-a", "compliance-a", "reg-1", "aud-1", "fin-1", "nobody"])
async def test_nobody_else_signs_anything(login: str, market: MarketApi) -> None:
    act_id = await market.propose("/ops/v1/cash-credits", CASH)
    other = await market.be(login)
    for verb in ("approval", "rejection"):
        said = await other.refused("POST", f"/ops/v1/acts/{act_id}/{verb}", {"reason": "x"})
        assert (said["status"], said["code"]) == (403, "NOT_PERMITTED")
    said = await other.refused("POST", "/ops/v1/cash-credits", CASH | {"reason": "x"})
    assert said["code"] == "NOT_PERMITTED"


async def test_two_sessions_of_one_person_are_one_person(market: MarketApi) -> None:
    before = await cash_of_c(market)
    act_id = await market.propose("/ops/v1/cash-credits", CASH)
    second_session = await market.log_in("op-1")
    said = await second_session.refused("POST", f"/ops/v1/acts/{act_id}/approval")
    assert said["code"] == "SAME_PERSON"
    assert await cash_of_c(market) == before


@pytest.mark.parametrize("key", ["", "same", "another"])
async def test_no_idempotency_key_makes_one_person_two(key: str, market: MarketApi) -> None:
    operator = await market.be("op-1")
    proposal = f"propose-{key}"
    body = CASH | {"reason": "x"}
    act_id = (await operator.post("/ops/v1/cash-credits", body, key=proposal))["act_id"]
    used = {"": "", "same": proposal, "another": "approve-it"}[key]
    said = await operator.refused("POST", f"/ops/v1/acts/{act_id}/approval", key=used)
    assert said["code"] == ("IDEMPOTENCY_BODY_MISMATCH" if key == "same" else "SAME_PERSON")
    assert (await acts(market))[act_id] == "PENDING_APPROVAL"


async def test_a_proposal_sent_again_is_one_act(market: MarketApi) -> None:
    operator = await market.be("op-1")
    body = CASH | {"reason": "x"}
    first = await operator.post("/ops/v1/cash-credits", body, key="k")
    again = await operator.post("/ops/v1/cash-credits", body, key="k")
    assert again == first | {"duplicate": True}
    other = body | {"amount": "501.00"}
    said = await operator.refused("POST", "/ops/v1/cash-credits", other, key="k")
    assert said["code"] == "IDEMPOTENCY_BODY_MISMATCH"


async def test_an_approval_sent_again_acts_once(market: MarketApi) -> None:
    before = await cash_of_c(market)
    act_id = await market.propose("/ops/v1/cash-credits", CASH)
    approver = await market.be("op-2")
    path = f"/ops/v1/acts/{act_id}/approval"
    answers = await asyncio.gather(*(approver.post(path, key="a") for _ in range(5)))
    assert sorted(answer["duplicate"] for answer in answers) == [False, *[True] * 4]
    said = await approver.refused("POST", path)
    assert (said["status"], said["code"]) == (404, "ACT_UNKNOWN")
    assert await cash_of_c(market) == before + 500_00


async def test_racing_approvals_act_once(market: MarketApi) -> None:
    before = await cash_of_c(market)
    act_id = await market.propose("/ops/v1/cash-credits", CASH)
    path = f"/ops/v1/acts/{act_id}/approval"
    third = await third_operator(market)
    callers = [await market.be(login) for login in ("op-1", "op-2", third, "eco-1")]
    replies = await asyncio.gather(*(caller.send("POST", path) for caller in callers))
    assert sorted(reply.status_code for reply in replies) == [200, 403, 404, 404]
    assert await cash_of_c(market) == before + 500_00


async def test_a_proposer_who_lost_the_role_signed_nothing(market: MarketApi) -> None:
    before = await cash_of_c(market)
    proposer = await third_operator(market)
    act_id = await market.propose("/ops/v1/cash-credits", CASH, proposer)
    await revoke(market, proposer)
    said = await (await market.be("op-1")).refused("POST", f"/ops/v1/acts/{act_id}/approval")
    assert (said["status"], said["code"]) == (422, "PERSON_HAS_NO_ROLE")
    assert await cash_of_c(market) == before


async def test_a_proposer_whose_role_changed_signed_nothing(market: MarketApi) -> None:
    before = await cash_of_c(market)
    proposer = await third_operator(market)
    act_id = await market.propose("/ops/v1/cash-credits", CASH, proposer)
    change = {"person_id": market.people[proposer], "role": "AUDITOR"}
    await market.act("/ops/v1/access-grants", change, ("op-1", "eco-1"))
    said = await (await market.be("op-1")).refused("POST", f"/ops/v1/acts/{act_id}/approval")
    assert (said["status"], said["code"]) == (403, "ROLE_NOT_PERMITTED")
    assert await cash_of_c(market) == before


async def test_a_proposer_who_came_back_is_still_the_proposer(market: MarketApi) -> None:
    proposer = await third_operator(market)
    act_id = await market.propose("/ops/v1/cash-credits", CASH, proposer)
    await revoke(market, proposer)
    again = {"person_id": market.people[proposer], "role": "OPERATOR"}
    await market.act("/ops/v1/access-grants", again)
    said = await (await market.be(proposer)).refused("POST", f"/ops/v1/acts/{act_id}/approval")
    assert said["code"] == "SAME_PERSON"


async def test_an_approver_who_lost_the_role_is_refused(market: MarketApi) -> None:
    login = await third_operator(market)
    act_id = await market.propose("/ops/v1/cash-credits", CASH)
    approver = await market.be(login)
    await revoke(market, login)
    said = await approver.refused("POST", f"/ops/v1/acts/{act_id}/approval")
    assert said["code"] == "NOT_PERMITTED"
    assert (await acts(market))[act_id] == "PENDING_APPROVAL"


async def test_a_new_person_does_not_inherit_a_login(market: MarketApi) -> None:
    """One human may not become two by a second account: logins and ids are never reused."""
    operator = await market.be("op-1")
    for login in ("op-1", "OP-1", "ｏｐ-1"):
        body = {"login": login, "display_name": "Second self"}
        said = await operator.refused("POST", "/ops/v1/people", body)
        assert said["code"] == "LOGIN_TAKEN", login


async def test_a_rejected_act_cannot_be_approved(market: MarketApi) -> None:
    for rejecter in ("op-1", "op-2"):
        act_id = await market.propose("/ops/v1/cash-credits", CASH)
        body = {"reason": "mistake"}
        said = await (await market.be(rejecter)).post(f"/ops/v1/acts/{act_id}/rejection", body)
        assert said == {"act_id": act_id, "status": "REJECTED", "duplicate": False}
        late = await (await market.be("op-2")).refused("POST", f"/ops/v1/acts/{act_id}/approval")
        assert late["code"] == "ACT_UNKNOWN"
    shown = (await (await market.be("op-1")).get("/ops/v1/acts", limit=1))["acts"][0]
    assert (shown["decided_by"], shown["note"]) == (market.people["op-2"], "mistake")


async def test_an_act_that_is_no_longer_possible_fails_and_is_over(market: MarketApi) -> None:
    before = await cash_of_c(market)
    amount = before // 200 + 1  # CNY: once is possible, twice is not
    out = CASH | {"amount": f"{amount}.00"}
    one = await market.propose("/ops/v1/cash-withdrawals", out)
    two = await market.propose("/ops/v1/cash-withdrawals", out)
    approver = await market.be("op-2")
    await approver.post(f"/ops/v1/acts/{one}/approval")
    said = await approver.refused("POST", f"/ops/v1/acts/{two}/approval")
    assert (said["status"], said["code"]) == (422, "CASH_NOT_WITHDRAWABLE")
    assert said["errors"][0]["pointer"] == "/act/cash"
    assert (await acts(market))[two] == "FAILED"
    assert await cash_of_c(market) == before - amount * 100


async def test_nobody_is_granted_the_systems_role(market: MarketApi) -> None:
    before = await acts(market)
    operator = await market.be("op-1")
    body = {"person_id": market.people["nobody"], "role": "SYSTEM", "reason": "x"}
    for participant_id in (None, "A"):
        grant = body if participant_id is None else body | {"participant_id": participant_id}
        said = await operator.refused("POST", "/ops/v1/access-grants", grant)
        assert (said["status"], said["code"]) == (422, "GRANT_INVALID")
    system = body | {"person_id": "system", "role": "OPERATOR"}
    said = await operator.refused("POST", "/ops/v1/access-grants", system)
    assert said["code"] == "PERSON_UNKNOWN"
    assert await acts(market) == before
