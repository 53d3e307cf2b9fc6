"""Git repositories of tests, the same at each call: nothing of the machine's settings is in them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

AT = "2026-12-01T09:00:00+00:00"
_WHO = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"), ("DATE", AT))
}
_ALONE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def git(folder: Path, *arguments: str) -> str:
    """Calls Git in a folder, and gives what it says."""
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **_WHO, **_ALONE},
    )
    return done.stdout.strip()


def committed(folder: Path) -> str:
    """Commits all that is in a folder, a new repository if it is none; gives the commit."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "specs")
    return git(folder, "rev-parse", "HEAD")
