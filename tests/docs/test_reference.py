"""The reference documents name everything that there is, and nothing that is not."""

import re
from pathlib import Path
from typing import get_args

from api.cli.app import app as command_line
from api.main import ExitCode
from api.policy import CHANNELS, POLICY
from api.settings import Settings
from engine.commands import Act, AnyCommand
from engine.events import AnyEvent

ROOT = Path(__file__).parents[2]
CELL = re.compile(r"^\| `?([^|`]+)`? \|", re.MULTILINE)


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(text: str) -> list[str]:
    cells = [cell.strip() for cell in CELL.findall(text)]
    return [cell for cell in cells[1:] if not set(cell) <= set("-")]


def test_every_route_is_in_the_api_page_and_no_other() -> None:
    rows = re.findall(r"^\| ([A-Z]+) \| `([^`]+)` \|", page("docs/api.md"), re.MULTILINE)
    assert rows == list(POLICY)


def test_every_channel_is_in_the_api_page() -> None:
    assert first_cells(section(page("docs/api.md"), "Stream")) == list(CHANNELS)


def test_every_command_and_event_is_in_the_events_page() -> None:
    text = page("docs/events.md")
    commands = [kind.__name__ for kind in (*get_args(AnyCommand), *get_args(Act))]
    assert first_cells(section(text, "Commands")) == commands
    assert first_cells(section(text, "Events")) == [kind.__name__ for kind in get_args(AnyEvent)]


def test_every_setting_is_in_the_operations_page() -> None:
    documented = first_cells(section(page("docs/operations.md"), "Settings"))
    assert documented == list(Settings.model_fields)


def test_every_exit_code_is_in_the_operations_page() -> None:
    documented = first_cells(section(page("docs/operations.md"), "Exit codes"))
    assert documented == [str(int(code)) for code in ExitCode]


def test_every_sub_command_is_in_both_readmes() -> None:
    names = [command.name for command in command_line.registered_commands]
    names += [group.name for group in command_line.registered_groups]
    for readme in ("README.md", "README.zh-CN.md"):
        missing = [name for name in names if name and f"`{name}" not in page(readme)]
        assert missing == [], readme


def test_links_between_documents_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
        broken = [link for link in links if not (document.parent / link).exists()]
        assert broken == [], document.name


def test_both_readmes_show_the_same_commands() -> None:
    def blocks(name: str) -> list[str]:
        return re.findall(r"```sh\n(.*?)```", page(name), re.DOTALL)

    assert blocks("README.md") == blocks("README.zh-CN.md")
