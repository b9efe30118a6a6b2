"""The one table of business refusals: code, HTTP status, and the words in English and Chinese.

Every refusal event carries a code of this table, the input field it is about and the facts that
fill its words.  `rule` says which rule refuses, `fix` what the sender can do.
"""

from typing import NamedTuple


class Words(NamedTuple):
    """What a refusal says in one language; {names} are filled from the event's facts."""

    rule: str
    fix: str


class Reason(NamedTuple):
    """One row of the table; rule_ref names the article or the exchange's own rule."""

    code: str
    status: int
    rule_ref: str
    en: Words
    zh: Words


_ROWS = (
    Reason(
        "PRICE_OUTSIDE_LIMITS",
        422,
        "R-PRICE-2",
        Words(
            "The price limits today are {lower_fen} to {upper_fen}.",
            "Price inside the limits.",
        ),
        Words(
            "今日涨跌幅限制为 {lower_fen} 至 {upper_fen}。",
            "请在限价范围内报价。",
        ),
    ),
    Reason(
        "QUANTITY_OUT_OF_RANGE",
        422,
        "R-SIZE-1",
        Words(
            "An order is {minimum} to {maximum} t in lots of {lot} t.",
            "Send a quantity in that range; larger trades are negotiated transfers.",
        ),
        Words(
            "单笔申报数量为 {minimum} 至 {maximum} 吨，且为 {lot} 吨的整数倍。",
            "请调整数量；大宗交易请使用协议转让。",
        ),
    ),
    Reason(
        "MARKET_NOT_OPEN",
        409,
        "R-PHASE-1",
        Words(
            "{instrument} is in phase {phase}; orders need CONTINUOUS.",
            "Wait for the session.",
        ),
        Words(
            "{instrument} 当前阶段为 {phase}，仅连续竞价阶段接受申报。",
            "请在交易时段内提交。",
        ),
    ),
    Reason(
        "INSUFFICIENT_CASH",
        422,
        "R-FUND-1",
        Words(
            "Orders are fully funded: {needed_fen} needed with the fee, {available_fen} available.",
            "Deposit money, cancel other buy orders, or buy less.",
        ),
        Words(
            "申报须全额备付：含手续费需 {needed_fen}，可用 {available_fen}。",
            "请入金、撤销其他买单或减少数量。",
        ),
    ),
    Reason(
        "INSUFFICIENT_UNITS",
        422,
        "R-FUND-2",
        Words(
            "{needed} t of {series} needed, {available} t available.",
            "Deposit units, cancel other sell orders, or sell less.",
        ),
        Words(
            "需 {series} {needed} 吨，可用 {available} 吨。",
            "请存入配额、撤销其他卖单或减少数量。",
        ),
    ),
    Reason(
        "UNITS_NOT_YET_SELLABLE",
        422,
        "R-T1-1",
        Words(
            "Units bought today are sellable from {sellable_from}; {available} t are sellable now.",
            "Sell less today, or sell from that day on.",
        ),
        Words(
            "当日买入的单位自 {sellable_from} 起方可卖出；当前可卖 {available} 吨。",
            "请减少数量或于该日后卖出。",
        ),
    ),
    Reason(
        "POSITION_LIMIT_EXCEEDED",
        422,
        "R-POS-1",
        Words(
            "The group would hold {exposure} t with its open buy orders; its limit is {limit} t.",
            "Buy less, or cancel other buy orders of the group.",
        ),
        Words(
            "该控制关系组持有及买入申报合计 {exposure} 吨，超过持仓上限 {limit} 吨。",
            "请减少买入数量或撤销组内其他买单。",
        ),
    ),
    Reason(
        "SERIES_EXPIRED",
        422,
        "R-SERIES-2",
        Words(
            "{series} could be used until {expires}.",
            "Trade a series that is still valid.",
        ),
        Words("{series} 的有效期至 {expires}。", "请交易仍在有效期内的产品。"),
    ),
    Reason(
        "INSTRUMENT_UNKNOWN",
        404,
        "R-LIST-1",
        Words("No instrument {instrument} is listed.", "Use an id of GET /v1/instruments."),
        Words(
            "未挂牌的交易品种 {instrument}。",
            "请使用 GET /v1/instruments 中的品种代码。",
        ),
    ),
    Reason(
        "ORDER_NOT_OPEN",
        409,
        "R-ORDER-1",
        Words(
            "Order {order} is not open.",
            "Read its final state; enter a new order if needed.",
        ),
        Words("订单 {order} 不在有效申报中。", "请查询其最终状态；如需请重新申报。"),
    ),
    Reason(
        "IDEMPOTENCY_BODY_MISMATCH",
        422,
        "R-ID-1",
        Words(
            "Request id {request} was used before with another body.",
            "Repeat the same body for the first answer, or use a new id.",
        ),
        Words(
            "请求编号 {request} 已用于不同内容。",
            "请以相同内容重发以获取原结果，或更换编号。",
        ),
    ),
    Reason(
        "REQUEST_QUARANTINED",
        409,
        "R-ID-2",
        Words(
            "Request {request} broke an internal check and is set aside.",
            "Call the operator.",
        ),
        Words("请求 {request} 触发内部校验失败，已被隔离。", "请联系交易机构。"),
    ),
    Reason(
        "ROLE_NOT_PERMITTED",
        403,
        "R-ROLE-1",
        Words("{command} is not permitted to role {role}.", "Ask a person with the role."),
        Words("角色 {role} 无权执行 {command}。", "请由具备相应角色的人员办理。"),
    ),
    Reason(
        "PARTICIPANT_UNKNOWN",
        404,
        "R-ADMIT-1",
        Words(
            "No participant {participant} is admitted.",
            "Admit it first, or mend the id.",
        ),
        Words("未准入的交易参与人 {participant}。", "请先办理准入或更正编号。"),
    ),
    Reason(
        "PARTICIPANT_EXISTS",
        409,
        "R-ADMIT-1",
        Words("Participant {participant} is admitted already.", "Use another id."),
        Words("交易参与人 {participant} 已准入。", "请使用其他编号。"),
    ),
    Reason(
        "CLASS_NOT_ADMITTED",
        422,
        "Measures Art 17; Order 775 Art 7",
        Words(
            "{participant_class} is not admitted: companies and institutions only, no natural"
            " persons, no staff of the venue, registry, verifiers or supervisors.",
            "Admit a legal person of an admitted class.",
        ),
        Words(
            "主体类别 {participant_class} 不予准入：自然人及市场机构、监管人员不得参与。",
            "请以符合条件的单位申请。",
        ),
    ),
    Reason(
        "INSIDER_MAY_NOT_TRADE",
        403,
        "Order 775 Art 7, 20",
        Words(
            "Person {person} is on the insider list ({body}).",
            "Another person must act.",
        ),
        Words("人员 {person} 在禁止交易名单内（{body}）。", "请由其他人员办理。"),
    ),
    Reason(
        "PERSON_HAS_NO_ROLE",
        422,
        "R-ROLE-2",
        Words("Person {person} holds no role.", "Grant a role first."),
        Words("人员 {person} 未被授予角色。", "请先授予角色。"),
    ),
    Reason(
        "GRANT_INVALID",
        422,
        "R-ROLE-2",
        Words(
            "Traders and compliance officers belong to a participant, all others to none.",
            "Set participant_id for those two roles only; SYSTEM is nobody's role.",
        ),
        Words(
            "交易员和合规人员须隶属参与人，其他角色不得隶属参与人。",
            "仅为这两类角色填写 participant_id；SYSTEM 角色不可授予。",
        ),
    ),
    Reason(
        "KEY_INVALID",
        422,
        "R-KEY-1",
        Words(
            "{fault}.",
            "Send an unused key id and an Ed25519 public key as 64 hex digits.",
        ),
        Words(
            "密钥无效：{fault}。",
            "请提供未使用的密钥编号及 64 位十六进制 Ed25519 公钥。",
        ),
    ),
    Reason(
        "KEY_UNKNOWN",
        404,
        "R-KEY-1",
        Words("No key {key} is in force.", "Use the id of an issued key."),
        Words("不存在有效密钥 {key}。", "请使用已签发的密钥编号。"),
    ),
    Reason(
        "SERIES_UNKNOWN",
        404,
        "R-SERIES-1",
        Words("No series {series} is known.", "List the series first, or mend the id."),
        Words("未登记的产品序列 {series}。", "请先登记序列或更正编号。"),
    ),
    Reason(
        "SERIES_INVALID",
        422,
        "R-SERIES-1",
        Words("Series {series}: {fault}.", "Mend the field."),
        Words("产品序列 {series}：{fault}。", "请更正该字段。"),
    ),
    Reason(
        "INSTRUMENT_INVALID",
        422,
        "R-LIST-1",
        Words("Instrument {instrument}: {fault}.", "Mend the field."),
        Words("交易品种 {instrument}：{fault}。", "请更正该字段。"),
    ),
    Reason(
        "RULES_INVALID",
        422,
        "Measures Art 18",
        Words("Rule version {version}: {fault}.", "Mend the field."),
        Words("规则版本 {version}：{fault}。", "请更正该字段。"),
    ),
    Reason(
        "CALENDAR_INVALID",
        422,
        "R-CAL-1",
        Words("The calendar is not usable: {fault}.", "Mend the days."),
        Words("交易日历无效：{fault}。", "请更正交易日。"),
    ),
    Reason(
        "CALENDAR_EXHAUSTED",
        409,
        "R-CAL-2",
        Words(
            "The calendar ends within the resale interval: no later trading day is known.",
            "The operator sets further trading days.",
        ),
        Words("交易日历不足以覆盖转售间隔。", "请交易机构补充交易日历。"),
    ),
    Reason(
        "BREAKS_UNRESOLVED",
        409,
        "R-REC-1",
        Words(
            "{breaks} reconciliation breaks are unresolved.",
            "Resolve them and reconcile again, or two people override.",
        ),
        Words("存在 {breaks} 项未处理的对账差异。", "请处理并重新对账，或由双人复核放行。"),
    ),
    Reason(
        "AMOUNT_OUT_OF_RANGE",
        422,
        "R-FUND-3",
        Words(
            "{value} is outside {minimum} to {maximum}.",
            "Send a whole number in that range.",
        ),
        Words("{value} 超出 {minimum} 至 {maximum} 的范围。", "请填写该范围内的整数。"),
    ),
    Reason(
        "CASH_NOT_WITHDRAWABLE",
        422,
        "R-T1-2",
        Words(
            "{withdrawable_fen} can be withdrawn today; sale proceeds the next trading day.",
            "Withdraw less, or later.",
        ),
        Words(
            "今日可出金 {withdrawable_fen}；卖出所得下一交易日可出金。",
            "请减少金额或稍后办理。",
        ),
    ),
    Reason(
        "DEPOSIT_UNKNOWN",
        404,
        "R-FUND-4",
        Words("Deposit {deposit} is not pending.", "Nothing is left to do."),
        Words("存入申请 {deposit} 不在处理中。", "无需处理。"),
    ),
    Reason(
        "FREEZE_UNKNOWN",
        404,
        "Measures Art 16",
        Words("Freeze {freeze} is not in force.", "Use the id of a freeze in force."),
        Words("不存在有效的冻结 {freeze}。", "请使用有效冻结编号。"),
    ),
    Reason(
        "ACT_UNKNOWN",
        404,
        "R-ACT-1",
        Words("Act {act} is not waiting for approval.", "List the pending acts."),
        Words("事项 {act} 不在待复核状态。", "请查询待复核事项。"),
    ),
    Reason(
        "SAME_PERSON",
        403,
        "R-ACT-2",
        Words("Two different people sign a sensitive act.", "Another person approves."),
        Words("敏感事项须由两名不同人员办理。", "请由另一人复核。"),
    ),
    Reason(
        "TEXT_INVALID",
        422,
        "R-TEXT-1",
        Words("{name} is 1 to {maximum} characters: {allowed}.", "Mend the text."),
        Words("{name} 须为 1 至 {maximum} 个字符：{allowed}。", "请更正文本。"),
    ),
    Reason(
        "HALT_UNCHANGED",
        409,
        "R-HALT-1",
        Words("{instrument} is {state} already.", "Nothing is left to do."),
        Words("{instrument} 已处于 {state} 状态。", "无需处理。"),
    ),
    Reason(
        "OUTSIDE_TRADING_HOURS",
        409,
        "R-PHASE-2",
        Words(
            "No trading day or session is in progress.",
            "Act within the day's schedule.",
        ),
        Words("当前不在交易日或交易时段内。", "请在交易日程内操作。"),
    ),
    Reason(
        "MARKET_ALREADY_OPEN",
        409,
        "R-PHASE-2",
        Words("The market is open already.", "Nothing is left to do."),
        Words("市场已处于开市状态。", "无需处理。"),
    ),
    Reason(
        "MARKET_ALREADY_FOUNDED",
        409,
        "R-FOUND-1",
        Words(
            "This journal's market was founded at its first record.",
            "Use another database.",
        ),
        Words("该日志的市场已创立。", "请使用另一数据库。"),
    ),
    Reason(
        "AMEND_WITHOUT_CHANGE",
        422,
        "R-AMEND-1",
        Words("Price and quantity are what they were.", "Change one of them."),
        Words("价格与数量均未改变。", "请至少更改一项。"),
    ),
)

REASONS: dict[str, Reason] = {row.code: row for row in _ROWS}


def words(code: str, facts: dict[str, str], language: str) -> Words:
    """Rule and fix of a refusal in 'zh' or English; facts in fen are shown in CNY."""
    row = REASONS[code]
    chosen = row.zh if language == "zh" else row.en
    shown = {name: _in_cny(fact) if name.endswith("_fen") else fact for name, fact in facts.items()}
    return Words(chosen.rule.format_map(shown), chosen.fix)


def _in_cny(fen: str) -> str:
    yuan, rest = divmod(int(fen), 100)
    return f"{yuan}.{rest:02d} CNY"
