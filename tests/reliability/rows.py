"""The rows of the reliability table: what each demands, which tests show it, at which size.

`python -m pytest` runs every row at its size for continuous integration; `python -m
tests.reliability` runs them at full size and writes the report.
"""

from typing import NamedTuple


class Row(NamedTuple):
    """A demand, the tests that show it, and the environment variable that sets their size."""

    id: str
    demand: str
    tests: tuple[str, ...]
    size_variable: str = ""
    ci_size: int = 0
    full_size: int = 0

    def size(self, share: float) -> int:
        """The size at a share of the full one, never below that of continuous integration."""
        return max(self.ci_size, round(self.full_size * share))


HERE = "tests/reliability"
REPLAY = "tests/reliability/test_replay_determinism.py"
ROWS = (
    Row(
        "A1",
        "kill -9 of the real server under REST and WebSocket load: nothing lost, doubled, invented",
        (f"{HERE}/test_kill.py",),
        "JINGTAN_KILLS",
        10,
        300,
    ),
    Row(
        "A2",
        "the database killed, frozen, refused or cut off under load: no false acknowledgement",
        (f"{HERE}/test_database_outages.py",),
        "JINGTAN_DATABASE_FAULTS",
        2,
        100,
    ),
    Row(
        "A5",
        "a crash during recovery, a corrupt snapshot, a snapshot beyond the journal's end",
        (f"{HERE}/test_recovery.py",),
    ),
    Row(
        "B1",
        "a damaged journal is found at start and by the verifier, which name the row",
        (f"{HERE}/test_journal_damage.py",),
        "JINGTAN_JOURNAL_DAMAGE",
        51,
        10_000,
    ),
    Row(
        "C1",
        "a replay in fresh processes of other worlds gives the same bytes",
        (f"{REPLAY}::test_a_replay_in_other_processes_gives_the_same_bytes",),
        "JINGTAN_REPLAY_COMMANDS",
        100_000,
        10_000_000,
    ),
    Row(
        "C2",
        "a snapshot and its tail give what a full replay gives",
        (f"{REPLAY}::test_a_snapshot_and_the_commands_after_it_give_what_a_full_replay_gives",),
        "JINGTAN_SNAPSHOTS",
        20,
        200,
    ),
    Row(
        "F1",
        "a write sent many times at once and across a restart: one effect, one answer",
        (f"{HERE}/test_repeats.py",),
        "JINGTAN_REPEATS",
        500,
        50_000,
    ),
    Row(
        "planted breach",
        "a command that breaks the engine stops it once, is quarantined, and never loops",
        (f"{HERE}/test_quarantine.py",),
    ),
    Row(
        "start refusals",
        "a start that cannot succeed ends with one line and its documented exit code",
        (f"{HERE}/test_start_refusals.py",),
    ),
    Row(
        "backup drill",
        "a backup under load restores to the market as of its seq",
        (f"{HERE}/test_backup_drill.py",),
    ),
    Row(
        "comparison",
        "the comparison behind A1 and A2 finds every kind of damage",
        (f"{HERE}/test_comparison.py",),
    ),
)
