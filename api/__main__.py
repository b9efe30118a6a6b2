"""`python -m api` is the command `jingtan`."""

from api.cli import main

main()
