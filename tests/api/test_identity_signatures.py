"""Machine signatures: exactly these bytes, by exactly this key."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from api.identity.errors import (
    PublicKeyInvalid,
    SignatureError,
    SignatureHeaderMalformed,
    SignatureHeaderMissing,
    SignatureInvalid,
)
from api.identity.signatures import (
    KEY_HEADER,
    NONCE_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    WINDOW_HEADER,
    RequestSignature,
    SignatureVerifier,
    parse_public_key,
    request_target,
    string_to_sign,
)
from tests.api.signing import (
    BODY,
    KEY,
    NOW_MS,
    PUBLIC,
    STARTED_MS,
    TARGET,
    ManualClockMs,
    Server,
    base64url,
    signed_headers,
)

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "signing.md"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def golden() -> dict[str, object]:
    [block] = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    vectors: dict[str, object] = json.loads(block)
    return vectors


def golden_vectors() -> list[dict[str, str]]:
    vectors = golden()["vectors"]
    assert isinstance(vectors, list)
    assert len(vectors) >= 5
    return vectors


def test_the_documented_key_pair_belongs_together() -> None:
    document = golden()
    assert document["private_key_seed_hex"] == bytes(range(32)).hex()
    assert document["public_key"] == PUBLIC.hex()
    assert parse_public_key(str(document["public_key"])) == PUBLIC


@pytest.mark.parametrize("vector", golden_vectors(), ids=lambda vector: vector["name"])
def test_a_documented_vector_is_made_and_accepted(vector: dict[str, str]) -> None:
    lines = vector["string_to_sign"].encode()
    assert vector["signature"] == base64url(KEY.sign(lines))
    headers = {
        KEY_HEADER: "key-1",
        TIMESTAMP_HEADER: vector["timestamp"],
        NONCE_HEADER: vector["nonce"],
        SIGNATURE_HEADER: vector["signature"],
    }
    if vector["recv_window"] is not None:
        headers[WINDOW_HEADER] = vector["recv_window"]
    signed = RequestSignature.from_headers(headers)
    body = vector["body"].encode()
    assert lines == signed.string_to_sign(vector["method"], vector["target"], body)
    server = Server(ManualClockMs(signed.timestamp_ms), started_ms=signed.timestamp_ms - 2_000)
    server.accept(headers, method=vector["method"], target=vector["target"], body=body)


def test_the_document_names_every_header_code_and_bound() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for header in (KEY_HEADER, TIMESTAMP_HEADER, NONCE_HEADER, WINDOW_HEADER, SIGNATURE_HEADER):
        assert f"`{header}`" in text
    for refusal in SignatureError.__subclasses__():
        assert f"| `{refusal.code}` | {refusal.status} |" in text
    for bound in ("5000", "60000", "1000 ms", "20000", "200000"):
        assert bound in text


def test_a_signed_request_is_accepted() -> None:
    Server().accept(signed_headers())
    Server().accept(signed_headers(window=60_000))


def test_any_changed_byte_of_the_body_is_refused() -> None:
    headers = signed_headers()
    for place in range(len(BODY)):
        for bit in range(8):
            changed = bytearray(BODY)
            changed[place] ^= 1 << bit
            with pytest.raises(SignatureInvalid):
                Server().accept(headers, body=bytes(changed))
    for other in (b"", BODY + b" ", BODY[:-1], BODY + BODY):
        with pytest.raises(SignatureInvalid):
            Server().accept(headers, body=other)


def test_any_changed_character_of_the_target_is_refused() -> None:
    headers = signed_headers()
    changed = [TARGET[:n] + "x" + TARGET[n + 1 :] for n in range(len(TARGET))]
    changed += [TARGET + "&", TARGET[:-1], TARGET.upper(), "/v1/orders", "//v1/orders?a=1", ""]
    changed += [TARGET + "\n", TARGET + " ", TARGET.replace("a", "%61"), TARGET + "\u78b3"]
    for target in changed:
        with pytest.raises(SignatureInvalid):
            Server().accept(headers, target=target)


@pytest.mark.parametrize("method", ["GET", "PUT", "post", "POST ", "", "PATCH", "POST\nx", "POSTS"])
def test_another_method_is_refused(method: str) -> None:
    with pytest.raises(SignatureInvalid):
        Server().accept(signed_headers(), method=method)


@pytest.mark.parametrize("name", [TIMESTAMP_HEADER, NONCE_HEADER, WINDOW_HEADER, SIGNATURE_HEADER])
def test_any_changed_character_of_a_signed_header_is_refused(name: str) -> None:
    headers = signed_headers(window=30_000)
    text = headers[name]
    for place in range(len(text)):
        for other in ALPHABET + " .=+/\n":
            if other != text[place]:
                changed = text[:place] + other + text[place + 1 :]
                with pytest.raises(SignatureError):
                    Server().accept(headers | {name: changed})


def test_a_window_can_be_neither_added_nor_removed_nor_lengthened() -> None:
    with pytest.raises(SignatureInvalid):
        Server().accept(signed_headers() | {WINDOW_HEADER: "5000"})
    with pytest.raises(SignatureInvalid):
        Server().accept(signed_headers(window=3_000) | {WINDOW_HEADER: "60000"})
    without = signed_headers(window=3_000)
    del without[WINDOW_HEADER]
    with pytest.raises(SignatureInvalid):
        Server().accept(without)


def test_lines_cannot_be_shifted_between_fields() -> None:
    message = f"{NOW_MS}\nnonce-0001\nPOST\n/v1/a\n"
    with pytest.raises(SignatureInvalid):
        string_to_sign(
            timestamp_ms=NOW_MS, nonce="nonce-0001", method="POST", target="/v1/a\nx", body=b""
        )
    with pytest.raises(SignatureHeaderMalformed):
        Server().accept(signed_headers() | {NONCE_HEADER: "nonce-0001\nPOST"})
    with_window = string_to_sign(
        timestamp_ms=NOW_MS,
        nonce="nonce-0001",
        method="POST",
        target="/v1/a",
        body=b"",
        recv_window_ms=5_000,
    )
    assert with_window.decode().startswith(message)
    assert with_window.count(b"\n") == 5


def test_another_key_is_refused() -> None:
    other = Ed25519PrivateKey.generate()
    with pytest.raises(SignatureInvalid):
        Server().accept(signed_headers(key=other))
    refused = 0
    for bit in range(256):
        public_key = bytearray(PUBLIC)
        public_key[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(SignatureError):
            Server().accept(signed_headers(), public_key=bytes(public_key))
        refused += 1
    assert refused == 256


def test_a_signature_has_one_spelling_only() -> None:
    headers = signed_headers()
    spelled = headers[SIGNATURE_HEADER]
    raw = base64.urlsafe_b64decode(spelled + "==")
    equal = [
        spelled[:-1] + last
        for last in ALPHABET
        if base64.urlsafe_b64decode(spelled[:-1] + last + "==") == raw and last != spelled[-1]
    ]
    assert len(equal) == 15  # a lenient decoder would take each of them for the signature
    standard = spelled.replace("-", "+").replace("_", "/")
    for other in [*equal, spelled + "==", spelled + "=", " " + spelled, spelled + "\n", ""]:
        with pytest.raises(SignatureHeaderMalformed):
            Server().accept(headers | {SIGNATURE_HEADER: other})
    if standard != spelled:
        with pytest.raises(SignatureHeaderMalformed):
            Server().accept(headers | {SIGNATURE_HEADER: standard})


def test_a_signature_plus_the_group_order_is_refused() -> None:
    """Malleability: S + L fits the same equation; RFC 8032 wants S < L."""
    headers = signed_headers()
    raw = base64.urlsafe_b64decode(headers[SIGNATURE_HEADER] + "==")
    order = 2**252 + 27742317777372353535851937790883648493
    shifted = int.from_bytes(raw[32:], "little") + order
    other = base64url(raw[:32] + shifted.to_bytes(32, "little"))
    with pytest.raises(SignatureInvalid):
        Server().accept(headers | {SIGNATURE_HEADER: other})


@pytest.mark.parametrize("name", [KEY_HEADER, TIMESTAMP_HEADER, NONCE_HEADER, SIGNATURE_HEADER])
def test_a_missing_header_is_named(name: str) -> None:
    headers = signed_headers()
    del headers[name]
    with pytest.raises(SignatureHeaderMissing, match=name):
        RequestSignature.from_headers(headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (KEY_HEADER, ""),
        (KEY_HEADER, "a b"),
        (KEY_HEADER, "k" * 65),
        (TIMESTAMP_HEADER, ""),
        (TIMESTAMP_HEADER, "0"),
        (TIMESTAMP_HEADER, f"0{NOW_MS}"),
        (TIMESTAMP_HEADER, f"+{NOW_MS}"),
        (TIMESTAMP_HEADER, f"-{NOW_MS}"),
        (TIMESTAMP_HEADER, f"{NOW_MS}.0"),
        (TIMESTAMP_HEADER, "1e12"),
        (TIMESTAMP_HEADER, "１７６７２２９２０００００"),
        (TIMESTAMP_HEADER, "9" * 16),
        (NONCE_HEADER, "short-7"),
        (NONCE_HEADER, "n" * 65),
        (NONCE_HEADER, "nonce 0001"),
        (NONCE_HEADER, "nonce-碳碳碳碳"),
        (WINDOW_HEADER, "0"),
        (WINDOW_HEADER, "60001"),
        (WINDOW_HEADER, "-1"),
        (WINDOW_HEADER, "5000.0"),
        (WINDOW_HEADER, ""),
        (SIGNATURE_HEADER, "x" * 85),
        (SIGNATURE_HEADER, "x" * 1_000_000),
        (SIGNATURE_HEADER, "碳" * 86),
    ],
)
def test_a_malformed_header_is_named(name: str, value: str) -> None:
    with pytest.raises(SignatureHeaderMalformed, match=name):
        RequestSignature.from_headers(signed_headers() | {name: value})


def test_the_target_is_what_was_received() -> None:
    assert request_target(b"/v1/a%20b", b"") == "/v1/a%20b"
    assert request_target(b"/v1/a", b"x=%E7&y=") == "/v1/a?x=%E7&y="
    with pytest.raises(SignatureInvalid):
        Server().accept(signed_headers(), target=request_target(b"/v1/\xff", b""))


SMALL_ORDER = [
    (0).to_bytes(32, "little"),
    (1).to_bytes(32, "little"),
    *((2**255 - 19 + n).to_bytes(32, "little") for n in (-1, 0, 1)),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
]


@pytest.mark.parametrize("sign", [0, 0x80])
@pytest.mark.parametrize("point", SMALL_ORDER, ids=lambda point: point.hex()[:6])
def test_a_point_of_small_order_cannot_be_registered(point: bytes, sign: int) -> None:
    public_key = point[:-1] + bytes([point[-1] | sign])
    with pytest.raises(PublicKeyInvalid):
        parse_public_key(public_key.hex())


@pytest.mark.parametrize("point", SMALL_ORDER, ids=lambda point: point.hex()[:6])
def test_such_a_point_fits_messages_nobody_signed(point: bytes) -> None:
    """Why it is refused: the library accepts one fixed signature for many messages."""
    signature = (1).to_bytes(32, "little") + bytes(32)
    key = Ed25519PublicKey.from_public_bytes(point)
    assert any(fits(key, signature, b"order %d" % n) for n in range(500))


def fits(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a" * 63,
        "a" * 65,
        PUBLIC.hex().upper(),
        base64url(PUBLIC),
        f"{PUBLIC.hex()}\n",
        "g" * 64,
    ],
)
def test_a_public_key_has_one_spelling_only(text: str) -> None:
    with pytest.raises(PublicKeyInvalid):
        parse_public_key(text)


def test_a_key_of_the_wrong_length_verifies_nothing() -> None:
    with pytest.raises(PublicKeyInvalid):
        Server().accept(signed_headers(), public_key=PUBLIC[:-1])


class ReversedVerifier:
    """A scheme whose signature is the first 64 bytes of the message, backwards."""

    def is_signed(self, _public_key: bytes, message: bytes, signature: bytes, /) -> bool:
        return signature == message[:64][::-1]


def test_another_scheme_is_another_verifier() -> None:
    verifier = SignatureVerifier(ManualClockMs(), STARTED_MS, verifier=ReversedVerifier())
    signed = RequestSignature.from_headers(signed_headers())
    with pytest.raises(SignatureInvalid):
        verifier.verify(PUBLIC, signed, "POST", TARGET, BODY)
    backwards = signed.string_to_sign("POST", TARGET, BODY)[:64][::-1]
    verifier.verify(PUBLIC, replace(signed, signature=backwards), "POST", TARGET, BODY)
