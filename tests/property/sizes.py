"""How long the random tests run, and how they tell what failed.

JINGTAN_EXAMPLES and JINGTAN_STEPS set the size, JINGTAN_SEED repeats a run.  A failure is shown as
it was found; JINGTAN_SHRINK=1 with its seed takes some minutes to make it small.
"""

import os

from hypothesis import HealthCheck, Phase, settings

EXAMPLES = int(os.environ.get("JINGTAN_EXAMPLES", "400"))
STEPS = int(os.environ.get("JINGTAN_STEPS", "50"))
FIND = (Phase.generate,)
FIND_AND_SHRINK = (Phase.generate, Phase.shrink)

SIZES = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    phases=FIND_AND_SHRINK if os.environ.get("JINGTAN_SHRINK") else FIND,
    deadline=None,
    database=None,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
