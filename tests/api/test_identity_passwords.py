"""Passwords are hashed off the loop, within bounds, and weak ones are refused."""

import asyncio

import argon2
import pytest

from api.identity.errors import PasswordsBusy, PasswordTooWeak
from api.identity.passwords import (
    Passwords,
    new_one_time_password,
    require_strong,
)
from tests.api.identity_world import PASSWORD, GatedHasher, cheap_hasher


async def test_only_the_password_itself_verifies() -> None:
    passwords = Passwords(cheap_hasher())
    stored = await passwords.hash(PASSWORD)
    assert stored.startswith("$argon2id$")
    assert await passwords.verify(stored, PASSWORD)
    for wrong in ("", PASSWORD + " ", PASSWORD[:-1], PASSWORD.upper(), "\ud800", "x" * 10_000):
        assert not await passwords.verify(stored, wrong)
    passwords.close()


async def test_a_password_verifies_however_its_characters_are_composed() -> None:
    passwords = Passwords(cheap_hasher())
    stored = await passwords.hash("Cafe\u0301 and ｔｅａ")
    assert await passwords.verify(stored, "Caf\u00e9 and tea")
    passwords.close()


async def test_nobody_has_no_password_but_costs_the_same() -> None:
    passwords = Passwords(cheap_hasher())
    stored = await passwords.hash(PASSWORD)
    assert not await passwords.verify(None, PASSWORD)
    assert argon2.extract_parameters(stored) == argon2.extract_parameters(passwords._nobody)
    passwords.close()


async def test_a_hash_of_another_cost_is_outdated() -> None:
    cheap, dearer = Passwords(cheap_hasher()), Passwords(cheap_hasher(passes=2))
    stored = await cheap.hash(PASSWORD)
    assert not cheap.is_outdated(stored)
    assert dearer.is_outdated(stored)
    assert await dearer.verify(stored, PASSWORD)
    cheap.close()
    dearer.close()


async def test_the_loop_runs_on_while_a_password_is_checked() -> None:
    hasher = GatedHasher()
    passwords = Passwords(hasher, workers=1, max_waiting=0)
    checking = asyncio.create_task(passwords.verify(None, PASSWORD))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not checking.done()
    hasher.gate.set()
    assert not await checking
    passwords.close()


async def test_beyond_the_bound_a_check_is_refused_as_retryable() -> None:
    hasher = GatedHasher()
    passwords = Passwords(hasher, workers=1, max_waiting=2)
    running = [asyncio.create_task(passwords.verify(None, PASSWORD)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(PasswordsBusy) as refused:
        await passwords.verify(None, PASSWORD)
    assert refused.value.retryable
    assert refused.value.retry_after_ms == 1_000
    hasher.gate.set()
    assert await asyncio.gather(*running) == [False] * 3
    assert not await passwords.verify(None, PASSWORD)
    passwords.close()


async def test_a_caller_who_left_keeps_his_place_until_his_thread_is_done() -> None:
    hasher = GatedHasher()
    passwords = Passwords(hasher, workers=1, max_waiting=0)
    left = asyncio.create_task(passwords.verify(None, PASSWORD))
    for _ in range(100):
        await asyncio.sleep(0)
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    with pytest.raises(PasswordsBusy):
        await passwords.verify(None, PASSWORD)
    hasher.gate.set()
    passwords.close()


@pytest.mark.parametrize(
    "weak",
    [
        "short1",
        "elevenchars",
        "x" * 129,
        "123456789012",
        "2024-12-31 00:00",
        "aaaaaaaaaaaab",
        "password1234",
        "Password!!!!!",
        "P@ssw0rd2026!",
        "passwordpassword",
        "qwertyuiop12",
        "1q2w3e4r5t6y",
        "JingTan202601",
        "beijing-12345678",
        "my name is liwei",
        "ﷺ",
    ],
)
def test_a_password_that_is_guessed_first_is_refused(weak: str) -> None:
    with pytest.raises(PasswordTooWeak):
        require_strong(weak, "liwei")


@pytest.mark.parametrize("strong", [PASSWORD, "碳市场的第一笔交易在清晨成交", "kT9#vw2!Lq8z"])
def test_a_long_unusual_password_is_accepted(strong: str) -> None:
    require_strong(strong, "liwei")


def test_one_time_passwords_are_strong_and_differ() -> None:
    made = [new_one_time_password() for _ in range(100)]
    assert len(set(made)) == 100
    for password in made:
        require_strong(password, "liwei")
