"""docs/settlement.md names every break, refusal, state and table."""

import re
from pathlib import Path

from settlement import findings, reconciliation, settling
from settlement.instructions import InstructionState
from settlement.ports import UnitStatus
from settlement.registry import blocks

ROOT = Path(__file__).resolve().parents[2]
DOC = (ROOT / "docs" / "settlement.md").read_text(encoding="utf-8")


def named(module: object, pattern: str) -> set[str]:
    file = getattr(module, "__file__", "")
    return set(re.findall(pattern, Path(file).read_text(encoding="utf-8")))


def undocumented(names: set[str]) -> set[str]:
    return {name for name in names if f"`{name}`" not in DOC}


def test_every_kind_of_break_is_documented() -> None:
    kinds = named(reconciliation, r'Break\("(\w+)"')
    assert len(kinds) == 7
    assert undocumented(kinds | set(findings.KINDS)) == set()


def test_every_refusal_is_documented() -> None:
    reasons = named(settling, r'"((?:LEDGER|REGISTRY)_\w+)"')
    reasons |= {blocks.NOT_ENOUGH_UNITS, blocks.SAME_HOLDER}
    assert len(reasons) == 7
    assert undocumented(reasons) == set()


def test_every_sqlstate_of_the_triggers_is_documented() -> None:
    sources = (ROOT / "migrations" / "versions").glob("000[34]_*.py")
    states = {state for path in sources for state in re.findall(r"JT\d{3}", path.read_text())}
    assert len(states) == 7
    assert undocumented(states) == set()


def test_every_state_and_status_is_documented() -> None:
    assert undocumented({*InstructionState, *UnitStatus}) == set()
