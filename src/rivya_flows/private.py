"""Keeps the data folder private to its owner.

Two layers: the folder has mode 0700, no matter who uses it, and files that the command line and its
child processes write into it have mode 0600, because their umask is 077.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from rivya_flows.errors import UsageError

UMASK = 0o077
FOLDER = 0o700
FILE = 0o600
_OTHER_USERS = 0o077

_users_umask: int | None = None


def keep_private() -> None:
    """Make all files that this process and its children write from now on private to their user."""
    global _users_umask
    _users_umask = os.umask(UMASK)


@contextlib.contextmanager
def as_the_user_wants() -> Iterator[None]:
    """Write files with the user's own umask inside the block.

    For folders outside the data folder. No other thread may write at the same time.
    """
    if _users_umask is None:
        yield
        return
    before = os.umask(_users_umask)
    try:
        yield
    finally:
        os.umask(before)


def secure_data(data: Path) -> None:
    """Make an existing data folder private, with the files in it and in Prefect's home.

    Files further down cannot be reached by others then.
    """
    if not os.path.lexists(data):
        return
    private_folder(data)
    for folder in (data, data / "prefect"):
        if folder.is_dir() and not folder.is_symlink():
            for path in folder.iterdir():
                narrow(path)


def private_folder(folder: Path, setting: str = "RIVYA_FLOWS_DATA") -> None:
    """Create a folder that only its owner can enter, or restrict an existing one.

    Refuses a link, a folder of another user, and one that every user can write into: its content may be
    somebody else's.
    """
    hint = f"set {setting} to a folder of your own"
    try:
        for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
            with contextlib.suppress(FileExistsError):  # another process, or a link to nowhere
                missing.mkdir(mode=FOLDER)
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        if folder.is_symlink():
            raise UsageError(
                f"data folder: {folder} is a symbolic link",
                f"set {setting} to the folder that it leads to",
            ) from None
        message = f"data folder: {folder} cannot be used: {error.strerror or error}"
        raise UsageError(message, hint) from error
    try:
        found = os.fstat(opened)
        if found.st_uid != os.geteuid():
            raise UsageError(f"data folder: {folder} belongs to another user", hint)
        if found.st_mode & stat.S_IWOTH:
            raise UsageError(
                f"data folder: every user can write into {folder}",
                f"{hint}; or check that all files in it are yours, then: chmod 700 {folder}",
            )
        if found.st_mode & _OTHER_USERS:
            os.fchmod(opened, FOLDER)
    finally:
        os.close(opened)


def narrow(path: Path) -> None:
    """Remove the permissions of other users from a file or folder of ours; follows no link.

    By path, in a folder that no other user can enter: to open and close a database would drop the
    locks that this process has on it.
    """
    with contextlib.suppress(OSError):  # it may be gone by now
        found = path.lstat()
        kind = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
        if kind and found.st_uid == os.geteuid() and found.st_mode & _OTHER_USERS:
            path.chmod(stat.S_IMODE(found.st_mode) & ~_OTHER_USERS)


def as_private_as_its_folder(path: Path, folder: Path | None = None) -> None:
    """Give a file or folder of ours the readers and writers of a folder.

    Args:
        folder: None takes its parent, without whom the user's own umask keeps out: everybody may
            write into ``/tmp``.
    """
    wanted = stat.S_IMODE((folder or path.parent).stat().st_mode)
    if folder is None:
        wanted &= stat.S_IMODE(path.stat().st_mode) if _users_umask is None else ~_users_umask
    with contextlib.suppress(PermissionError):  # another user's, in a store that several share
        path.chmod(wanted & (0o777 if path.is_dir() else 0o666))


def readable_by_others(path: Path) -> bool:
    """Whether other users of this machine can read or change a file or folder."""
    try:
        return bool(path.stat().st_mode & _OTHER_USERS)
    except OSError:
        return False
