"""PostgreSQL servers of our own, from the programs of this machine: for tests and for the scripts."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


class NoServerError(Exception):
    """PostgreSQL cannot be had here; the message says why."""


@dataclass(frozen=True)
class NewServer:
    """A server that was made and does not run yet.

    Attributes:
        command: Runs it; its socket is in the folder.
        user: Who must run it; None is whoever runs this.
        programs: Folder of its other programs.
    """

    command: tuple[str, ...]
    user: str | None
    programs: Path


def make_server(folder: Path, name: str) -> NewServer:
    """Make the data of a server below a folder, which its user owns from now on.

    Args:
        folder: Not below pytest's or one's own: the server refuses to run as root, and another user
            cannot enter those.
        name: Of the data in the folder.

    Raises:
        NoServerError: There is no PostgreSQL, or it refused.
    """
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        raise NoServerError("there is no initdb in /usr/lib/postgresql")
    user = None
    if os.geteuid() == 0:
        user = "postgres"
        try:
            shutil.chown(folder, user)
        except LookupError:
            raise NoServerError("it does not run as root, and there is no user postgres") from None
    data = folder / name
    make = f"{programs[-1]}/initdb -D {data} -U postgres -A trust -N -E UTF8".split()
    made = subprocess.run(make, user=user, cwd=folder, capture_output=True, text=True, check=False)
    if made.returncode:
        raise NoServerError(f"initdb failed: {made.stderr.strip()[-300:]}")
    command = (f"{programs[-1]}/postgres", "-D", str(data), "-k", str(folder))
    return NewServer(command, user, programs[-1])
