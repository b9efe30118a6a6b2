"""The drill of docs/backup.md: a backup under load, the loss of everything, a restore elsewhere.

The restored market is the one as of the backup's seq: engine, books, read model, ledger; everything
acknowledged before the backup was asked for is in it; it goes on trading, settles and reconciles.
"""

import asyncio
from pathlib import Path

from engine.canonical import decode_envelope, encode
from engine.engine import Engine
from engine.released import Released
from exchange.backup import Manifest, backup, restore
from exchange.backup.restoring import EPOCH_STEP
from exchange.embedded import EmbeddedPostgres
from exchange.journal import Journal, Row
from exchange.readmodel.model import ReadModel
from exchange.recovery import Recovered, recover
from exchange.snapshots import Snapshots
from exchange.verifier import Anchor, verify_database
from migrations.upgrade import upgrade
from tests.conftest import SMALL
from tests.exchange_driver import writer_pool
from tests.reliability.settled_exchange import SettledExchange, open_founded, settled, totals_of
from tests.seeded import FIRST_SEED, seeded

REVISIONS = frozenset({"0001", "0002", "0003", "0004"})
ACTS_BEFORE = 400
ACTS_AFTER = 400
POLL_S = 0.005


class Original:
    """What is known of the market that will be lost."""

    manifest: Manifest
    engine: Engine
    """As of the backup's seq, replayed from the whole journal."""
    read: ReadModel
    acknowledged: list[Released]
    """Before the backup was asked for."""
    last_seq: int
    postings: list[tuple[object, ...]]
    """All of them, with their seqs."""


async def test_a_market_lost_after_its_backup_is_restored_as_of_the_backup(
    postgres: EmbeddedPostgres, data_dir: Path, tmp_path: Path
) -> None:
    file = tmp_path / "market.backup"
    original = await back_up_under_load(postgres.dsn, file)
    await postgres.destroy()

    elsewhere = EmbeddedPostgres(data_dir.parent / f"{data_dir.name}-restored", settings=SMALL)
    try:
        dsn = await elsewhere.start()
        assert await restore(dsn, file, REVISIONS, upgrade) == original.manifest
        await compare_at_rest(dsn, original)
        async with settled(dsn) as restored:
            await compare_running(restored, original)
    finally:
        await elsewhere.destroy()


async def back_up_under_load(dsn: str, file: Path) -> Original:
    await upgrade(dsn)
    original = Original()
    async with settled(dsn) as running:
        driver = running.driver
        await open_founded(running)
        await driver.trade(seeded(FIRST_SEED), 300)
        await driver.take_snapshot()
        trading = asyncio.create_task(driver.trade_until_gone(seeded(FIRST_SEED + 1)))
        await wait_for_acts(running, ACTS_BEFORE)
        original.acknowledged = list(driver.acknowledged)
        original.manifest = await backup(dsn, file)
        await wait_for_acts(running, ACTS_AFTER)
        rows = await read_journal(dsn)
        original.last_seq = len(rows)
        original.postings = await running.postings_until(original.last_seq)
        await driver.kill()
        await trading
    original.engine, original.read = replayed(rows[: original.manifest.seq])
    return original


async def wait_for_acts(running: SettledExchange, count: int) -> None:
    """Until so many more acts are acknowledged."""
    goal = len(running.driver.acknowledged) + count
    while len(running.driver.acknowledged) < goal:
        await asyncio.sleep(POLL_S)


async def compare_at_rest(dsn: str, original: Original) -> None:
    manifest = original.manifest
    last_acknowledged = max(step.seq for step in original.acknowledged)
    assert last_acknowledged <= manifest.seq < original.last_seq
    anchor = Anchor(manifest.seq, bytes.fromhex(manifest.chain))
    found = await verify_database(dsn, [anchor])
    assert (found.verified, found.last_seq) == (True, manifest.seq)
    rows = await read_journal(dsn)
    for step in original.acknowledged:
        row = rows[step.seq - 1]
        assert (row.command, row.events) == (encode(step.envelope), encode(step.events))
    state = await recovered(dsn)
    assert state.engine.state_digest() == original.engine.state_digest()
    assert state.read.to_record() == original.read.to_record()


async def compare_running(restored: SettledExchange, original: Original) -> None:
    driver, manifest = restored.driver, original.manifest
    market, lost = driver.engine.market, original.engine.market
    assert driver.exchange.sequencer.epoch == manifest.epoch + EPOCH_STEP + 1
    assert [book.in_priority() for book in market.books.values()] == [
        book.in_priority() for book in lost.books.values()
    ]
    assert await restored.totals() == totals_of(original.engine)
    assert await restored.postings_until(manifest.seq) == [
        posting for posting in original.postings if int(str(posting[0])) <= manifest.seq
    ]
    await driver.trade(seeded(FIRST_SEED + 2), 100)
    assert await restored.totals() == totals_of(driver.engine)
    assert (await restored.reconcile()).breaks == ()


async def read_journal(dsn: str) -> list[Row]:
    pool = await writer_pool(dsn)
    try:
        return await Journal(pool).read_after(0, 1_000_000)
    finally:
        pool.terminate()


async def recovered(dsn: str) -> Recovered:
    """What a start would find, without starting."""
    pool = await writer_pool(dsn)
    try:
        journal = Journal(pool)
        return await recover(journal, Snapshots(pool), await journal.head(), lambda *_: None)
    finally:
        pool.terminate()


def replayed(rows: list[Row]) -> tuple[Engine, ReadModel]:
    """The market after these rows, by the engine and the read model alone."""
    engine, read = Engine(), ReadModel()
    for row in rows:
        envelope = decode_envelope(row.command)
        read.apply(Released(row.seq, envelope, engine.apply(row.seq, envelope)))
    return engine, read
