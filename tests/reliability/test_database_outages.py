"""A2: the database killed, frozen, refused or cut off under load, and given back.

No false acknowledgement, reads and health answer meanwhile, /readyz says why commands are refused,
service resumes by itself.  JINGTAN_DATABASE_FAULTS sets the number of faults of each kind.
"""

import os
import signal

from api.demo.market import OPERATOR_1
from exchange.embedded import EmbeddedPostgres
from tests.reliability.database_faults import (
    Fault,
    Frozen,
    LostReply,
    PostmasterEnds,
    Refused,
    Terminated,
)
from tests.reliability.market_state import breaks_of_the_books, read_market
from tests.reliability.markets import Market
from tests.reliability.outages import Endurance
from tests.reliability.postgres_proxy import Cut, PostgresProxy
from tests.reliability.tally import Tally
from tests.seeded import FIRST_SEED, seeded

ROW = "A2"
FAULTS = int(os.environ.get("JINGTAN_DATABASE_FAULTS", "2"))


async def test_an_embedded_database_that_dies_or_freezes_costs_nothing_that_was_acknowledged(
    market: Market, tally: Tally
) -> None:
    server = market.server
    server.start()
    await server.wait_ready()
    cluster, dsn = server.cluster, server.socket_dsn
    faults: list[Fault] = [
        PostmasterEnds("postmaster kill -9", cluster, signal.SIGKILL),
        PostmasterEnds("stop -m immediate", cluster, signal.SIGQUIT),
        Frozen(cluster),
        Terminated(dsn),
    ]
    await _endure_all(market, faults, tally)


async def test_a_connection_lost_around_a_commit_is_neither_a_lost_nor_a_doubled_command(
    market: Market, tally: Tally
) -> None:
    database = EmbeddedPostgres(market.server.data_dir)
    await database.start()
    proxy = PostgresProxy(market.server.data_dir / "run")
    await proxy.start()
    url = f"postgresql://postgres@127.0.0.1:{proxy.port}/jingtan?sslmode=disable"
    market.server.environment["DATABASE_URL"] = url
    try:
        market.server.start()
        await market.server.wait_ready()
        cuts: list[Fault] = [LostReply(proxy, cut) for cut in Cut]
        await _endure_all(market, [*cuts, Refused(proxy)], tally)
        market.server.end()
    finally:
        await proxy.refuse()
        await database.stop()


async def _endure_all(market: Market, faults: list[Fault], tally: Tally) -> None:
    """Every fault as often as asked for, then a kill: what was said still holds."""
    server = market.server
    chance = seeded(FIRST_SEED)
    start = await read_market(server.port, market.traders)
    endurance = Endurance(server, market.traders, start, chance)
    for fault in [fault for fault in faults for _ in range(FAULTS)]:
        await endurance.endure(fault, tally)
    token = market.staff[OPERATOR_1.login]
    assert await breaks_of_the_books(server.port, token) == 0
    before = await read_market(server.port, market.traders)
    server.kill()
    server.start()
    await server.wait_ready()
    assert before == await read_market(server.port, market.traders)
