"""The edge's table of codes: what a request can be refused for before it becomes a command.

The market's own refusals are in engine/reasons.py, those of people and signatures in
api/identity/errors.py; api/codes.py reads all three as one.
"""

from typing import NamedTuple

from engine.reasons import Words


class EdgeCode(NamedTuple):
    """One row of the edge's table; {names} in the words are filled from a problem's facts."""

    status: int
    en: Words
    zh: Words
    is_retryable: bool = False


EDGE_CODES: dict[str, EdgeCode] = {
    "BODY_MALFORMED": EdgeCode(
        400,
        Words(
            "The body is not JSON in UTF-8, or names a field twice.",
            "Send one JSON object with each field once, without NaN or Infinity.",
        ),
        Words(
            "请求体不是 UTF-8 编码的 JSON，或字段重复。",
            "请提交字段不重复、不含 NaN 与 Infinity 的 JSON 对象。",
        ),
    ),
    "BODY_NOT_JSON": EdgeCode(
        415,
        Words("Bodies are JSON.", "Send `Content-Type: application/json`."),
        Words("请求体须为 JSON。", "请使用 Content-Type: application/json。"),
    ),
    "BODY_TOO_LARGE": EdgeCode(
        413,
        Words("A body has at most {limit} bytes.", "Send less at once."),
        Words("请求体不得超过 {limit} 字节。", "请减少单次提交内容。"),
    ),
    "INPUT_INVALID": EdgeCode(
        422,
        Words("Some fields do not have their documented form.", "Mend the fields in `errors`."),
        Words("部分字段不符合规定格式。", "请更正 errors 中列出的字段。"),
    ),
    "FIELD_UNKNOWN": EdgeCode(
        422,
        Words("There is no such field here.", "Leave it out, or mend its name; see /docs."),
        Words("此处没有该字段。", "请删除该字段或更正名称；参阅 /docs。"),
    ),
    "AMOUNT_MALFORMED": EdgeCode(
        422,
        Words(
            "Money and prices are decimal strings with at most two places.",
            'Send for example "83.50", not a number.',
        ),
        Words("金额与价格须为最多两位小数的十进制字符串。", '请填写如 "83.50" 的字符串。'),
    ),
    "PRICE_OFF_TICK": EdgeCode(
        422,
        Words("Prices are whole multiples of {tick} CNY.", "Round the price to the tick."),
        Words("价格须为 {tick} 元的整数倍。", "请按最小变动价位调整价格。"),
    ),
    "IDEMPOTENCY_KEY_MALFORMED": EdgeCode(
        422,
        Words(
            "An Idempotency-Key is 1 to 36 of A-Z a-z 0-9 _ -.",
            "Send such a key, a fresh one for each act.",
        ),
        Words(
            "Idempotency-Key 须为 1 至 36 个字符：A-Z a-z 0-9 _ -。",
            "请使用符合格式的编号，每次操作使用新编号。",
        ),
    ),
    "PARAMETER_TYPE_INVALID": EdgeCode(
        422,
        Words(
            "The rule parameter {name} does not take such a value.",
            "Send a value of the kind that GET /v1/rules shows.",
        ),
        Words("规则参数 {name} 不接受此类取值。", "请参照 GET /v1/rules 中的取值类型。"),
    ),
    "CALENDAR_SPAN_INVALID": EdgeCode(
        422,
        Words(
            "A calendar is set for 1 to {limit} days, from `first` to `last`.",
            "Let `last` follow `first`, within that span.",
        ),
        Words(
            "日历一次可设 1 至 {limit} 天，自 first 至 last。",
            "请使 last 不早于 first 且不超限。",
        ),
    ),
    "NOT_AUTHENTICATED": EdgeCode(
        401,
        Words(
            "This needs a session token or a signed request.",
            "Log in with POST /v1/sessions and send `Authorization: Bearer <token>`.",
        ),
        Words("需要会话令牌或签名请求。", "请通过 POST /v1/sessions 登录并携带令牌。"),
    ),
    "KEY_NOT_IN_FORCE": EdgeCode(
        401,
        Words("This machine key is not in force.", "Use an issued key that is not revoked."),
        Words("该密钥未生效或已撤销。", "请使用有效的已签发密钥。"),
    ),
    "NOT_PERMITTED": EdgeCode(
        403,
        Words("Your role may not do this.", "Ask a person whose role permits it."),
        Words("您的角色无权执行此操作。", "请由具备权限的人员办理。"),
    ),
    "NOT_FOUND": EdgeCode(
        404,
        Words("There is nothing at this address.", "Check the address and the id in it."),
        Words("该地址下没有内容。", "请检查地址及其中的编号。"),
    ),
    "ORDER_NOT_FOUND": EdgeCode(
        404,
        Words("You have no such order.", "Check the id; others' orders cannot be seen."),
        Words("查无此订单。", "请检查编号；他人订单不可见。"),
    ),
    "METHOD_NOT_ALLOWED": EdgeCode(
        405,
        Words("This address does not take that method.", "See /docs for what it takes."),
        Words("该地址不支持此方法。", "请参阅 /docs。"),
    ),
    "CLOCK_NOT_ADJUSTABLE": EdgeCode(
        409,
        Words("This exchange runs on real time.", "Only a demo market's clock can leap."),
        Words("本交易系统按真实时间运行。", "仅演示市场可调整时钟。"),
    ),
    "REQUEST_REFUSED": EdgeCode(
        400,
        Words("The server could not read this request.", "Mend its form; see /docs."),
        Words("服务器无法读取该请求。", "请更正请求格式；参阅 /docs。"),
    ),
    "TOO_MANY_SUBSCRIPTIONS": EdgeCode(
        422,
        Words(
            "A stream connection has at most {limit} subscriptions.",
            "Unsubscribe from others, or open another connection.",
        ),
        Words("每个推送连接最多订阅 {limit} 项。", "请先退订其他项目或另建连接。"),
    ),
    "EXCHANGE_UNAVAILABLE": EdgeCode(
        503,
        Words("The exchange takes no command now; nothing was done.", "Try again shortly."),
        Words("交易系统暂不受理，未执行任何操作。", "请稍后重试。"),
        is_retryable=True,
    ),
    "DATABASE_UNAVAILABLE": EdgeCode(
        503,
        Words(
            "The database does not answer.",
            "Send it again shortly, with the same id: it takes effect at most once.",
        ),
        Words("数据库暂不可用。", "请稍后以相同编号重发：至多生效一次。"),
        is_retryable=True,
    ),
    "OUTCOME_UNKNOWN": EdgeCode(
        504,
        Words(
            "The command may or may not have taken effect.",
            "Send it again with the same id: it takes effect at most once.",
        ),
        Words("指令可能已生效，也可能未生效。", "请以相同编号重发：至多生效一次。"),
        is_retryable=True,
    ),
    "INTERNAL": EdgeCode(
        500,
        Words("The server failed; the operators have its trace.", "Report the trace id."),
        Words("服务器内部错误，已记录。", "请提供跟踪编号。"),
    ),
}
