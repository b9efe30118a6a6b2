"""Each refusal says in both languages which field is wrong, which rule refuses, and what to do."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.api.client import Json
from tests.api.market_api import BEA, MarketApi

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXPIRED = "OLD"


_numbers = itertools.count(1)


def order(side: str = "BUY", quantity: Any = 1, price: Any = "100.00", **other: Any) -> Json:
    name = f"refused-{next(_numbers)}"
    terms = {"client_order_id": name, "instrument_id": BEA, "side": side}
    return {**terms, "price": price, "quantity": quantity, **other}


class Refused(NamedTuple):
    """One bad request and what is said about it."""

    login: str
    request: str
    body: Json
    status: int
    code: str
    pointer: str
    rule: str
    rule_zh: str
    rule_ref: str = ""


AMOUNT = (
    'This is a decimal string with at most two places, such as "83.50".',
    '须为最多两位小数的十进制字符串，如 "83.50"。',
)
LIMITS = (
    "The price limits today are 80.00 CNY to 120.00 CNY.",
    "今日涨跌幅限制为 80.00 CNY 至 120.00 CNY。",
)
WHOLE = ("This is a whole number, written in plain digits.", "须为整数，仅使用数字书写。")

ORDERS = {
    "a price between two ticks": Refused(
        "trader-a", "POST /v1/orders", order(price="100.001"),
        422, "AMOUNT_MALFORMED", "/price", *AMOUNT,
    ),
    "a price that is a number": Refused(
        "trader-a", "POST /v1/orders", order(price=100),
        422, "AMOUNT_MALFORMED", "/price", *AMOUNT,
    ),
    "a price above the limit": Refused(
        "trader-a", "POST /v1/orders", order(price="120.01"),
        422, "PRICE_OUTSIDE_LIMITS", "/price", *LIMITS, "R-PRICE-2",
    ),
    "a price below the limit": Refused(
        "trader-a", "POST /v1/orders", order(price="79.99"),
        422, "PRICE_OUTSIDE_LIMITS", "/price", *LIMITS, "R-PRICE-2",
    ),
    "an unknown field": Refused(
        "trader-a", "POST /v1/orders", order(colour="green"),
        422, "FIELD_UNKNOWN", "/colour", "There is no such field here.", "此处没有该字段。",
    ),
    "too little cash": Refused(
        "trader-c", "POST /v1/orders", order(quantity=10),
        422, "INSUFFICIENT_CASH", "/quantity",
        "Orders are fully funded: 1007.50 CNY needed with the fee, 1000.00 CNY available.",
        "申报须全额备付：含手续费需 1007.50 CNY，可用 1000.00 CNY。", "R-FUND-1",
    ),
    "units that nobody deposited": Refused(
        "trader-b", "POST /v1/orders", order("SELL", 1),
        422, "INSUFFICIENT_UNITS", "/quantity",
        "1 t of BEA-2024 needed, 0 t available.", "需 BEA-2024 1 吨，可用 0 吨。", "R-FUND-2",
    ),
    "a vintage that has expired": Refused(
        "trader-a", "POST /v1/orders", order("SELL", 1, "50.00", instrument_id=EXPIRED),
        422, "SERIES_EXPIRED", "/instrument_id",
        "OLD could be used until 20240501.", "OLD 的有效期至 20240501。", "R-SERIES-2",
    ),
    "an unknown instrument": Refused(
        "trader-a", "POST /v1/orders", order(instrument_id="EUA"),
        404, "INSTRUMENT_UNKNOWN", "/instrument_id",
        "No instrument EUA is listed.", "未挂牌的交易品种 EUA。", "R-LIST-1",
    ),
    "a quantity beyond the maximum": Refused(
        "trader-a", "POST /v1/orders", order(quantity=10_000),
        422, "QUANTITY_OUT_OF_RANGE", "/quantity",
        "An order is 1 to 9999 t in lots of 1 t.",
        "单笔申报数量为 1 至 9999 吨，且为 1 吨的整数倍。", "R-SIZE-1",
    ),
    "a quantity with a decimal point": Refused(
        "trader-a", "POST /v1/orders", order(quantity=1.0),
        422, "INPUT_INVALID", "/quantity", *WHOLE,
    ),
    "a side that does not exist": Refused(
        "trader-a", "POST /v1/orders", order("HOLD"),
        422, "INPUT_INVALID", "/side",
        "This is one of 'BUY' or 'SELL'.", "须为以下之一：'BUY'、'SELL'。",
    ),
    "a client id that is too long": Refused(
        "trader-a", "POST /v1/orders", order(client_order_id="x" * 37),
        422, "INPUT_INVALID", "/client_order_id",
        "This has the form ^[A-Za-z0-9_-]{1,36}$.", "须符合格式 ^[A-Za-z0-9_-]{1,36}$。",
    ),
    "an amendment of an order that is not there": Refused(
        "trader-a", "PATCH /v1/orders/999", {"quantity": 1},
        404, "ORDER_NOT_FOUND", "", "You have no such order.", "查无此订单。",
    ),
    "an amendment of nothing": Refused(
        "trader-a", "PATCH /v1/orders/{own}", {},
        422, "AMEND_WITHOUT_CHANGE", "/quantity",
        "Price and quantity are what they were.", "价格与数量均未改变。", "R-AMEND-1",
    ),
}  # fmt: skip

NO_PERSONS = (
    " is not admitted: companies and institutions only, no natural persons, no staff of the venue,"
    " registry, verifiers or supervisors.",
    " 不予准入：自然人及市场机构、监管人员不得参与。",
)


def applicant(participant_class: str, name: str = "New") -> Json:
    return {"participant_id": name, "name": name, "participant_class": participant_class}


def grant(login: str, role: str, participant_id: str | None = None) -> Json:
    person = {"person_id": f"{{{login}}}", "role": role, "reason": "test"}
    return person if participant_id is None else person | {"participant_id": participant_id}


def cash(participant_id: str, amount: str) -> Json:
    return {
        "participant_id": participant_id,
        "amount": amount,
        "reference": "bank-9",
        "reason": "test",
    }


def rules(**changes: Any) -> Json:
    return {
        "rule_version_id": "beijing-2",
        "effective_from": "2024-06-03",
        "title": "Test",
        "basis": "Test",
        "changes": changes,
        "reason": "test",
    }


INVALID_GRANT = (
    "Traders and compliance officers belong to a participant, all others to none.",
    "交易员和合规人员须隶属参与人，其他角色不得隶属参与人。",
    "R-ROLE-2",
)
OPERATIONS = {
    "a natural person": Refused(
        "op-1", "POST /ops/v1/participants", applicant("NATURAL_PERSON"),
        422, "CLASS_NOT_ADMITTED", "/participant_class", f"NATURAL_PERSON{NO_PERSONS[0]}",
        f"主体类别 NATURAL_PERSON{NO_PERSONS[1]}", "Measures Art 17; Order 775 Art 7",
    ),
    "staff as a participant": Refused(
        "op-1", "POST /ops/v1/participants", applicant("STAFF"),
        422, "CLASS_NOT_ADMITTED", "/participant_class", f"STAFF{NO_PERSONS[0]}",
        f"主体类别 STAFF{NO_PERSONS[1]}", "Measures Art 17; Order 775 Art 7",
    ),
    "a participant admitted before": Refused(
        "op-1", "POST /ops/v1/participants", applicant("EMITTER", "A"),
        409, "PARTICIPANT_EXISTS", "/participant_id",
        "Participant A is admitted already.", "交易参与人 A 已准入。", "R-ADMIT-1",
    ),
    "an insider as a trader": Refused(
        "op-1", "POST /ops/v1/access-grants", grant("eco-1", "TRADER", "A"),
        403, "INSIDER_MAY_NOT_TRADE", "/person_id",
        "Person {eco-1} is on the insider list (ECOLOGY).",
        "人员 {eco-1} 在禁止交易名单内（ECOLOGY）。", "Order 775 Art 7, 20",
    ),
    "a trader of nobody": Refused(
        "op-1", "POST /ops/v1/access-grants", grant("nobody", "TRADER"),
        422, "GRANT_INVALID", "/participant_id", *INVALID_GRANT,
    ),
    "the system's role": Refused(
        "op-1", "POST /ops/v1/access-grants", grant("nobody", "SYSTEM"),
        422, "GRANT_INVALID", "/participant_id", *INVALID_GRANT,
    ),
    "a role for a person who is not registered": Refused(
        "op-1", "POST /ops/v1/access-grants", grant("nobody", "AUDITOR") | {"person_id": "p-0"},
        404, "PERSON_UNKNOWN", "/person_id", "There is no such person.", "查无此人。",
    ),
    "a login that is taken": Refused(
        "op-1", "POST /ops/v1/people", {"login": "op-1", "display_name": "Another"},
        409, "LOGIN_TAKEN", "/login",
        "This login belongs to another person.", "该登录名已被他人使用。",
    ),
    "more money out than there is": Refused(
        "op-1", "POST /ops/v1/cash-withdrawals", cash("C", "1000.01"),
        422, "CASH_NOT_WITHDRAWABLE", "/amount",
        "1000.00 CNY can be withdrawn today; sale proceeds the next trading day.",
        "今日可出金 1000.00 CNY；卖出所得下一交易日可出金。", "R-T1-2",
    ),
    "money for an unknown participant": Refused(
        "op-1", "POST /ops/v1/cash-credits", cash("Z", "1.00"),
        404, "PARTICIPANT_UNKNOWN", "/participant_id",
        "No participant Z is admitted.", "未准入的交易参与人 Z。", "R-ADMIT-1",
    ),
    "a rule parameter that does not exist": Refused(
        "op-1", "POST /ops/v1/rules", rules(lot=5),
        422, "FIELD_UNKNOWN", "/changes/lot", "There is no such field here.", "此处没有该字段。",
    ),
    "a rule parameter of another kind": Refused(
        "op-1", "POST /ops/v1/rules", rules(lot_tonnes=True),
        422, "PARAMETER_TYPE_INVALID", "/changes/lot_tonnes",
        "The rule parameter lot_tonnes does not take such a value.",
        "规则参数 lot_tonnes 不接受此类取值。",
    ),
    "a calendar that runs backwards": Refused(
        "op-1", "POST /ops/v1/calendar", {"first": "2024-06-03", "last": "2024-05-31"},
        422, "CALENDAR_SPAN_INVALID", "/last",
        "A calendar is set for 1 to 1000 days, from `first` to `last`.",
        "日历一次可设 1 至 1000 天，自 first 至 last。",
    ),
    "a day that no calendar has": Refused(
        "op-1", "POST /ops/v1/calendar", {"first": "2024-06-31", "last": "2024-07-31"},
        422, "INPUT_INVALID", "/first",
        "There is no such day in the calendar.", "日历中没有这一天。",
    ),
    "a key of small order": Refused(
        "op-1", "POST /ops/v1/keys",
        {"key_id": "k", "person_id": "{trader-a}", "public_key": "0" * 64, "label": "x",
         "reason": "x"},
        422, "PUBLIC_KEY_INVALID", "/public_key",
        "This is not a usable Ed25519 public key.", "该公钥不是可用的Ed25519公钥。",
    ),
    "a halt of an unknown instrument": Refused(
        "op-1", "POST /ops/v1/market/halts",
        {"instrument_id": "EUA", "cause": "OPERATOR", "note": "x"},
        404, "INSTRUMENT_UNKNOWN", "/instrument_id",
        "No instrument EUA is listed.", "未挂牌的交易品种 EUA。", "R-LIST-1",
    ),
    "an act that nobody proposed": Refused(
        "op-1", "POST /ops/v1/acts/999/approval", {},
        404, "ACT_UNKNOWN", "/path/act_id",
        "Act 999 is not waiting for approval.", "事项 999 不在待复核状态。", "R-ACT-1",
    ),
    "a freeze that is not in force": Refused(
        "eco-1", "POST /regulator/v1/freezes/9/release", {"document": "x", "reason": "x"},
        404, "FREEZE_UNKNOWN", "/path/freeze_id",
        "Freeze 9 is not in force.", "不存在有效的冻结 9。", "Measures Art 16",
    ),
    "units of an unknown series": Refused(
        "reg-1", "POST /registry/v1/issuances",
        {"series_id": "EUA", "participant_id": "A", "quantity": 1},
        404, "SERIES_UNKNOWN", "/series_id",
        "No series EUA is known.", "未登记的产品序列 EUA。", "R-SERIES-1",
    ),
    "a book of an unknown instrument": Refused(
        "op-1", "GET /v1/instruments/EUA/book", {},
        404, "INSTRUMENT_UNKNOWN", "/path/instrument_id",
        "No instrument EUA is listed.", "未挂牌的交易品种 EUA。", "R-LIST-1",
    ),
    "a key that is not in force": Refused(
        "op-1", "POST /ops/v1/keys/none/revocation", {},
        404, "KEY_UNKNOWN", "/path/key_id",
        "No key none is in force.", "不存在有效密钥 none。", "R-KEY-1",
    ),
}  # fmt: skip
CASES = ORDERS | OPERATIONS


def named(text: str, market: MarketApi, own_order: int) -> str:
    """The text with person ids and the order's number in place of {names}."""
    for login, person_id in market.people.items():
        text = text.replace(f"{{{login}}}", person_id)
    return text.replace("{own}", str(own_order))


async def own_order(market: MarketApi) -> int:
    trader = await market.be("trader-a")
    terms = order(price="80.00", client_order_id="own")
    number: int = (await trader.post("/v1/orders", terms))["order_id"]
    return number


@pytest.mark.parametrize("case", CASES)
async def test_refusal_names_field_rule_and_remedy(case: str, shared_market: MarketApi) -> None:
    bad = CASES[case]
    name: Callable[[str], str] = lambda text: named(text, shared_market, number)  # noqa: E731
    number = await own_order(shared_market) if "{own}" in bad.request else 0
    method, path = name(bad.request).split()
    body = {
        key: name(value) if isinstance(value, str) else value for key, value in bad.body.items()
    }
    caller = await shared_market.be(bad.login)
    sent = body if method != "GET" else None
    said = await caller.refused(method, path, sent)
    in_chinese = await caller.refused(method, path, sent, headers={"Accept-Language": "zh-CN"})

    assert (said["status"], said["code"], said["rule_ref"]) == (bad.status, bad.code, bad.rule_ref)
    rule, rule_zh = name(bad.rule), name(bad.rule_zh)
    if bad.pointer:
        error = {"pointer": bad.pointer, "messages": {"en": rule, "zh": rule_zh}}
        assert [without(said["errors"][0], "code", "detail")] == [error]
        assert said["errors"][0]["detail"] == rule
        assert in_chinese["errors"][0]["detail"] == rule_zh
    else:
        assert said["errors"] == []
        assert (said["messages"]["en"]["rule"], said["messages"]["zh"]["rule"]) == (rule, rule_zh)
    for problem, language in ((said, "en"), (in_chinese, "zh")):
        words = problem["messages"][language]
        assert problem["title"] == words["rule"]
        assert problem["detail"] == f"{words['rule']} {words['fix']}"
    assert said["instance"] == path
    assert said["retryable"] is False
    volatile = ("trace_id", "detail", "title", "errors")
    assert without(said, *volatile) == without(in_chinese, *volatile)


def without(found: Json, *names: str) -> Json:
    return {name: value for name, value in found.items() if name not in names}


async def test_a_problem_has_exactly_the_documented_members(shared_market: MarketApi) -> None:
    trader = await shared_market.be("trader-a")
    said = await trader.refused("POST", "/v1/orders", order(price="120.01"))
    assert said.pop("trace_id")
    rule = "The price limits today are 80.00 CNY to 120.00 CNY."
    rule_zh = "今日涨跌幅限制为 80.00 CNY 至 120.00 CNY。"
    assert said == {
        "type": "urn:jingtan:problem:PRICE_OUTSIDE_LIMITS",
        "title": rule,
        "status": 422,
        "code": "PRICE_OUTSIDE_LIMITS",
        "detail": f"{rule} Price inside the limits.",
        "messages": {
            "en": {"rule": rule, "fix": "Price inside the limits."},
            "zh": {"rule": rule_zh, "fix": "请在限价范围内报价。"},
        },
        "errors": [
            {
                "pointer": "/price",
                "code": "PRICE_OUTSIDE_LIMITS",
                "detail": rule,
                "messages": {"en": rule, "zh": rule_zh},
            }
        ],
        "retryable": False,
        "rule_ref": "R-PRICE-2",
        "instance": "/v1/orders",
    }


async def test_several_bad_fields_are_told_at_once(shared_market: MarketApi) -> None:
    trader = await shared_market.be("trader-a")
    said = await trader.refused("POST", "/v1/orders", order("UP", "1", 5, colour=1))
    found = {(error["pointer"], error["code"]) for error in said["errors"]}
    assert said["code"] == "INPUT_INVALID"
    assert found == {
        ("/side", "NOT_IN_LIST"),
        ("/price", "AMOUNT_MALFORMED"),
        ("/quantity", "NOT_A_WHOLE_NUMBER"),
        ("/colour", "FIELD_UNKNOWN"),
    }


async def test_units_bought_today_cannot_be_sold_today(shared_market: MarketApi) -> None:
    await shared_market.enter("trader-a", "SELL", 3, "100.00")
    bought = await shared_market.enter("trader-b", "BUY", 3, "100.00")
    assert bought["status"] == "FILLED"
    trader = await shared_market.be("trader-b")
    said = await trader.refused("POST", "/v1/orders", order("SELL", 1))
    assert (said["status"], said["code"]) == (422, "UNITS_NOT_YET_SELLABLE")
    assert said["messages"]["en"]["rule"] == (
        "Units bought today are sellable from 20240507; 0 t are sellable now."
    )


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh", "zh"),
        ("zh-Hans-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en;q=0.5, zh", "zh"),
        ("de, zh;q=0.3", "zh"),
        ("en-GB, zh;q=0.9", "en"),
        ("zh;q=0", "en"),
        ("zh;q=x", "en"),
        ("de", "en"),
        ("*", "en"),
        ("", "en"),
        (",;q=,,", "en"),
    ],
)
async def test_language_is_the_one_the_client_prefers(
    header: str, language: str, shared_market: MarketApi
) -> None:
    accept = {"Accept-Language": header}
    said = await shared_market.stranger.refused("GET", "/v1/nothing", headers=accept)
    assert said["title"] == said["messages"][language]["rule"]
