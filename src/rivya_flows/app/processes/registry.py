"""What `up` left running in a data folder: one file says it, one lock guards it.

No secret stands in the file: keys reach the processes through their environment.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from rivya_flows.app.processes.process_tree import ProcessIdentity, lives
from rivya_flows.errors import UsageError
from rivya_flows.private import private_folder

_RECORD = "up.json"
_LOCK = "up.lock"
_VERSION = 1
_WAIT_SECONDS = 120.0
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class ManagedProcess:
    """One process of `up`, the first of a group of its own.

    Attributes:
        name: ``sandbox``, ``server``, ``receiver`` or ``worker``.
        process: Which process.
        mark: In its environment, and in that of everything that it starts.
        url: Where it answers; "" for one that listens nowhere.
        log: What it said.
        wish: Fingerprint of its settings, to see whether the next `up` wants the same.
        registered: Of the receiver: whether the service sends its events there.
    """

    name: str
    process: ProcessIdentity
    mark: str
    url: str
    log: str
    wish: str = ""
    registered: bool = False

    @property
    def lives(self) -> bool:
        """Whether it still runs."""
        return lives(self.process)


@dataclass(frozen=True)
class LeftRunning:
    """All of it.

    Attributes:
        parts: In the order in which they were started.
        ports: Which port each part had last, also when it runs no more: addresses in a browser
            and in old pages stay good.
    """

    parts: tuple[ManagedProcess, ...] = ()
    ports: dict[str, int] = field(default_factory=dict)

    def part(self, name: str) -> ManagedProcess | None:
        """The living part of that name, or None."""
        return next((one for one in self.parts if one.name == name and one.lives), None)

    def with_part(self, part: ManagedProcess) -> LeftRunning:
        """With this part in the place of an older one of its name."""
        port = urlsplit(part.url).port
        ports = self.ports | ({part.name: port} if port else {})
        return LeftRunning((*self.without(part.name).parts, part), ports)

    def without(self, name: str) -> LeftRunning:
        """Without the part of that name."""
        return replace(self, parts=tuple(one for one in self.parts if one.name != name))


def read(data: Path) -> LeftRunning:
    """What stands in the file of a data folder; nothing where there is none.

    Raises:
        UsageError: It cannot be understood; what it names would be forgotten.
    """
    path = data / _RECORD
    try:
        document = json.loads(path.read_text())
        if document["version"] != _VERSION:
            raise ValueError("another version")
        return LeftRunning(
            tuple(
                ManagedProcess(
                    name=one["name"],
                    process=ProcessIdentity(one["pid"], one["birth"]),
                    mark=one["mark"],
                    url=one["url"],
                    log=one["log"],
                    wish=one["wish"],
                    registered=one.get("registered", False),
                )
                for one in document["parts"]
            ),
            dict(document["ports"]),
        )
    except (FileNotFoundError, NotADirectoryError):
        return LeftRunning()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} cannot be read, or was written by another version",
            "end the processes that it names, then take the file away",
        ) from error


def write(data: Path, left: LeftRunning) -> None:
    """Puts it into the file, as a whole or not at all.

    Raises:
        OSError: The folder cannot be written.
    """
    path = data / _RECORD
    document = {
        "version": _VERSION,
        "ports": left.ports,
        "parts": [
            {
                "name": part.name,
                "pid": part.process.pid,
                "birth": part.process.birth,
                "mark": part.mark,
                "url": part.url,
                "log": part.log,
                "wish": part.wish,
                "registered": part.registered,
            }
            for part in left.parts
        ],
    }
    draft = path.with_name(f"{_RECORD}.{uuid.uuid4().hex[:8]}")
    draft.write_text(json.dumps(document, indent=2) + "\n")
    draft.replace(path)


@contextmanager
def guarded(data: Path, *, wait_seconds: float = _WAIT_SECONDS) -> Iterator[None]:
    """The right to change what runs in a data folder; one process has it at a time.

    Raises:
        UsageError: Another `up` or `down` has it all the time, or the folder cannot be written or
            trusted.
    """
    try:
        private_folder(data)
        descriptor = os.open(data / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise UsageError(
            f"{data} cannot be used: {error.strerror or error}",
            "set RIVYA_FLOWS_DATA to a folder that can be written",
        ) from error
    try:
        give_up = time.monotonic() + wait_seconds
        while not _locked(descriptor):
            if time.monotonic() > give_up:
                raise UsageError(
                    f"another `up` or `down` is at work in {data}", "wait until it is done"
                )
            time.sleep(_LOOK_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
