"""What `up` and `down` need of Prefect; `flows` implements it, and `cli` passes it in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from rivya_flows.app.processes.supervisor import StartedProcess
from rivya_flows.app.up.options import UpOptions


class PrefectBackend(Protocol):
    """The Prefect server that `up` leaves running in a data folder, and its worker."""

    def check(self, options: UpOptions, tell: Callable[[str], None]) -> None:
        """Refuse specs that cannot be deployed, and say what they start by itself, before anything starts."""

    def start(self, options: UpOptions, port: int, mark: str, log: Path) -> StartedProcess | None:
        """Start the server; None while a run has a server of its own in the data folder.

        One that waits for its next run ends; called again, this starts a server.
        """

    def answers(self) -> bool:
        """Whether the recorded server answers, and proves that it is the one of the data folder."""

    def end_idle(self) -> bool:
        """End the server of a run that waits for the next one; whether there was one."""

    def is_used(self) -> bool:
        """Whether a run of the command line uses the server."""

    def load(self) -> None:
        """Import Prefect, which takes a second or more."""

    def connected(self) -> AbstractContextManager[dict[str, str]]:
        """Point Prefect in this process at the server; gives the variables that do so."""

    def provision(self, options: UpOptions, tell: Callable[[str], None]) -> tuple[str, ...]:
        """Create work pool, automations, waker and deployments.

        Returns:
            Names of the deployments, as ``flow/deployment``.
        """

    def followed(self, *command: str) -> tuple[str, ...]:
        """The command that runs a module, and ends it with the server."""

    def watcher_command(self) -> tuple[str, ...]:
        """The command of the watcher, without the descriptor of its options."""

    def worker_command(self, limit: int | None) -> tuple[str, ...]:
        """The command of the worker.

        Args:
            limit: Flow runs that it executes at once; None: as the type of its work pool suits.
        """

    def worker_is_online(self, since: datetime) -> bool:
        """Whether the worker has sent a heartbeat since then."""

    def requeue_left(self) -> int:
        """Reschedule the runs that a dead worker left unfinished; returns their number."""

    def requeue(self, flow_run_ids: Iterable[str]) -> int:
        """Reschedule those of these runs that have not ended; returns their number."""

    def settle(self) -> None:
        """Wait until the rows of ended runs are written, if the server answers."""

    def link(self) -> str:
        """A URL that opens the UI in one browser, once."""
