"""The command line `jingtan`: one sub-command each, thin over the packages."""

from api.cli.app import main

__all__ = ["main"]
