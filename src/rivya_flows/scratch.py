"""Folders for files on the way, in the system's temporary folder."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "rivya-flows-scratch-"

_NEW_SECONDS = 60.0
"""A younger folder may not be locked yet."""


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder of this user alone, deleted at the end; deletes those that killed processes left, too.

    It is locked while it is used, since the number of a process says nothing in another container.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # somebody else's, or in use
            _delete_unused(left)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder:
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield Path(folder)
        finally:
            os.close(lock)


def _delete_unused(folder: Path) -> None:
    """Deletes a folder of this user that no process has locked."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        about = os.fstat(opened)
        if about.st_uid == os.getuid() and time.time() - about.st_mtime > _NEW_SECONDS:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(opened)
