"""Reads every file of the project and holds the rules that no linter has.

Files that git does not know yet are read too, so that a rule is met before the first commit.
"""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 70
MAX_COLUMNS = 100
JUNK_DRAWERS = {"utils", "util", "helpers", "helper", "manager", "managers", "misc", "common"}
EXACT_PACKAGES = {"engine", "settlement"}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))")
# Character classes, so that this file does not name what it looks for.
PLACES = re.compile(
    r"(?<![\w.<>-])/(?:work|root|tmp|home)/\w"
    r"|\.\./share[d]\b"
    r"|p[y]pi\.(?:org|python)|pythonhoste[d]\.|np[m]js\.|de[b]ian\.org|gh[c]r\.io"
)
PRAGMA = re.compile(r"  # (?:noqa|type: ignore)\b.*$")
SECONDS = {
    "settlement/consumer.py": "waits by asyncio.sleep, whose seconds are floats",
}
"""Files of exact packages that measure time in floats, and why; none of them holds an amount."""
BROAD = {"Exception", "BaseException"}
LAST_RESORTS = {
    "exchange/sequencer.py": "an engine that fails in whatever way is quarantined and stopped",
}
"""Files with a handler for every exception that does not raise it again, and why it has one."""

Finding = str
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tracked_files() -> tuple[Path, ...]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = (ROOT / name for name in listing.stdout.split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


@cache
def source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(source(path))


def python_files() -> Iterator[Path]:
    return (path for path in tracked_files() if path.suffix == ".py")


def at(path: Path, line: int, what: str) -> Finding:
    return f"{path.relative_to(ROOT)}:{line}: {what}"


def long_files(path: Path) -> Iterator[Finding]:
    lines = source(path).count("\n")
    if lines > MAX_FILE_LINES:
        yield at(path, lines, f"{lines} lines")


def long_functions(path: Path) -> Iterator[Finding]:
    for node in ast.walk(tree(path)):
        if isinstance(node, Function):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield at(path, node.lineno, f"{node.name} has {lines} lines")


def wide_lines(path: Path) -> Iterator[Finding]:
    for number, line in enumerate(source(path).splitlines(), 1):
        columns = len(PRAGMA.sub("", line))
        if columns > MAX_COLUMNS:
            yield at(path, number, f"{columns} columns")


def junk_drawers(path: Path) -> Iterator[Finding]:
    if path.stem in JUNK_DRAWERS or path.parent.name in JUNK_DRAWERS:
        yield at(path, 1, "say what it is about")


def missing_docstrings(path: Path) -> Iterator[Finding]:
    if not ast.get_docstring(tree(path)):
        yield at(path, 1, "no module docstring")


def unfinished_comments(path: Path) -> Iterator[Finding]:
    for token in tokenize.generate_tokens(io.StringIO(source(path)).readline):
        if token.type == tokenize.COMMENT and UNFINISHED.search(token.string):
            yield at(path, token.start[0], f"without an issue (#n): {token.string}")


def floats(path: Path) -> Iterator[Finding]:
    place = path.relative_to(ROOT)
    if place.parts[0] not in EXACT_PACKAGES or str(place) in SECONDS:
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield at(path, node.lineno, f"float {node.value}")
        elif isinstance(node, ast.Name) and node.id in {"float", "complex"}:
            yield at(path, node.lineno, f"name {node.id}")
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield at(path, node.lineno, "true division")


def broad_handlers(path: Path) -> Iterator[Finding]:
    if str(path.relative_to(ROOT)) in LAST_RESORTS:
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler) and catches_all(node) and not raises_again(node):
            yield at(path, node.lineno, "catches every exception")


def catches_all(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
    return bool(names & BROAD)


def raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def report(findings: list[Finding]) -> None:
    if findings:
        pytest.fail("\n".join(findings), pytrace=False)


RULES: tuple[Callable[[Path], Iterator[Finding]], ...] = (
    long_files,
    long_functions,
    wide_lines,
    junk_drawers,
    missing_docstrings,
    unfinished_comments,
    floats,
    broad_handlers,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_python_file_has(rule: Callable[[Path], Iterator[Finding]]) -> None:
    report([finding for path in python_files() for finding in rule(path)])


def test_no_file_names_a_place_of_one_machine_or_a_package_index() -> None:
    findings = []
    for path in tracked_files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        findings += [at(path, n, line) for n, line in enumerate(lines, 1) if PLACES.search(line)]
    report(findings)


def test_every_file_that_counts_in_seconds_still_does(monkeypatch: pytest.MonkeyPatch) -> None:
    exempt = [ROOT / name for name in SECONDS]
    monkeypatch.setitem(globals(), "SECONDS", {})
    assert [path for path in exempt if not list(floats(path))] == []


def test_every_last_resort_still_exists() -> None:
    names = {str(path.relative_to(ROOT)) for path in python_files()}
    assert set(LAST_RESORTS) <= names
    for name in LAST_RESORTS:
        handlers = [n for n in ast.walk(tree(ROOT / name)) if isinstance(n, ast.ExceptHandler)]
        assert any(catches_all(handler) for handler in handlers), name


PLANTED: dict[Callable[[Path], Iterator[Finding]], str] = {
    long_files: "\n" * (MAX_FILE_LINES + 1),
    long_functions: "def f():\n" + "    pass\n" * MAX_FUNCTION_LINES,
    wide_lines: "#" * (MAX_COLUMNS + 1),
    missing_docstrings: "x = 1\n",
    unfinished_comments: "x = 1  # " + "TO" + "DO later\n",
    floats: "x = 1 / 2\n",
    broad_handlers: "try:\n    f()\nexcept (OSError, Exception):\n    pass\n",
}


@pytest.mark.parametrize("rule", PLANTED, ids=lambda rule: rule.__name__)
def test_rule_finds_what_it_looks_for(
    rule: Callable[[Path], Iterator[Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "source", lambda _: PLANTED[rule])
    monkeypatch.setitem(globals(), "tree", lambda _: ast.parse(PLANTED[rule]))
    assert len(list(rule(ROOT / "engine" / "planted.py"))) == 1
