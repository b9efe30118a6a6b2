"""Every refusal of the identity package, each with a stable code and both languages.

    IdentityError
    |-- PersonError      LoginInvalid LoginTaken DisplayNameInvalid PasswordTooWeak PersonUnknown
    |-- LoginError       LoginRefused LoginThrottled PasswordChangeRequired PasswordsBusy
    `-- SignatureError   SignatureHeaderMissing SignatureHeaderMalformed SignatureInvalid
                         TimestampOutsideWindow SignedBeforeStart NonceReplayed NonceMemoryFull
                         PublicKeyInvalid

`status` is the HTTP status the edge answers, `retryable` says that the same act may succeed later
and `retry_after_ms` when. A code never changes its meaning; the words may be improved.
"""

from typing import ClassVar


class IdentityError(Exception):
    """Base of all refusals here; only its leaves, which carry a code, are raised."""

    code: ClassVar[str]
    status: ClassVar[int]
    english: ClassVar[str]
    chinese: ClassVar[str]
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, retry_after_ms: int | None = None) -> None:
        super().__init__(detail or self.english)
        self.detail = detail
        self.retry_after_ms = retry_after_ms


class PersonError(IdentityError):
    """A person's record cannot be made or changed as asked."""

    status = 422


class LoginInvalid(PersonError):
    code = "LOGIN_INVALID"
    english = "A login is 3 to 64 letters, digits, dots, dashes, underscores or @, letter first."
    chinese = "登录名须为3至64个字母、数字、点、连字符、下划线或@，且以字母开头。"


class LoginTaken(PersonError):
    code = "LOGIN_TAKEN"
    status = 409
    english = "This login belongs to another person."
    chinese = "该登录名已被他人使用。"


class DisplayNameInvalid(PersonError):
    code = "DISPLAY_NAME_INVALID"
    english = "A display name is 1 to 80 printable characters."
    chinese = "显示名称须为1至80个可打印字符。"


class PasswordTooWeak(PersonError):
    code = "PASSWORD_TOO_WEAK"
    english = "This password is too easy to guess."
    chinese = "该密码过于简单。"


class PersonUnknown(PersonError):
    code = "PERSON_UNKNOWN"
    status = 404
    english = "There is no such person."
    chinese = "查无此人。"


class LoginError(IdentityError):
    """A person is not let in."""

    status = 401


class LoginRefused(LoginError):
    """One answer for an unknown login, a wrong password and a disabled person."""

    code = "LOGIN_REFUSED"
    english = "Login or password is wrong."
    chinese = "登录名或密码错误。"


class LoginThrottled(LoginError):
    code = "LOGIN_THROTTLED"
    status = 429
    retryable = True
    english = "Too many failed logins; wait before the next attempt."
    chinese = "登录失败次数过多，请稍后再试。"


class PasswordChangeRequired(LoginError):
    """Said only to someone who knew the one-time password."""

    code = "PASSWORD_CHANGE_REQUIRED"
    status = 403
    english = "The one-time password must be changed before a session is issued."
    chinese = "须先修改一次性密码，方可登录。"


class PasswordsBusy(LoginError):
    code = "PASSWORDS_BUSY"
    status = 503
    retryable = True
    english = "Too many passwords are being checked at once."
    chinese = "当前验证密码的请求过多。"


class SignatureError(IdentityError):
    """A signed machine request is not accepted."""

    status = 401


class SignatureHeaderMissing(SignatureError):
    code = "SIGNATURE_HEADER_MISSING"
    english = "A signed request needs the key, timestamp, nonce and signature headers."
    chinese = "签名请求缺少必需的签名头。"


class SignatureHeaderMalformed(SignatureError):
    code = "SIGNATURE_HEADER_MALFORMED"
    english = "A signature header is not in its documented form."
    chinese = "签名头格式不正确。"


class SignatureInvalid(SignatureError):
    code = "SIGNATURE_INVALID"
    english = "The signature does not belong to this request and key."
    chinese = "签名与请求或密钥不符。"


class TimestampOutsideWindow(SignatureError):
    code = "TIMESTAMP_OUTSIDE_WINDOW"
    english = "The request is older than its receive window, or dated in the future."
    chinese = "请求时间超出接收窗口。"


class SignedBeforeStart(SignatureError):
    code = "SIGNED_BEFORE_START"
    status = 503
    retryable = True
    english = "The request was signed before this server started; sign it again."
    chinese = "请求签名早于服务启动时间，请重新签名。"


class NonceReplayed(SignatureError):
    code = "NONCE_REPLAYED"
    english = "This nonce was already used with this key."
    chinese = "该随机数已被使用。"


class NonceMemoryFull(SignatureError):
    code = "NONCE_MEMORY_FULL"
    status = 429
    retryable = True
    english = "Too many signed requests are inside their receive windows."
    chinese = "接收窗口内的签名请求过多。"


class PublicKeyInvalid(SignatureError):
    code = "PUBLIC_KEY_INVALID"
    status = 422
    english = "This is not a usable Ed25519 public key."
    chinese = "该公钥不是可用的Ed25519公钥。"
