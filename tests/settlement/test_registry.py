"""The embedded registry: issues, locks, transfers, releases, and what it refuses."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from settlement.ports import SeriesTotals, TransferKind, TransferRequest, UnitStatus
from settlement.registry.blocks import NOT_ENOUGH_UNITS
from settlement.registry.embedded import EmbeddedRegistry, Holding, KeyReused
from tests.settlement.conftest import execute, issue, refusal, rows
from tests.settlement.world import BEA, PCER

HELD, LOCKED = UnitStatus.HELD, UnitStatus.LOCKED
NOT_CONSERVED = "JT007"
APPEND_ONLY = "JT004"


async def ask(
    engine: AsyncEngine, kind: TransferKind, who: str, quantity: int, key: str
) -> tuple[int, str]:
    """One request in a transaction of its own: "A>B" or "A"; returns transfer id and refusal."""
    giver, _, receiver = who.partition(">")
    request = TransferRequest(key, kind, BEA, giver, receiver or giver, quantity)
    async with engine.begin() as connection:
        (answer,) = await EmbeddedRegistry(connection).carry_out([request])
    assert answer.key == key
    return answer.transfer_id, answer.refusal


async def held(engine: AsyncEngine, holder: str) -> list[tuple[str, int, int]]:
    async with engine.connect() as connection:
        holdings = await EmbeddedRegistry(connection).holdings(holder)
    return [(holding.status, holding.serial_from, holding.serial_to) for holding in holdings]


async def test_each_issue_counts_on_with_fresh_serials(books: AsyncEngine) -> None:
    await issue(books, "A", 100, BEA)
    await issue(books, "B", 50, BEA)
    await issue(books, "A", 7, PCER)
    async with books.connect() as connection:
        registry = EmbeddedRegistry(connection)
        assert await registry.holdings("A") == [
            Holding(BEA, HELD, 1, 100, 100),
            Holding(PCER, HELD, 1, 7, 7),
        ]
        assert await registry.holdings("B") == [Holding(BEA, HELD, 101, 150, 50)]
        assert await registry.totals() == [
            SeriesTotals(BEA, 150, {HELD: 150}),
            SeriesTotals(PCER, 7, {HELD: 7}),
        ]


async def test_a_series_without_units_has_totals_of_nothing(books: AsyncEngine) -> None:
    await execute(books, "INSERT INTO registry.series (series_id) VALUES ('BEA-2024')")
    async with books.connect() as connection:
        assert await EmbeddedRegistry(connection).totals() == [SeriesTotals(BEA, 0, {})]


async def test_an_issue_with_the_same_key_happens_once(books: AsyncEngine) -> None:
    async with books.begin() as connection:
        registry = EmbeddedRegistry(connection)
        first = await registry.issue("paper-1", BEA, "A", 100)
        assert await registry.issue("paper-1", BEA, "A", 100) == first
        with pytest.raises(KeyReused):
            await registry.issue("paper-1", BEA, "A", 101)
    assert await held(books, "A") == [("held", 1, 100)]


async def test_units_go_under_the_lock_move_and_come_back(books: AsyncEngine) -> None:
    await issue(books, "A", 100, BEA)
    await ask(books, TransferKind.LOCK, "A", 60, "lock-1")
    await ask(books, TransferKind.TRANSFER, "A>B", 25, "trade-1")
    await ask(books, TransferKind.RELEASE, "B", 5, "release-1")
    assert await held(books, "A") == [("held", 61, 100), ("locked", 26, 60)]
    assert await held(books, "B") == [("held", 1, 5), ("locked", 6, 25)]
    async with books.connect() as connection:
        registry = EmbeddedRegistry(connection)
        assert await registry.locked() == {("A", BEA): 35, ("B", BEA): 20}
        assert await registry.totals() == [SeriesTotals(BEA, 100, {HELD: 45, LOCKED: 55})]


async def test_only_locked_units_change_hands(books: AsyncEngine) -> None:
    await issue(books, "A", 100, BEA)
    _, refused = await ask(books, TransferKind.TRANSFER, "A>B", 1, "trade-1")
    assert refused == NOT_ENOUGH_UNITS
    assert await held(books, "B") == []


async def test_a_refusal_is_kept_with_its_reason(books: AsyncEngine) -> None:
    transfer_id, _ = await ask(books, TransferKind.LOCK, "A", 1, "lock-1")
    query = "SELECT transfer_id, status, reason FROM registry.transfer"
    assert await rows(books, query) == [(transfer_id, "refused", NOT_ENOUGH_UNITS)]


async def test_a_repeated_key_gives_the_first_answer_and_moves_nothing(
    books: AsyncEngine,
) -> None:
    await issue(books, "A", 100, BEA)
    first = await ask(books, TransferKind.LOCK, "A", 60, "lock-1")
    assert await ask(books, TransferKind.LOCK, "A", 60, "lock-1") == first
    assert await held(books, "A") == [("held", 61, 100), ("locked", 1, 60)]
    refused = await ask(books, TransferKind.LOCK, "A", 600, "lock-2")
    await issue(books, "B", 600, BEA)
    assert await ask(books, TransferKind.LOCK, "A", 600, "lock-2") == refused
    with pytest.raises(KeyReused):
        await ask(books, TransferKind.LOCK, "A", 61, "lock-1")


async def test_no_request_needs_no_answer(books: AsyncEngine) -> None:
    async with books.connect() as connection:
        assert await EmbeddedRegistry(connection).carry_out([]) == []


TRANSFER = """
    WITH t AS (
        INSERT INTO registry.transfer (idempotency_key, kind, series_id, from_holder, to_holder,
                                       quantity, status)
        VALUES ('forged', '{kind}', 'BEA-2024', '{giver}', '{receiver}', {quantity}, 'posted')
        RETURNING transfer_id
    ), c AS (
        UPDATE registry.unit_block SET closed_by = t.transfer_id FROM t
         WHERE status = '{closes}' AND holder = '{giver}' AND closed_by IS NULL
    )
    INSERT INTO registry.unit_block (opened_by, line, series_id, serial_from, serial_to, holder,
                                     status)
    SELECT t.transfer_id, b.* FROM t, (VALUES {opens}) AS b
"""


def forge(
    opens: str,
    kind: str = "transfer",
    giver: str = "A",
    receiver: str = "B",
    quantity: int = 10,
    closes: str = "locked",
) -> str:
    return TRANSFER.format(
        kind=kind, giver=giver, receiver=receiver, quantity=quantity, closes=closes, opens=opens
    )


SOUND = "(1, 'BEA-2024', 1, 10, 'B', 'locked'), (2, 'BEA-2024', 11, 60, 'A', 'locked')"
FORGERIES = {
    "a_tonne_is_lost": forge(SOUND.replace("11, 60", "12, 60")),
    "a_tonne_is_made": forge(SOUND.replace("11, 60", "11, 61")),
    "a_tonne_is_owned_twice": forge(SOUND.replace("11, 60", "10, 60")),
    "other_serials_come_back": forge(SOUND.replace("1, 10,", "61, 70,")),
    "more_is_given_than_asked": forge(SOUND, quantity=9),
    "it_goes_to_somebody_else": forge(SOUND.replace("'B'", "'C'")),
    "the_rest_goes_to_somebody_else": forge(SOUND.replace("'A'", "'C'")),
    "it_becomes_free": forge(SOUND.replace("'B', 'locked'", "'B', 'held'")),
    "another_series_comes_back": forge(SOUND.replace("BEA-2024', 1,", "PCER', 1,")),
    "held_units_change_hands": forge(
        "(1, 'BEA-2024', 61, 70, 'B', 'locked'), (2, 'BEA-2024', 71, 100, 'A', 'held')",
        closes="held",
    ),
    "units_appear": forge(SOUND, giver="C"),
    "an_issue_takes_known_serials": forge(
        "(1, 'BEA-2024', 91, 100, 'B', 'held')", kind="issue", giver=""
    ),
    "an_issue_leaves_the_count": forge(
        "(1, 'BEA-2024', 101, 110, 'B', 'held')", kind="issue", giver=""
    ),
    "a_transfer_moves_nothing": TRANSFER.partition("WITH t AS (")[2]
    .partition("RETURNING")[0]
    .format(kind="transfer", giver="A", receiver="B", quantity=10),
    "blocks_without_transfer": "INSERT INTO registry.unit_block VALUES"
    " (999, 1, 'BEA-2024', 200, 210, 'B', 'held')",
    "a_block_closes_for_nothing": "UPDATE registry.unit_block SET closed_by = 999"
    " WHERE closed_by IS NULL AND status = 'held'",
    "a_finished_transfer_takes_more": "UPDATE registry.unit_block SET closed_by ="
    " (SELECT max(transfer_id) FROM registry.transfer) WHERE closed_by IS NULL AND status = 'held'",
    "the_count_moves_alone": "UPDATE registry.series SET last_serial = last_serial + 1",
    "the_count_moves_with_an_old_issue": "UPDATE registry.series SET last_serial = 200,"
    " last_issue = 1",
}


async def test_the_settlement_role_cannot_make_lose_or_divert_units(books: AsyncEngine) -> None:
    await issue(books, "A", 100, BEA)
    await ask(books, TransferKind.LOCK, "A", 60, "lock-1")
    before = await rows(books, "SELECT * FROM registry.unit_block ORDER BY opened_by, line")
    refused = {case: await refusal(books, statement) for case, statement in FORGERIES.items()}
    assert refused == dict.fromkeys(FORGERIES, NOT_CONSERVED)
    after = await rows(books, "SELECT * FROM registry.unit_block ORDER BY opened_by, line")
    assert after == before
    assert await refusal(books, forge(SOUND)) == ""


async def test_what_the_registry_has_written_stays(
    books: AsyncEngine, superuser: AsyncEngine
) -> None:
    await issue(books, "A", 100, BEA)
    await ask(books, TransferKind.LOCK, "A", 60, "lock-1")
    for statement in (
        "UPDATE registry.unit_block SET holder = 'B' WHERE closed_by IS NULL",
        "UPDATE registry.unit_block SET serial_to = serial_to + 1 WHERE closed_by IS NULL",
        "UPDATE registry.unit_block SET closed_by = NULL WHERE closed_by IS NOT NULL",
        "UPDATE registry.unit_block SET closed_by = 1 WHERE closed_by IS NOT NULL",
        "UPDATE registry.transfer SET quantity = 1",
        "UPDATE registry.transfer SET status = 'pending'",
    ):
        assert await refusal(superuser, statement) == APPEND_ONLY, statement


async def test_a_pending_transfer_is_decided_once(books: AsyncEngine) -> None:
    pending = """
        INSERT INTO registry.transfer (idempotency_key, kind, series_id, from_holder, to_holder,
                                       quantity, status)
        VALUES ('later', 'transfer', 'BEA-2024', 'A', 'B', 10, 'pending')
    """
    decide = "UPDATE registry.transfer SET status = '{}', reason = '{}'"
    assert await refusal(books, pending) == ""
    assert await refusal(books, decide.format("posted", "")) == NOT_CONSERVED
    assert await refusal(books, decide.format("refused", "no units")) == ""
    assert await refusal(books, decide.format("posted", "")) == APPEND_ONLY
