"""Chance for tests: always from a seed, which every failure shows.

JINGTAN_SEED sets the first seed of the random tests; without it each run takes another one.
"""

import os
import random

FIRST_SEED = int(os.environ.get("JINGTAN_SEED") or random.SystemRandom().randrange(2**32))


def seeded(seed: int) -> random.Random:
    """A generator that gives the same numbers for the same seed on every machine."""
    return random.Random(seed)
