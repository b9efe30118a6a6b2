"""Logins, display names and person ids: what they look like and how they are made.

A login is ASCII after NFKC and case folding, so that no two logins look alike on a screen and full-
width typing still finds its person. A person id says nothing about the person: it is what the
journal holds.
"""

import base64
import re
import secrets
import unicodedata

from api.identity.errors import DisplayNameInvalid, LoginInvalid

LOGIN_MAX_CHARS = 64
DISPLAY_NAME_MAX_CHARS = 80
PERSON_ID_RANDOM_CHARS = 12

_LOGIN = re.compile(r"[a-z][a-z0-9._@-]{2,63}", re.ASCII)


def normalise_login(text: str) -> str:
    """The one spelling under which a login is stored and found. Raises LoginInvalid."""
    if len(text) > LOGIN_MAX_CHARS:
        raise LoginInvalid
    login = unicodedata.normalize("NFKC", text).casefold()
    if _LOGIN.fullmatch(login) is None:
        raise LoginInvalid
    return login


def normalise_display_name(text: str) -> str:
    """Raises DisplayNameInvalid for an empty or overlong name and for invisible characters."""
    if len(text) > DISPLAY_NAME_MAX_CHARS:
        raise DisplayNameInvalid
    name = unicodedata.normalize("NFC", text).strip()
    if not name or not name.isprintable():
        raise DisplayNameInvalid
    return name


def new_person_id() -> str:
    """An opaque id such as `p-k3v7q2mzx4ba`: 60 random bits in lower-case base32."""
    letters = base64.b32encode(secrets.token_bytes(10)).decode("ascii").lower()
    return f"p-{letters[:PERSON_ID_RANDOM_CHARS]}"
