"""Founding a market: the first staff and the first rules, as the journal's first business act."""

from typing import NamedTuple

from api.identity.errors import LoginTaken
from api.identity.people import People
from engine import beijing
from engine.codes import Role
from engine.commands import SYSTEM_ACTOR, AccessGrant, FoundMarket
from exchange.service import Exchange

FOUNDING_REQUEST = "founding"
RULE_VERSION = "beijing-1"


class Founder(NamedTuple):
    """A member of the founding staff; without a password a one-time password is made."""

    login: str
    display_name: str
    role: Role
    password: str | None = None


class Founded(NamedTuple):
    """A founder's id and, if it was made here, the one-time password."""

    login: str
    person_id: str
    one_time_password: str | None


async def found_market(
    exchange: Exchange, people: People, founders: list[Founder], effective_from_day: int
) -> list[Founded]:
    """Register the founders and sequence FoundMarket; resumes where a crash left it."""
    founded = [await find_or_create(people, founder) for founder in founders]
    grants = tuple(
        AccessGrant(person.person_id, founder.role)
        for person, founder in zip(founded, founders, strict=True)
    )
    version = beijing.rule_version(RULE_VERSION, effective_from_day)
    await exchange.submit(SYSTEM_ACTOR, FOUNDING_REQUEST, FoundMarket(grants, version))
    return founded


def is_founded(exchange: Exchange) -> bool:
    """Whether this journal's market exists."""
    return bool(exchange.read.rule_versions)


async def find_or_create(people: People, founder: Founder) -> Founded:
    """Register a person unless the login exists already."""
    try:
        created = await people.create_person(
            founder.login, founder.display_name, founder.password, actor=SYSTEM_ACTOR
        )
    except LoginTaken:
        found = await people.find(founder.login)
        return Founded(founder.login, found.person_id, None)
    return Founded(founder.login, created.person_id, created.one_time_password)
