"""Every command of every rulebook test is followed by a check of all invariants."""

from tests.checked_market import checked

__all__ = ["checked"]
