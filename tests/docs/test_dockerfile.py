"""The image: two stages, no root, a health check, nothing that is not needed.

`make lint` reads the Dockerfile with hadolint; these are the rules that it does not have.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINES = [
    line
    for line in (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    if line.strip() and not line.startswith("#")
]
STAGES = [number for number, line in enumerate(LINES) if line.startswith("FROM ")]
LAST_STAGE = LINES[STAGES[-1] :]
PACKAGES = {"api", "engine", "exchange", "migrations", "settlement"}


def argument(instruction: str) -> str:
    found = [line for line in LAST_STAGE if line.startswith(f"{instruction} ")]
    assert len(found) == 1
    return found[0].removeprefix(f"{instruction} ")


def test_image_is_built_in_two_stages_and_the_last_one_installs_nothing() -> None:
    assert len(STAGES) == 2
    assert not any("pip install" in line or "apt-get" in line for line in LAST_STAGE)


def test_each_base_image_names_its_version() -> None:
    bases = [LINES[number].split()[1] for number in STAGES]
    assert all(re.fullmatch(r"python:3\.\d+-slim-[a-z]+", base) for base in bases)
    assert len(set(bases)) == 1


def test_image_does_not_run_as_root() -> None:
    uid, _, gid = argument("USER").partition(":")
    assert int(uid) > 0
    assert int(gid) > 0


def test_health_check_asks_whether_the_process_lives() -> None:
    assert "/livez" in argument("HEALTHCHECK")


def test_install_goes_through_the_constraints() -> None:
    installs = [line for line in LINES if "pip install" in line]
    assert len(installs) == 1
    assert "--constraint constraints.txt" in installs[0]


def test_every_package_and_nothing_else_is_sent_to_the_build() -> None:
    copied = {
        name
        for line in LINES[: STAGES[-1]]
        if line.startswith("COPY ")
        for name in line.split()[1:-1]
    }
    allowed = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert copied == allowed
    assert copied >= PACKAGES
