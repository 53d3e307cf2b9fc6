"""The processes that `up` leaves running in a data folder: a file records them, without a secret, a lock guards it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from rivya_flows.errors import UsageError, explain_os_error
from rivya_flows.private import private_folder
from rivya_flows.process_identity import ProcessIdentity, lives
from rivya_flows.processes.supervisor import try_lock, wait_until

_RECORD = "up.json"
_LOCK = "up.lock"
_WAIT_SECONDS = 120.0


class ManagedProcess(BaseModel):
    """A process of `up`, the leader of a process group of its own.

    Attributes:
        url: Where it answers; "" for one that does not listen.
        settings: A hash of each, to see which of them the next `up` wants otherwise.
        registered: Whether it gets the webhooks of the service.
        rehearses: Whether the `up` that started it buys with pretend credits.
        account: A hash of the key and service of that `up`; "" for the local sandbox.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    birth: str
    mark: str
    url: str = ""
    log: str = ""
    settings: dict[str, str] = Field(default_factory=dict)
    registered: bool = False
    rehearses: bool = False
    account: str = ""
    source: str = ""
    restarts: int = 0

    @property
    def process(self) -> ProcessIdentity:
        return ProcessIdentity(self.pid, self.birth)

    @property
    def lives(self) -> bool:
        return lives(self.process)


@dataclass(frozen=True)
class LeftRunning:
    """All processes of `up` in a data folder, in the order in which they were started.

    `ports`: the last one of each part, also of one that has ended, so that addresses in old pages stay valid.
    """

    parts: tuple[ManagedProcess, ...] = ()
    ports: dict[str, int] = field(default_factory=dict)
    version: Literal[2] = 2

    def part(self, name: str) -> ManagedProcess | None:
        """The living part of this name."""
        return next((one for one in self.parts if one.name == name and one.lives), None)

    def with_part(self, part: ManagedProcess) -> LeftRunning:
        port = urlsplit(part.url).port
        ports = self.ports | ({part.name: port} if port else {})
        return LeftRunning((*self.without(part.name).parts, part), ports)

    def without(self, name: str) -> LeftRunning:
        return replace(self, parts=tuple(one for one in self.parts if one.name != name))


_FILE = TypeAdapter(LeftRunning)


def read(data: Path) -> LeftRunning:
    """The processes recorded in a data folder; none if there is no record."""
    path = data / _RECORD
    try:
        return _FILE.validate_json(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return LeftRunning()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be read, or was written by another version",
            "end the processes that it names, then remove the file",
        ) from error


def last_port(data: Path, name: str) -> int | None:
    return read(data).ports.get(name)


def write(data: Path, left: LeftRunning) -> None:
    path = data / _RECORD
    draft = path.with_name(f"{_RECORD}.{uuid.uuid4().hex[:8]}")
    draft.write_bytes(_FILE.dump_json(left, indent=2) + b"\n")
    draft.replace(path)


def add(data: Path, part: ManagedProcess) -> None:
    write(data, read(data).with_part(part))


@contextmanager
def lock_registry(data: Path, *, wait_seconds: float = _WAIT_SECONDS) -> Iterator[None]:
    """The right to change what runs in a data folder; one process has it at a time."""
    with explain_os_error(
        f"{data} cannot be used", "set RIVYA_FLOWS_DATA to a folder that can be written"
    ):
        private_folder(data)
        lock = (data / _LOCK).open("a")
    with lock:
        if not wait_until(lambda: try_lock(lock), wait_seconds):
            raise UsageError(
                f"another `up` or `down` is running in {data}", "wait until it is done"
            )
        yield
