"""Addresses and connections: every session has its role from the first statement on."""

import asyncio
import time
from pathlib import Path

import asyncpg
import pytest

from exchange.database import (
    DatabaseUnavailable,
    normalise_dsn,
    open_pool,
    sqlalchemy_url,
    wait_until_reachable,
)
from exchange.embedded import EmbeddedPostgres


@pytest.mark.parametrize(
    "url",
    [
        "postgres://me:secret@db:5433/jingtan",
        "postgresql://me:secret@db:5433/jingtan",
        "postgresql+asyncpg://me:secret@db:5433/jingtan\n",
    ],
)
def test_every_usual_address_is_accepted(url: str) -> None:
    assert normalise_dsn(url) == "postgresql://me:secret@db:5433/jingtan"
    assert (
        sqlalchemy_url(url).render_as_string(hide_password=False)
        == "postgresql+asyncpg://me:secret@db:5433/jingtan"
    )


@pytest.mark.parametrize("url", ["", "jingtan", "mysql://db/jingtan", "postgresql:/db"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="postgresql://"):
        normalise_dsn(url)


def test_tls_is_asked_for_in_sqlalchemy_s_words_too() -> None:
    url = sqlalchemy_url("postgresql://me@db/jingtan?sslmode=require")
    assert dict(url.query) == {"ssl": "require"}


async def test_pool_acts_as_its_role_in_utc_even_after_a_reset(dsn: str) -> None:
    pool = await open_pool(dsn, "jingtan_reader", min_size=1, max_size=1)
    for _ in range(2):
        async with pool.acquire() as connection:
            row = await connection.fetchrow(
                "SELECT current_user::text, current_setting('timezone'),"
                " current_setting('application_name')"
            )
            assert row is not None
            assert tuple(row) == ("jingtan_reader", "UTC", "jingtan_reader")
            await connection.execute("RESET ROLE")
            assert await connection.fetchval("SELECT current_user::text") == "jingtan_reader"
    await pool.close()


async def test_unknown_role_is_refused_in_one_line(dsn: str) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"^.*role \"nobody_knows\" does not exist.*$"):
        await open_pool(dsn, "nobody_knows", min_size=1, max_size=1)


async def test_unreachable_database_is_refused_without_the_password(tmp_path: Path) -> None:
    nowhere = f"postgresql://me:secret@/jingtan?host={tmp_path}&port=5432"
    with pytest.raises(DatabaseUnavailable) as refused:
        await wait_until_reachable(nowhere, 0.3)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_missing_database_is_refused_at_once(dsn: str) -> None:
    head, _, query = dsn.partition("?")
    missing = f"{head.rpartition('/')[0]}/missing?{query}"
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="does not exist"):
        await wait_until_reachable(missing, 60)
    assert time.monotonic() - started < 30


async def test_database_that_comes_up_late_is_waited_for(postgres: EmbeddedPostgres) -> None:
    await postgres.stop()
    waiting = asyncio.create_task(wait_until_reachable(postgres.dsn, 60))
    await asyncio.sleep(0)
    await postgres.start()
    await waiting
    connection = await asyncpg.connect(postgres.dsn)
    await connection.close()
