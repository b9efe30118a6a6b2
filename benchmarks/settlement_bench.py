"""Settlement throughput against a bare COPY of the very same rows, in one run.

Starts a durable embedded PostgreSQL of its own, settles random trades in batches of a thousand
records, reconciles, then copies all rows that this wrote into tables without any index,
constraint or trigger, committing as often.
"""

import random
import tempfile
import time
from pathlib import Path

import asyncpg
from sqlalchemy.ext.asyncio import create_async_engine

from engine.codes import Side, TradeType
from engine.commands import SYSTEM_ACTOR, AnyCommand, Envelope, ReportPositions
from engine.events import AnyEvent, CashCredited, DayStarted, TradeExecuted, UnitDepositRequested
from engine.released import Released
from exchange.database import sqlalchemy_url
from exchange.embedded import EmbeddedPostgres
from migrations.upgrade import upgrade
from settlement.consumer import BATCH_RECORDS, Settlement
from settlement.registry.embedded import EmbeddedRegistry

SEED = 20240506
NS = 1_000_000_000
TRADES = 10_000
PARTICIPANTS = tuple(f"P{number:03}" for number in range(200))
SERIES = ("BEA-2023", "BEA-2024", "PCER-2023")
TONNES = 10_000_000
CASH_FEN = 10**15
WRITTEN = (
    "settlement.instruction",
    "settlement.instruction_state",
    "settlement.posting",
    "settlement.entry",
    "registry.transfer",
    "registry.unit_block",
)


class Log:
    """A feed that has everything already, and a market that remembers what it was told."""

    def __init__(self) -> None:
        self.records: list[Released] = []
        self.submitted: dict[str, AnyCommand] = {}

    def append(self, event: AnyEvent) -> None:
        seq = len(self.records) + 1
        envelope = Envelope(seq, SYSTEM_ACTOR, "", ReportPositions())
        self.records.append(Released(seq, envelope, (event,)))

    async def read_after(self, seq: int, limit: int) -> list[Released]:
        return self.records[seq : seq + limit]

    async def wait_beyond(self, seq: int) -> None:
        raise AssertionError(f"nothing follows {seq}")

    async def submit(self, request_id: str, body: AnyCommand) -> None:
        self.submitted[request_id] = body


def fund(log: Log) -> None:
    """Money and units for everybody."""
    log.append(DayStarted(20240506))
    acts = iter(range(1, 10**6))
    for name in PARTICIPANTS:
        log.append(CashCredited(next(acts), name, CASH_FEN, ""))
        for series_id in SERIES:
            log.append(UnitDepositRequested(next(acts), name, series_id, TONNES, ""))


def trade(log: Log, trade_id: int, chance: random.Random) -> None:
    """A random trade."""
    buyer, seller = chance.sample(PARTICIPANTS, 2)
    series_id, quantity = chance.choice(SERIES), chance.randint(1, 500)
    value_fen = quantity * chance.randint(8_000, 12_000)
    fee_fen = value_fen * 75 // 10_000
    log.append(
        TradeExecuted(
            trade_id=trade_id,
            trade_type=TradeType.CONTINUOUS,
            trading_day=20240506,
            instrument_id=series_id,
            series_id=series_id,
            price_ticks=value_fen // quantity,
            quantity=quantity,
            value_fen=value_fen,
            aggressor=Side.BUY,
            buy_order_id=2 * trade_id,
            sell_order_id=2 * trade_id + 1,
            buyer_id=buyer,
            seller_id=seller,
            buyer_fee_fen=fee_fen,
            seller_fee_fen=fee_fen,
        )
    )


async def settle(dsn: str, trades: int) -> int:
    """Settle the trades; returns nanoseconds."""
    engine = create_async_engine(
        sqlalchemy_url(dsn), connect_args={"server_settings": {"role": "jingtan_settlement"}}
    )
    async with engine.begin() as connection:
        registry = EmbeddedRegistry(connection)
        for name in PARTICIPANTS:
            for series_id in SERIES:
                await registry.issue(f"{name}:{series_id}", series_id, name, TONNES)
    log, chance = Log(), random.Random(SEED)
    fund(log)
    consumer = Settlement(engine, log, log)
    await consumer.catch_up(len(log.records))
    for number in range(1, trades + 1):
        trade(log, number, chance)
    started = time.perf_counter_ns()
    await consumer.catch_up(len(log.records))
    elapsed_ns = time.perf_counter_ns() - started
    await engine.dispose()
    return elapsed_ns


async def copy(dsn: str, trades: int) -> tuple[int, int]:
    """COPY the rows of these trades bare; returns nanoseconds and the number of rows."""
    connection = await asyncpg.connect(dsn)
    tables: list[tuple[str, list[tuple[object, ...]]]] = []
    for name in WRITTEN:
        bare = name.replace(".", "_")
        await connection.execute(f"CREATE TABLE {bare} AS SELECT * FROM {name} LIMIT 0")
        records = await connection.fetch(f"SELECT * FROM {name}")
        tables.append((bare, [tuple(record) for record in records]))
    batches = -(-trades // BATCH_RECORDS)
    started = time.perf_counter_ns()
    for batch in range(batches):
        async with connection.transaction():
            for bare, rows in tables:
                part = rows[len(rows) * batch // batches : len(rows) * (batch + 1) // batches]
                await connection.copy_records_to_table(bare, records=part)
    elapsed_ns = time.perf_counter_ns() - started
    await connection.close()
    return elapsed_ns, sum(len(rows) for _, rows in tables)


async def measure(trades: int = TRADES) -> dict[str, int]:
    """Trades a second, settled and merely copied."""
    with tempfile.TemporaryDirectory(prefix="jingtan-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        server = EmbeddedPostgres(Path(folder))
        dsn = await server.start()
        try:
            await upgrade(dsn)
            settle_ns = await settle(dsn, trades)
            copy_ns, rows = await copy(dsn, trades)
        finally:
            await server.destroy()
    return {
        "settled_trades_s": trades * NS // settle_ns,
        "copied_trades_s": trades * NS // copy_ns,
        "settlement_rows": rows,
    }
