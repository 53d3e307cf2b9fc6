"""What `up` is asked for, what it needs of Prefect, what then runs, and the environment of its processes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from rivya_flows.app.live_guard import Confirm, is_rehearsal, shown_key
from rivya_flows.app.processes.registry import ManagedProcess
from rivya_flows.app.processes.supervisor import MARK, StartedProcess
from rivya_flows.app.shared_store_checks import shown_url
from rivya_flows.environment import LOG_FORM, machine_environment
from rivya_flows.errors import UsageError
from rivya_flows.extras import need
from rivya_flows.settings import ENV_FILE_VARIABLE, Settings

HEARTBEAT_SECONDS = 30
"""Prefect's shortest: a run whose machine died is restarted after about two minutes."""

WORKER_QUERY_SECONDS = "2"
_OURS = ("PREFECT_", "RIVYA_")
_COMPARED = Settings.model_fields.keys() | {ENV_FILE_VARIABLE.lower()}
_FROM_SANDBOX = "from the local sandbox"


@dataclass(frozen=True)
class UpOptions:
    """The options of `up`.

    Attributes:
        port: Of the Prefect server; None: the last one, else 4200, else a free one; 0: a free one.
        receiver_port: Of the receiver; None: the last one, else 8710, else a free one; 0: a free one.
        postgres: SQLAlchemy URL of Prefect's database with an asynchronous driver; None: SQLite.
        redis: URL for Prefect's messages; None: in memory.
        confirm: Asks before something buys without a cap over time; None where nobody can answer.
        foreground: This process restarts parts that die, and not one that `up` starts for that.
    """

    settings: Settings
    variables: Mapping[str, str]
    sandbox: bool
    specs: tuple[Path, ...]
    port: int | None = None
    postgres: str | None = None
    redis: str | None = None
    receiver_port: int | None = None
    foreground: bool = False
    confirm: Confirm | None = None
    restarts: bool = False

    @property
    def spec_folder(self) -> Path | None:
        """Where a worker looks for edits of deployed specs; None: nowhere."""
        folders = (path for path in self.specs if path.is_dir())
        return next(folders, self.settings.rivya_flows_specs)

    def restarting(self) -> UpOptions:
        """The same options to start dead parts with: nothing is deployed, no port is asked for.

        A spec that is wrong by now keeps nothing from starting, and addresses stay valid.
        """
        settings = self.settings.model_copy(update={"rivya_flows_specs": self.spec_folder})
        return replace(
            self, settings=settings, specs=(), port=None, receiver_port=None, restarts=True
        )

    @property
    def rehearses(self) -> bool:
        return self.sandbox or is_rehearsal(self.settings.rivya_base_url, self.settings)

    def account(self, mark: str) -> str:
        return "" if self.sandbox else account(self.settings, mark)

    @property
    def source(self) -> str:
        return _FROM_SANDBOX if self.sandbox else source(self.settings)

    @property
    def data(self) -> Path:
        return self.settings.data

    @property
    def prefect_home(self) -> Path:
        return self.data / "prefect"

    @property
    def sandbox_folder(self) -> Path:
        return self.data / "sandbox"


def watcher_environment(options: UpOptions, mark: str) -> dict[str, str]:
    """The environment of the watcher: that of `up`, whatever folder it was called in."""
    folder = options.spec_folder
    specs = {} if folder is None else {"RIVYA_FLOWS_SPECS": str(folder.expanduser().absolute())}
    data = {"RIVYA_FLOWS_DATA": str(options.data.absolute()), "DO_NOT_TRACK": "1"}
    return {**options.variables, **data, **specs, MARK: mark}


def marked_environment(variables: Mapping[str, str], mark: str) -> dict[str, str]:
    """The environment of a part that gets no key and no setting of the user."""
    return machine_environment(variables) | {"DO_NOT_TRACK": "1", MARK: mark}


def working_environment(
    options: UpOptions, mark: str, client: Mapping[str, str], *, public_url: str, webhooks: bool
) -> dict[str, str]:
    """The environment of the worker and the receiver: our settings, and one Prefect server.

    The user's variables of Prefect belong to another server. The settings of ``.env`` are included,
    because these processes run in another folder, and flow runs in temporary ones.

    Args:
        public_url: Where a browser finds the receiver, unless the user has set it.
    """
    # Each run gets a key of the sandbox; without one, and without this word, a worker refuses.
    dropped = {MARK, *(("RIVYA_API_KEY", "RIVYA_BASE_URL") if options.sandbox else ())}
    ours = {
        upper: value
        for name, value in options.variables.items()
        if (upper := name.upper()).startswith("RIVYA_") and upper not in dropped
    }
    ours["RIVYA_FLOWS_DATA"] = str(options.data)
    if options.sandbox:
        ours["RIVYA_FLOWS_SANDBOX"] = "true"
    if options.spec_folder is not None:
        ours["RIVYA_FLOWS_SPECS"] = str(options.spec_folder.expanduser().absolute())
    if public_url:
        ours.setdefault("RIVYA_FLOWS_PUBLIC_URL", public_url)
    ours.setdefault("RIVYA_FLOWS_WEBHOOKS", "true" if webhooks else "false")
    form = {name: text for name, text in options.variables.items() if name == LOG_FORM}
    # The functions of a spec and the clients of a store read variables of any name.
    others = {
        name: value
        for name, value in options.variables.items()
        if not name.upper().startswith(_OURS)
    }
    return (
        others
        | {
            "DO_NOT_TRACK": "1",
            MARK: mark,
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
            "PREFECT_LOGGING_LEVEL": "INFO",
            "PREFECT_WORKER_QUERY_SECONDS": WORKER_QUERY_SECONDS,
        }
        | form
        | dict(client)
        | ours
    )


def hashed_settings(environment: Mapping[str, str], mark: str) -> dict[str, str]:
    """A hash of each setting and option, to say which of them differ between two processes.

    They include the mark, so that equal values of two processes have different hashes.
    """
    return {
        name: _hash(mark, name, value)
        for name, value in environment.items()
        if name.startswith(("PREFECT_", "--")) or name.lower() in _COMPARED
    }


def _hash(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def account(settings: Settings, mark: str) -> str:
    """A hash of key and service that a worker with these settings buys with; "" for the local sandbox."""
    if settings.rivya_flows_sandbox or settings.rivya_api_key is None:
        return ""
    key, url = settings.rivya_api_key.get_secret_value(), settings.rivya_base_url.rstrip("/")
    return _hash(mark, key, url)


def source(settings: Settings) -> str:
    """From whom a worker with these settings buys, for people."""
    key = settings.rivya_api_key
    if settings.rivya_flows_sandbox or key is None:
        return _FROM_SANDBOX
    shown = shown_key(key.get_secret_value())
    return f"from {shown_url(settings.rivya_base_url)} with the key {shown}"


def buys_elsewhere(worker: ManagedProcess, source: str, command: str) -> UsageError:
    """What is said where a worker of `up` buys from somebody else than a command names."""
    return UsageError(
        f"the worker that runs buys {worker.source}, and this `{command}` would buy {source};"
        " nothing was deployed",
        "`rivya-flows down` first, then "
        + (
            "this command again" if command == "up" else "`rivya-flows up`, then this command again"
        ),
    )


def database_url(url: str) -> str:
    """A PostgreSQL URL with the driver that Prefect needs."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise UsageError(
            "--postgres: not a PostgreSQL URL",
            "write it like postgresql://user:password@host:5432/prefect",
        )
    return f"postgresql+asyncpg://{rest}"


def messages_url(url: str) -> str:
    if not url.startswith(("redis://", "rediss://")):
        raise UsageError("--redis: not a Redis URL", "write it like redis://127.0.0.1:6379/0")
    need("redis", "--redis")
    return url


@dataclass
class UpStatus:
    """What runs after `up`."""

    data: Path
    parts: dict[str, ManagedProcess] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    differing: dict[str, list[str]] = field(default_factory=dict)
    other_sandbox: str | None = None
    deployments: tuple[str, ...] = ()

    @property
    def webhooks(self) -> bool:
        """Whether the service sends its events to the receiver."""
        return "receiver" in self.parts and self.parts["receiver"].registered

    def url(self, name: str) -> str | None:
        """The URL of a part; None if it does not run or does not listen."""
        if name == "sandbox" and self.other_sandbox:
            return self.other_sandbox
        return self.parts[name].url if name in self.parts else None

    def as_json(self) -> dict[str, Any]:
        """As `up --json` prints it."""
        running = [name for name in self.parts if name not in self.started]
        return {
            "ui": f"{self.url('server')}/v2",
            "api": f"{self.url('server')}/api",
            "auth_file": str(self.data / "prefect" / "auth"),
            "sandbox": self.url("sandbox"),
            "receiver": self.url("receiver"),
            "webhooks": self.webhooks,
            "data": str(self.data),
            "parts": [
                {
                    "name": name,
                    "status": "started" if name in self.started else "running",
                    "differs": self.differing.get(name, []),
                    "log": self.parts[name].log,
                    "restarts": self.parts[name].restarts,
                }
                for name in (*running, *self.started)
            ],
            "deployments": list(self.deployments),
        }


class PrefectBackend(Protocol):
    """The Prefect server that `up` leaves running in a data folder, and its worker."""

    def check(self, options: UpOptions, tell: Callable[[str], None]) -> None:
        """Refuse specs that cannot be deployed, and say what they start by itself, before anything starts."""

    def start(self, options: UpOptions, port: int, mark: str, log: Path) -> StartedProcess | None:
        """Start the server; None while a run has a server of its own, which ends if it is idle."""

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
        """Create work pool, automations, waker and deployments; gives their names, as ``flow/deployment``."""

    def followed(self, *command: str) -> tuple[str, ...]:
        """The command that runs a module, and ends it with the server."""

    def watcher_command(self) -> tuple[str, ...]:
        """The command of the watcher, without the descriptor of its options."""

    def worker_command(self, limit: int | None) -> tuple[str, ...]:
        """The command of the worker; without a limit, as many flow runs at once as suits its work pool."""

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
