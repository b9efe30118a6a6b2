"""The tables are as the code says, and each role can do no more than its work."""

import ast
from pathlib import Path

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from api.identity import errors, tables
from tests.api.identity_world import identity_world

PACKAGE = Path(errors.__file__).parent


async def test_the_migrated_schema_is_the_one_in_the_code(dsn: str) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _: kind != "schema" or name == "identity",
                "compare_type": True,
            },
        )
        return list(compare_metadata(context, tables.metadata))

    async with identity_world(dsn) as world, world.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_the_code_acts_as_its_own_role(dsn: str) -> None:
    async with identity_world(dsn) as world:
        assert await world.rows("SELECT current_user::text") == [("jingtan_identity",)]


@pytest.mark.parametrize("table", ["person", "session", "audit"])
@pytest.mark.parametrize("role", ["jingtan_reader", "jingtan_settlement", "jingtan_journal_writer"])
async def test_other_roles_see_nothing_of_it(dsn: str, role: str, table: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(dsn, f"SET ROLE {role}", f"SELECT FROM identity.{table}")


@pytest.mark.parametrize(
    "act",
    [
        "DELETE FROM identity.person",
        "TRUNCATE identity.session",
        "DROP TABLE identity.audit",
        "ALTER TABLE identity.audit DISABLE TRIGGER audit_is_append_only",
        "CREATE TABLE identity.other ()",
    ],
)
async def test_the_code_s_role_cannot_delete_people_or_change_the_schema(
    dsn: str, act: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(dsn, "SET ROLE jingtan_identity", act)


@pytest.mark.parametrize(
    ("person_id", "login", "password_hash"),
    [
        ("p-aaaaaaaaaaaa", "LiWei", "$argon2id$x"),
        ("p-aaaaaaaaaaaa", "li wei", "$argon2id$x"),
        ("p-aaaaaaaaaaaa", "liwei", "a password in clear"),
        ("liwei", "liwei", "$argon2id$x"),
    ],
)
async def test_the_table_refuses_a_person_the_code_would_not_write(
    dsn: str, person_id: str, login: str, password_hash: str
) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await execute(
            dsn,
            "INSERT INTO identity.person VALUES"
            f" ('{person_id}', '{login}', 'x', '{password_hash}', 1, false, NULL, now())",
        )


async def execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def leaves(kind: type[errors.IdentityError]) -> list[type[errors.IdentityError]]:
    below = kind.__subclasses__()
    return [leaf for one in below for leaf in leaves(one)] if below else [kind]


def test_every_refusal_has_its_own_code_a_status_and_both_languages() -> None:
    refusals = leaves(errors.IdentityError)
    assert len(refusals) == len({refusal.code for refusal in refusals}) == 17
    for refusal in refusals:
        assert refusal.code == refusal.code.upper()
        assert 400 <= refusal.status < 600
        assert refusal.english.endswith(".")
        assert refusal.chinese.endswith("。")
        assert str(refusal()) == refusal.english


SECRETS = ("token", "sha256", "signature", "password", "chain", "digest", "secret", "hash")


def compared_with_equals(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and any(
            isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops
        ):
            sides = [node.left, *node.comparators]
            names = [
                one.id if isinstance(one, ast.Name) else one.attr
                for one in sides
                if isinstance(one, ast.Name | ast.Attribute)
            ]
            if any(secret in name for name in names for secret in SECRETS):
                found.append(ast.unparse(node))
    return found


def test_the_search_for_comparisons_finds_one() -> None:
    assert compared_with_equals("if row.chain != chain: pass") == ["row.chain != chain"]
    assert compared_with_equals("token == 'x'") == ["token == 'x'"]


SQL_OR_PUBLIC = {
    # a column in a statement: the database looks the hash up by index
    "session.c.token_sha256 == any_(literal(tokens, ARRAY(LargeBinary)))",
    "session.c.token_sha256 == bindparam('token')",
    # a counter and constants
    "person.c.password_version == record.password_version",
    "person.c.password_version == verified.password_version",
}


@pytest.mark.parametrize("module", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_no_secret_is_compared_in_a_time_that_tells(module: Path) -> None:
    assert set(compared_with_equals(module.read_text(encoding="utf-8"))) <= SQL_OR_PUBLIC
