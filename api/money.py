"""Decimal strings of the edge and integers of the inside; nothing in between is a float."""

import re
from fractions import Fraction

from api.problems import InputProblem

DECIMAL = r"^(0|[1-9][0-9]{0,12})(\.[0-9]{1,2})?$"
"""A non-negative decimal with at most two places, as a JSON string."""

_DECIMAL = re.compile(DECIMAL, re.ASCII)


def cny(fen: int) -> str:
    """Fen as a decimal string in CNY."""
    sign = "-" if fen < 0 else ""
    yuan, rest = divmod(abs(fen), 100)
    return f"{sign}{yuan}.{rest:02d}"


def price(ticks: int, tick_fen: int) -> str:
    """A price in ticks as CNY per tonne."""
    return cny(ticks * tick_fen)


def parse_fen(text: str, pointer: str) -> int:
    """A decimal string in CNY as fen; raises InputProblem naming the field."""
    if _DECIMAL.fullmatch(text) is None:
        raise InputProblem("AMOUNT_MALFORMED", pointer)
    return int(Fraction(text) * 100)


def parse_ticks(text: str, tick_fen: int, pointer: str) -> int:
    """A price string as ticks; raises InputProblem if it lies between two ticks."""
    fen = parse_fen(text, pointer)
    if fen % tick_fen:
        raise InputProblem("PRICE_OFF_TICK", pointer, tick=cny(tick_fen))
    return fen // tick_fen
