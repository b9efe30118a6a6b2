"""Every refusal of the identity package, each with a stable code and both languages.

    IdentityError
    |-- PersonError      LoginInvalid LoginTaken DisplayNameInvalid PasswordTooWeak PersonUnknown
    |-- LoginError       LoginRefused LoginThrottled PasswordChangeRequired PasswordsBusy
    `-- SignatureError   SignatureHeaderMissing SignatureHeaderMalformed SignatureInvalid
                         TimestampOutsideWindow SignedBeforeStart NonceReplayed NonceMemoryFull
                         PublicKeyInvalid

`status` is the HTTP status the edge answers, `field` the input field it is about, `retryable` says
that the same act may succeed later and `retry_after_ms` when. A code never changes its meaning;
the words may be improved.
"""

from typing import ClassVar


class IdentityError(Exception):
    """Base of all refusals here; only its leaves, which carry a code, are raised."""

    code: ClassVar[str]
    status: ClassVar[int]
    english: ClassVar[str]
    english_fix: ClassVar[str]
    chinese: ClassVar[str]
    chinese_fix: ClassVar[str]
    field: ClassVar[str] = ""
    retryable: ClassVar[bool] = False

    def __init__(
        self, detail: str = "", detail_zh: str = "", *, retry_after_ms: int | None = None
    ) -> None:
        """The details say in both languages what is particular about this refusal."""
        super().__init__(detail or self.english)
        self.detail = detail
        self.detail_zh = detail_zh
        self.retry_after_ms = retry_after_ms


class PersonError(IdentityError):
    """A person's record cannot be made or changed as asked."""

    status = 422


class LoginInvalid(PersonError):
    code = "LOGIN_INVALID"
    field = "login"
    english = "A login is 3 to 64 letters, digits, dots, dashes, underscores or @, letter first."
    english_fix = "Choose another login."
    chinese = "登录名须为3至64个字母、数字、点、连字符、下划线或@，且以字母开头。"
    chinese_fix = "请更换登录名。"


class LoginTaken(PersonError):
    code = "LOGIN_TAKEN"
    field = "login"
    status = 409
    english = "This login belongs to another person."
    english_fix = "Choose another login."
    chinese = "该登录名已被他人使用。"
    chinese_fix = "请更换登录名。"


class DisplayNameInvalid(PersonError):
    code = "DISPLAY_NAME_INVALID"
    field = "display_name"
    english = "A display name is 1 to 80 printable characters."
    english_fix = "Shorten it, without control characters."
    chinese = "显示名称须为1至80个可打印字符。"
    chinese_fix = "请缩短名称并去除控制字符。"


class PasswordTooWeak(PersonError):
    code = "PASSWORD_TOO_WEAK"
    field = "new_password"
    english = "This password is too easy to guess."
    english_fix = "Choose a longer one that nobody would guess first."
    chinese = "该密码过于简单。"
    chinese_fix = "请选择更长且不易猜到的密码。"


class PersonUnknown(PersonError):
    code = "PERSON_UNKNOWN"
    field = "person_id"
    status = 404
    english = "There is no such person."
    english_fix = "Use an id of GET /ops/v1/people."
    chinese = "查无此人。"
    chinese_fix = "请使用 GET /ops/v1/people 中的编号。"


class LoginError(IdentityError):
    """A person is not let in."""

    status = 401


class LoginRefused(LoginError):
    """One answer for an unknown login, a wrong password and a disabled person."""

    code = "LOGIN_REFUSED"
    english = "Login or password is wrong."
    english_fix = "Check both; an operator can reset the password."
    chinese = "登录名或密码错误。"
    chinese_fix = "请核对后重试；可由运营人员重置密码。"


class LoginThrottled(LoginError):
    code = "LOGIN_THROTTLED"
    status = 429
    retryable = True
    english = "Too many failed logins; wait before the next attempt."
    english_fix = "Wait for `retry_after_ms`."
    chinese = "登录失败次数过多，请稍后再试。"
    chinese_fix = "请在 retry_after_ms 之后重试。"


class PasswordChangeRequired(LoginError):
    """Said only to someone who knew the one-time password."""

    code = "PASSWORD_CHANGE_REQUIRED"
    status = 403
    english = "The one-time password must be changed before a session is issued."
    english_fix = "Set a password of your own with POST /v1/passwords."
    chinese = "须先修改一次性密码，方可登录。"
    chinese_fix = "请通过 POST /v1/passwords 设置新密码。"


class PasswordsBusy(LoginError):
    code = "PASSWORDS_BUSY"
    status = 503
    retryable = True
    english = "Too many passwords are being checked at once."
    english_fix = "Try again shortly."
    chinese = "当前验证密码的请求过多。"
    chinese_fix = "请稍后重试。"


class SignatureError(IdentityError):
    """A signed machine request is not accepted."""

    status = 401


class SignatureHeaderMissing(SignatureError):
    code = "SIGNATURE_HEADER_MISSING"
    english = "A signed request needs the key, timestamp, nonce and signature headers."
    english_fix = "Send every header of docs/signing.md."
    chinese = "签名请求缺少必需的签名头。"
    chinese_fix = "请按 docs/signing.md 提供全部签名头。"


class SignatureHeaderMalformed(SignatureError):
    code = "SIGNATURE_HEADER_MALFORMED"
    english = "A signature header is not in its documented form."
    english_fix = "Mend it as docs/signing.md says."
    chinese = "签名头格式不正确。"
    chinese_fix = "请按 docs/signing.md 更正。"


class SignatureInvalid(SignatureError):
    code = "SIGNATURE_INVALID"
    english = "The signature does not belong to this request and key."
    english_fix = "Compare your string to sign with the vectors of docs/signing.md."
    chinese = "签名与请求或密钥不符。"
    chinese_fix = "请与 docs/signing.md 的示例比对待签字符串。"


class TimestampOutsideWindow(SignatureError):
    code = "TIMESTAMP_OUTSIDE_WINDOW"
    english = "The request is older than its receive window, or dated in the future."
    english_fix = "Set your clock, then sign again."
    chinese = "请求时间超出接收窗口。"
    chinese_fix = "请校准时钟后重新签名。"


class SignedBeforeStart(SignatureError):
    code = "SIGNED_BEFORE_START"
    status = 503
    retryable = True
    english = "The request was signed before this server started; sign it again."
    english_fix = "Sign again after `retry_after_ms`."
    chinese = "请求签名早于服务启动时间，请重新签名。"
    chinese_fix = "请在 retry_after_ms 之后重新签名。"


class NonceReplayed(SignatureError):
    code = "NONCE_REPLAYED"
    english = "This nonce was already used with this key."
    english_fix = "Take a new nonce for every request."
    chinese = "该随机数已被使用。"
    chinese_fix = "每次请求须使用新的随机数。"


class NonceMemoryFull(SignatureError):
    code = "NONCE_MEMORY_FULL"
    status = 429
    retryable = True
    english = "Too many signed requests are inside their receive windows."
    english_fix = "Wait for `retry_after_ms`, or use a shorter window."
    chinese = "接收窗口内的签名请求过多。"
    chinese_fix = "请在 retry_after_ms 之后重试，或缩短接收窗口。"


class PublicKeyInvalid(SignatureError):
    code = "PUBLIC_KEY_INVALID"
    field = "public_key"
    status = 422
    english = "This is not a usable Ed25519 public key."
    english_fix = "Send 64 lower-case hex digits of a fresh key pair."
    chinese = "该公钥不是可用的Ed25519公钥。"
    chinese_fix = "请提供新密钥对公钥的64位小写十六进制数字。"
