"""A signed request counts inside its window, once, and never after a restart."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from api.identity.errors import (
    NonceMemoryFull,
    NonceReplayed,
    SignatureInvalid,
    SignedBeforeStart,
    TimestampOutsideWindow,
)
from api.identity.nonces import NonceMemory
from api.identity.signatures import KEY_HEADER
from tests.api.signing import KEY, NOW_MS, STARTED_MS, ManualClockMs, Server, signed_headers


@pytest.mark.parametrize(
    ("window", "age_ms"),
    [(None, 0), (None, 5_000), (60_000, 60_000), (1, 1), (None, -999), (60_000, -999)],
)
def test_a_request_counts_inside_its_window(window: int | None, age_ms: int) -> None:
    Server().accept(signed_headers(NOW_MS - age_ms, window=window))


@pytest.mark.parametrize(
    ("window", "age_ms"),
    [
        (None, 5_001),
        (60_000, 60_001),
        (1, 2),
        (None, -1_000),
        (60_000, -1_000),
        (None, -10_000_000),
        (60_000, 10_000_000_000),
    ],
)
def test_a_request_outside_its_window_is_refused(window: int | None, age_ms: int) -> None:
    with pytest.raises(TimestampOutsideWindow):
        Server().accept(signed_headers(NOW_MS - age_ms, window=window))


def test_a_replayed_request_is_refused_as_long_as_it_could_count() -> None:
    server = Server()
    headers = signed_headers(window=60_000)
    server.accept(headers)
    for elapsed_ms in range(0, 60_001, 30):
        server.clock.now_ms = NOW_MS + elapsed_ms
        with pytest.raises(NonceReplayed):
            server.accept(headers)
    server.clock.now_ms = NOW_MS + 60_001
    with pytest.raises(TimestampOutsideWindow):
        server.accept(headers)


def test_a_replay_under_another_key_id_is_refused() -> None:
    server = Server()
    headers = signed_headers()
    server.accept(headers)
    with pytest.raises(NonceReplayed):
        server.accept(headers | {KEY_HEADER: "key-2"})


def test_a_nonce_is_refused_for_another_request_of_the_key_too() -> None:
    server = Server()
    server.accept(signed_headers())
    with pytest.raises(NonceReplayed):
        server.accept(signed_headers(NOW_MS - 1))


def test_two_keys_may_use_one_nonce() -> None:
    server = Server()
    other = Ed25519PrivateKey.generate()
    other_public = other.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    server.accept(signed_headers())
    server.accept(signed_headers(key=other), public_key=other_public)


def test_a_nonce_is_free_again_after_its_window() -> None:
    server = Server()
    server.accept(signed_headers())
    server.clock.now_ms = NOW_MS + 5_001
    server.accept(signed_headers(server.clock.now_ms))


def test_a_wrong_signature_does_not_use_up_a_nonce() -> None:
    server = Server()
    with pytest.raises(SignatureInvalid):
        server.accept(signed_headers(), body=b"other")
    assert len(server.nonces) == 0
    server.accept(signed_headers())


def test_a_clock_set_back_does_not_reopen_a_window() -> None:
    server = Server()
    headers = signed_headers()
    server.accept(headers)
    server.clock.now_ms = NOW_MS + 6_000
    server.accept(signed_headers(NOW_MS + 6_000, "nonce-0002"))
    server.clock.now_ms = NOW_MS
    with pytest.raises(TimestampOutsideWindow):
        server.accept(headers)


@settings(max_examples=500, deadline=None)
@given(
    window=st.sampled_from([None, 1, 1_000, 5_000, 60_000]),
    ahead_ms=st.integers(-999, 999),
    stopped_for_ms=st.sampled_from([0, 1, 500, 999, 1_000, 30_000]),
    replayed_after_ms=st.sampled_from([0, 1, 999, 1_000, 59_000]),
)
def test_no_request_accepted_before_a_restart_is_accepted_after_it(
    window: int | None, ahead_ms: int, stopped_for_ms: int, replayed_after_ms: int
) -> None:
    headers = signed_headers(NOW_MS + max(ahead_ms, -(window or 5_000)), window=window)
    Server().accept(headers)
    started_ms = NOW_MS + stopped_for_ms
    restarted = Server(ManualClockMs(started_ms + replayed_after_ms), started_ms=started_ms)
    with pytest.raises((SignedBeforeStart, TimestampOutsideWindow)):
        restarted.accept(headers)


def test_a_request_signed_before_the_start_is_told_to_sign_again() -> None:
    server = Server(ManualClockMs(STARTED_MS + 400))
    with pytest.raises(SignedBeforeStart) as refused:
        server.accept(signed_headers(STARTED_MS + 400))
    assert refused.value.retryable
    assert refused.value.retry_after_ms == 600
    server.clock.now_ms += 600
    server.accept(signed_headers(server.clock.now_ms))


def flood(server: Server, requests: int, *, key: Ed25519PrivateKey = KEY, tag: str = "a") -> None:
    public_key = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    for number in range(requests):
        headers = signed_headers(server.clock.now_ms, f"{tag}-{number:08d}", key=key)
        server.accept(headers, public_key=public_key)


def test_a_key_beyond_its_bound_is_refused_rather_than_a_nonce_forgotten() -> None:
    server = Server(nonces=NonceMemory(max_per_key=10, max_in_all=1_000))
    flood(server, 10)
    with pytest.raises(NonceMemoryFull) as refused:
        server.accept(signed_headers(nonce="one-too-many"))
    assert refused.value.retryable
    assert refused.value.retry_after_ms == 5_001
    flood(server, 10, key=Ed25519PrivateKey.generate())
    with pytest.raises(NonceReplayed):
        server.accept(signed_headers(nonce="a-00000000"))


def test_the_memory_is_bounded_in_all_and_empties_with_time() -> None:
    server = Server(nonces=NonceMemory(max_per_key=1_000, max_in_all=20))
    flood(server, 10)
    flood(server, 10, key=Ed25519PrivateKey.generate())
    with pytest.raises(NonceMemoryFull):
        flood(server, 1, key=Ed25519PrivateKey.generate(), tag="b")
    assert len(server.nonces) == 20
    server.clock.now_ms += 5_001
    flood(server, 1, tag="c")
    assert len(server.nonces) == 1
