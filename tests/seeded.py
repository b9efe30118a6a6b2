"""Chance for tests: always from a seed, which every failure shows.

JINGTAN_SEED sets the first seed of the random tests; without it each run takes another one, which
its worker processes inherit (tests/conftest.py imports this before they start).
"""

import os
import random

FIRST_SEED = int(os.environ.setdefault("JINGTAN_SEED", str(random.SystemRandom().randrange(2**32))))


def seeded(seed: int) -> random.Random:
    """A generator that gives the same numbers for the same seed on every machine."""
    return random.Random(seed)
