"""Which process serves a cluster: reading postmaster.pid without believing it.

The file outlives a killed server, and its number may by then belong to somebody else (always so
after a container's restart). A process counts only if it is alive, no zombie, and was started with
`-D <cluster>`: its command line is what every account may read, in a container too.
"""

import os
import subprocess
from itertools import pairwise
from pathlib import Path

PROCESSES = Path("/proc")


def running_postmaster(cluster: Path) -> int | None:
    """The process id of the server of this cluster; None if there is none."""
    try:
        first_line = (cluster / "postmaster.pid").read_text().partition("\n")[0]
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    if not first_line.isascii() or not first_line.isdigit():
        return None
    pid = int(first_line)
    return pid if serves(pid, cluster) else None


def serves(pid: int, cluster: Path) -> bool:
    """Whether process `pid` is alive and is a server of `cluster`."""
    if not PROCESSES.is_dir():
        return _serves_by_ps(pid, cluster)
    process = PROCESSES / str(pid)
    try:
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        arguments = os.fsdecode((process / "cmdline").read_bytes()).split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    is_alive = state not in {"Z", "X"}
    return is_alive and ("-D", str(cluster)) in pairwise(arguments)


def _serves_by_ps(pid: int, cluster: Path) -> bool:
    listing = subprocess.run(
        ["ps", "-o", "stat=,command=", "-p", str(pid)], check=False, capture_output=True, text=True
    )
    state, _, command = listing.stdout.strip().partition(" ")
    return bool(state) and not state.startswith("Z") and f"-D {cluster}" in command
