"""All sub-commands of `jingtan`."""

import typer

from api.cli import backup, demo, housekeeping, journal, replay, serving

app = typer.Typer(
    help="Jingtan 京碳: an open carbon exchange.", no_args_is_help=True, add_completion=False
)
app.command("run")(serving.run)
app.command("serve")(serving.serve_market)
app.command("found")(serving.found)
app.command("demo")(demo.demo)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("replay")(replay.replay)
app.command("clean-data")(housekeeping.clean_data)
app.add_typer(journal.app, name="journal")


def main() -> None:
    """Entry point of the command."""
    app()
