"""Who may read what is written here: the data folder is its owner's alone.

Two layers. The folder itself has mode 0700, for whoever uses it. What the command line and its
child processes write has mode 0600 inside, because their umask is 077.
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
_OTHERS = 0o077

_users_umask: int | None = None


def keep_private() -> None:
    """From now on what this process and its children write is for their user alone."""
    global _users_umask
    _users_umask = os.umask(UMASK)


@contextlib.contextmanager
def as_the_user_wants() -> Iterator[None]:
    """Files written inside the block get the modes of the user's own umask.

    For the user's folders outside the data folder. No other thread may write at the same time.
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
    """Narrows a data folder that is there, with what lies in it and in Prefect's home.

    What lies deeper is out of reach then.

    Raises:
        UsageError: The folder cannot be trusted, see `private_folder`.
    """
    if not os.path.lexists(data):
        return
    private_folder(data)
    for folder in (data, data / "prefect"):
        if folder.is_dir() and not folder.is_symlink():
            for path in folder.iterdir():
                narrow(path)


def private_folder(folder: Path, setting: str = "RIVYA_FLOWS_DATA") -> None:
    """Make a folder that only its owner can enter; narrow one that exists.

    Args:
        folder: The data folder, or one inside it.
        setting: What a user sets to have another folder.

    Raises:
        UsageError: It is a link or not a folder, it belongs to another user, or every user can
            write into it: its content may be somebody else's, such as code or a journal. Or it
            cannot be made or opened.
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
        words = f"data folder: {folder} cannot be used: {error.strerror or error}"
        raise UsageError(words, hint) from error
    try:
        found = os.fstat(opened)
        if found.st_uid != os.geteuid():
            raise UsageError(f"data folder: {folder} belongs to another user", hint)
        if found.st_mode & stat.S_IWOTH:
            raise UsageError(
                f"data folder: every user can write into {folder}",
                f"{hint}; or look that all in it is yours, then: chmod 700 {folder}",
            )
        if found.st_mode & _OTHERS:
            os.fchmod(opened, FOLDER)
    finally:
        os.close(opened)


def narrow(path: Path) -> None:
    """Takes from other users what they may do with a file or folder of ours; follows no link.

    By its path, in a folder that nobody else can enter: to open and close a database here would
    drop the locks that this process has on it.
    """
    with contextlib.suppress(OSError):  # it may be gone by now
        found = path.lstat()
        kind = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
        if kind and found.st_uid == os.geteuid() and found.st_mode & _OTHERS:
            path.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)


def as_private_as_its_folder(path: Path, folder: Path | None = None) -> None:
    """Gives a file of ours, or a folder, the readers and writers of a folder.

    Args:
        path: What was just written.
        folder: None takes the one that it lies in.
    """
    wanted = stat.S_IMODE((folder or path.parent).stat().st_mode)
    with contextlib.suppress(PermissionError):  # another user's, in a store that several share
        path.chmod(wanted & (0o777 if path.is_dir() else 0o666))


def readable_by_others(path: Path) -> bool:
    """Whether other users of this machine can read or change what lies there."""
    try:
        return bool(path.stat().st_mode & _OTHERS)
    except OSError:
        return False
