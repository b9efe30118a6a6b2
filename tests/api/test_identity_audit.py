"""The audit trail: appended only, chained, and every damage is found at its entry."""

import asyncio
import hashlib
import json

import asyncpg
import pytest

from api.identity.audit import AuditEntryInvalid, AuditHead, AuditTrail, JsonValue
from tests.api.identity_world import START_NS, identity_world

ENTRIES = 6
OTHER_COLUMNS = "at, actor_person_id, action, subject, detail, chain"


async def fill(trail: AuditTrail) -> None:
    for number in range(1, ENTRIES + 1):
        await trail.record(
            "p-aaaaaaaaaaaa", "test.act", "碳", {"number": number, "b": [True, None]}
        )


async def as_superuser(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_an_empty_trail_is_whole(dsn: str) -> None:
    async with identity_world(dsn) as world:
        assert await world.audit.verify() is None
        assert await world.audit.head() == AuditHead(0, bytes(32))


async def test_the_chain_is_computed_as_documented(dsn: str) -> None:
    async with identity_world(dsn) as world:
        await fill(world.audit)
        chain = bytes(32)
        for number in range(1, ENTRIES + 1):
            entry = json.dumps(
                {
                    "action": "test.act",
                    "actor": "p-aaaaaaaaaaaa",
                    "at": START_NS // 1_000,
                    "detail": {"b": [True, None], "number": number},
                    "seq": number,
                    "subject": "碳",
                },
                separators=(",", ":"),
                ensure_ascii=False,
            )
            chain = hashlib.sha256(b"jingtan-audit-v1" + chain + entry.encode()).digest()
        assert await world.audit.head() == AuditHead(ENTRIES, chain)
        assert await world.audit.verify() is None


async def test_writers_at_once_make_one_chain_without_a_gap(dsn: str) -> None:
    async with identity_world(dsn) as one, identity_world(dsn) as other:
        trails = [one.audit, other.audit] * 30
        seqs = await asyncio.gather(
            *(trail.record("system", "test.act", "x", {}) for trail in trails)
        )
        assert sorted(seqs) == list(range(1, 61))
        assert await one.audit.verify() is None


async def test_an_act_that_is_rolled_back_leaves_no_entry_and_no_gap(dsn: str) -> None:
    async with identity_world(dsn) as world:
        async with world.engine.connect() as connection:
            await world.audit.record_within(connection, "system", "test.act", "x", {})
            await connection.rollback()
        assert await world.audit.record("system", "test.act", "x", {}) == 1


@pytest.mark.parametrize(
    "act",
    [
        "UPDATE identity.audit SET subject = 'y'",
        "DELETE FROM identity.audit",
        "TRUNCATE identity.audit",
    ],
)
@pytest.mark.parametrize(
    "who", ["RESET ROLE", "SET ROLE jingtan_owner", "SET session_replication_role = replica"]
)
async def test_no_role_can_change_or_remove_an_entry(dsn: str, who: str, act: str) -> None:
    async with identity_world(dsn) as world:
        await fill(world.audit)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await as_superuser(dsn, who, act)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            await as_superuser(dsn, "SET ROLE jingtan_identity", act)
        assert (await world.audit.head()).seq == ENTRIES


@pytest.mark.parametrize("seq", [1, ENTRIES, ENTRIES + 2, -1])
async def test_an_entry_that_does_not_follow_the_last_one_is_refused(dsn: str, seq: int) -> None:
    async with identity_world(dsn) as world:
        await fill(world.audit)
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await as_superuser(
                dsn,
                f"INSERT INTO identity.audit SELECT {seq}, {OTHER_COLUMNS} FROM identity.audit"
                " WHERE seq = 1",
            )
        assert await world.audit.verify() is None


DAMAGES = {
    "time": ("UPDATE identity.audit SET at = at + '1 microsecond' WHERE seq = 3", 3),
    "time without end": ("UPDATE identity.audit SET at = 'infinity' WHERE seq = 3", 3),
    "actor": ("UPDATE identity.audit SET actor_person_id = 'p-b' WHERE seq = 3", 3),
    "action": ("UPDATE identity.audit SET action = 'test.ACT' WHERE seq = 3", 3),
    "subject": ("UPDATE identity.audit SET subject = subject || ' ' WHERE seq = 3", 3),
    "detail": ("UPDATE identity.audit SET detail = detail || '{\"number\": 4}' WHERE seq = 3", 3),
    "detail added": ("UPDATE identity.audit SET detail = detail || '{\"c\": 0}' WHERE seq = 3", 3),
    "detail as a fraction": ("UPDATE identity.audit SET detail = '{\"a\": 1.5}' WHERE seq = 3", 3),
    "detail beyond numbers": (
        "UPDATE identity.audit SET detail = jsonb_build_object('a', 1e5000::numeric) WHERE seq = 3",
        3,
    ),
    "chain": ("UPDATE identity.audit SET chain = sha256('x') WHERE seq = 3", 3),
    "first chain": ("UPDATE identity.audit SET chain = sha256('x') WHERE seq = 1", 1),
    "last chain": (f"UPDATE identity.audit SET chain = sha256('x') WHERE seq = {ENTRIES}", ENTRIES),
    "removed": ("DELETE FROM identity.audit WHERE seq = 3", 3),
    "first removed": ("DELETE FROM identity.audit WHERE seq = 1", 1),
    "removed and renumbered": (
        "DELETE FROM identity.audit WHERE seq = 3;"
        + "".join(f"UPDATE identity.audit SET seq = {n} WHERE seq = {n + 1};" for n in (3, 4, 5)),
        3,
    ),
    "swapped": (
        "".join(
            f"UPDATE identity.audit SET seq = {new} WHERE seq = {old};"
            for old, new in ((3, 99), (4, 3), (99, 4))
        ),
        3,
    ),
    "added at the end": (
        f"INSERT INTO identity.audit SELECT 7, {OTHER_COLUMNS} FROM identity.audit WHERE seq = 6",
        7,
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damage_behind_the_triggers_is_found_at_its_entry(dsn: str, damage: str) -> None:
    statements, seq = DAMAGES[damage]
    async with identity_world(dsn) as world:
        await fill(world.audit)
        await as_superuser(
            dsn,
            "ALTER TABLE identity.audit DISABLE TRIGGER ALL",
            "ALTER TABLE identity.audit DROP CONSTRAINT audit_at_check",
            statements,
        )
        assert await world.audit.verify() == seq


async def test_an_entry_left_out_of_a_chain_computed_anew_is_found(dsn: str) -> None:
    """Who can write the chain can forge it, but not hide that a number is missing."""
    at = START_NS // 1_000
    entry = (
        f'{{"action":"test.act","actor":"system","at":{at},"detail":{{}},"seq":3,"subject":"x"}}'
    )
    async with identity_world(dsn) as world:
        await world.audit.record("system", "test.act", "x", {})
        first = await world.audit.head()
        chain = hashlib.sha256(b"jingtan-audit-v1" + first.chain + entry.encode()).hexdigest()
        await as_superuser(
            dsn,
            "ALTER TABLE identity.audit DISABLE TRIGGER ALL",
            "INSERT INTO identity.audit SELECT 3, at, actor_person_id, action, subject, detail,"
            f" '\\x{chain}' FROM identity.audit",
        )
        assert await world.audit.verify() == 2


async def test_a_trail_cut_off_at_the_end_is_found_with_a_head_kept_outside(dsn: str) -> None:
    async with identity_world(dsn) as world:
        await fill(world.audit)
        head = await world.audit.head()
        await world.audit.record("system", "test.later", "x", {})
        assert await world.audit.verify(head) is None
        await as_superuser(
            dsn,
            "ALTER TABLE identity.audit DISABLE TRIGGER ALL",
            f"DELETE FROM identity.audit WHERE seq >= {ENTRIES}",
        )
        assert await world.audit.verify() is None
        assert await world.audit.verify(head) == ENTRIES


async def test_a_trail_written_anew_is_found_with_a_head_kept_outside(dsn: str) -> None:
    async with identity_world(dsn) as world:
        await fill(world.audit)
        head = AuditHead(ENTRIES, hashlib.sha256(b"another history").digest())
        assert await world.audit.verify(head) == ENTRIES


WRONG_DETAILS: list[dict[str, object]] = [
    {"price": 98.5},
    {"big": 2**63},
    {"nul": "a\x00b"},
    {"half": "\ud800"},
    {"k\x00": 1},
    {"nested": [{"deep": 1.0}]},
    {"bytes": b"x"},
    {"long": "x" * 20_000},
]


@pytest.mark.parametrize("detail", WRONG_DETAILS, ids=lambda detail: str(next(iter(detail))))
async def test_a_detail_that_would_not_be_read_back_as_written_is_refused(
    dsn: str, detail: dict[str, JsonValue]
) -> None:
    async with identity_world(dsn) as world:
        with pytest.raises(AuditEntryInvalid):
            await world.audit.record("system", "test.act", "x", detail)
        assert (await world.audit.head()).seq == 0


@pytest.mark.parametrize(
    ("actor", "action", "subject"),
    [
        ("", "test.act", "x"),
        ("system", "test.act", ""),
        ("system", "act", "x"),
        ("system", "test.act\n", "x"),
        ("system", "test.act", "x" * 201),
        ("system", "test." + "a" * 200, "x"),
        ("sys\x00tem", "test.act", "x"),
    ],
)
async def test_an_entry_without_proper_names_is_refused(
    dsn: str, actor: str, action: str, subject: str
) -> None:
    async with identity_world(dsn) as world:
        with pytest.raises(AuditEntryInvalid):
            await world.audit.record(actor, action, subject, {})


async def test_what_json_can_hold_exactly_verifies_after_storage(dsn: str) -> None:
    detail: dict[str, JsonValue] = {
        "z": 1,
        "a": -(2**63),
        "碳": '\u2028\U0001f600\\"/\t\x7f',
        "": [[], {}, [None, True, False]],
        "B": {"y": 2**63 - 1, "x": "é"},
    }
    async with identity_world(dsn) as world:
        await world.audit.record("system", "test.act", "x", detail)
        assert await world.audit.verify() is None
