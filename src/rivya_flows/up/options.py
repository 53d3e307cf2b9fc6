"""What `up` is asked for, what then runs, and the environment of its processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import JsonValue

from rivya_flows.environment import LOG_FORM, machine_environment, set_variables
from rivya_flows.errors import UsageError
from rivya_flows.extras import need
from rivya_flows.money.live_guard import Confirm, fingerprint, is_rehearsal
from rivya_flows.processes.registry import ManagedProcess
from rivya_flows.processes.supervisor import MARK
from rivya_flows.settings import ENV_FILE_VARIABLE, Settings, read_settings, variables_for_children

HEARTBEAT_SECONDS = 30  # Prefect's shortest: two minutes after its machine died a run is restarted
WORKER_QUERY_SECONDS = "2"
_OURS = ("PREFECT_", "RIVYA_")
_COMPARED = Settings.model_fields.keys() | {ENV_FILE_VARIABLE.lower()}


@dataclass(frozen=True)
class UpOptions:
    """The options of `up`.

    Attributes:
        port: Of the Prefect server; None: the last one, else 4200, else a free one; 0: a free one.
        receiver_port: Of the receiver; None: the last one, else 8710, else a free one; 0: a free one.
        postgres: SQLAlchemy URL of Prefect's database with an asynchronous driver; None: SQLite.
        redis: URL for Prefect's messages; None: in memory.
        confirm: Asks before something buys without a cap over time; None if no person can answer.
        foreground: This process restarts parts that die, and not one that `up` starts for that.
        restarts: It starts parts that died: nothing is deployed, asked or moved to another port.
    """

    settings: Settings
    variables: Mapping[str, str]
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
        folder = next((path for path in self.specs if path.is_dir()), None)
        folder = folder or self.settings.rivya_flows_specs
        return None if folder is None else folder.expanduser().absolute()

    def restarting(self) -> UpOptions:
        """The same options to start dead parts with, whatever is wrong with a spec by now."""
        settings = self.settings.model_copy(update={"rivya_flows_specs": self.spec_folder})
        return replace(
            self, settings=settings, specs=(), port=None, receiver_port=None, restarts=True
        )

    @property
    def sandbox(self) -> bool:
        return self.settings.rivya_flows_sandbox

    @property
    def rehearses(self) -> bool:
        return self.sandbox or is_rehearsal(self.settings.rivya_base_url, self.settings)

    @property
    def data(self) -> Path:
        return self.settings.data

    @property
    def prefect_home(self) -> Path:
        return self.data / "prefect"

    @property
    def own_settings(self) -> dict[str, str]:
        found = {"RIVYA_FLOWS_DATA": str(self.data.absolute())}
        return found | ({"RIVYA_FLOWS_SPECS": str(self.spec_folder)} if self.spec_folder else {})


def watcher_environment(options: UpOptions) -> dict[str, str]:
    """The environment of the watcher: that of `up`, with its options, since all users can read arguments."""
    asked = {
        "--sandbox": "yes" if options.sandbox else "",
        "--postgres": options.postgres or "",
        "--redis": options.redis or "",
    }
    return {**options.variables, "DO_NOT_TRACK": "1", **options.own_settings, **asked}


def watcher_options() -> UpOptions:
    """Takes the options that `watcher_environment` wrote out of the environment, so that no child gets them."""
    asked = set_variables(dict.fromkeys(("--sandbox", "--postgres", "--redis")))
    settings = read_settings().model_copy(update={"rivya_flows_sandbox": bool(asked["--sandbox"])})
    postgres, redis = asked["--postgres"] or None, asked["--redis"] or None
    variables = variables_for_children()
    return UpOptions(settings, variables, (), postgres=postgres, redis=redis).restarting()


def keyless_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of a part that gets no key and no setting of the user."""
    return machine_environment(variables) | {"DO_NOT_TRACK": "1"}


def working_environment(
    options: UpOptions, client: Mapping[str, str], *, public_url: str, webhooks: bool
) -> dict[str, str]:
    """The environment of the worker and the receiver: our settings, those of ``.env`` too, and one Prefect server.

    `public_url`, where a browser finds the receiver, and `webhooks` count where the user has set neither.
    """
    # Each run gets a key of the sandbox; without one, and without this word, a worker refuses.
    dropped = {MARK, *(("RIVYA_API_KEY", "RIVYA_BASE_URL") if options.sandbox else ())}
    ours = {
        upper: value
        for name, value in options.variables.items()
        if (upper := name.upper()).startswith("RIVYA_") and upper not in dropped
    }
    ours |= options.own_settings
    if options.sandbox:
        ours["RIVYA_FLOWS_SANDBOX"] = "true"
    if public_url:
        ours.setdefault("RIVYA_FLOWS_PUBLIC_URL", public_url)
    ours.setdefault("RIVYA_FLOWS_WEBHOOKS", "true" if webhooks else "false")
    # The functions of a spec and the clients of a store read variables of any name.
    foreign = {
        name: value
        for name, value in options.variables.items()
        if name == LOG_FORM or not name.upper().startswith(_OURS)
    }
    return {
        **foreign,
        "DO_NOT_TRACK": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_WORKER_QUERY_SECONDS": WORKER_QUERY_SECONDS,
        **client,
        **ours,
    }


def hashed_settings(environment: Mapping[str, str], mark: str) -> dict[str, str]:
    """A hash of each setting and option with the mark of a process, to say which of them differ between two."""
    return {
        name: fingerprint(mark, name, value)
        for name, value in environment.items()
        if name.startswith(("PREFECT_", "--")) or name.lower() in _COMPARED
    }


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
    data: Path
    parts: dict[str, ManagedProcess] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    differing: dict[str, list[str]] = field(default_factory=dict)
    other_sandbox: str | None = None
    deployments: tuple[str, ...] = ()

    @property
    def webhooks(self) -> bool:
        return "receiver" in self.parts and self.parts["receiver"].registered

    def url(self, name: str) -> str | None:
        if name == "sandbox" and self.other_sandbox:
            return self.other_sandbox
        return self.parts[name].url if name in self.parts else None

    def as_json(self) -> dict[str, JsonValue]:
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
                    "differs": [*self.differing.get(name, ())],
                    "log": self.parts[name].log,
                    "restarts": self.parts[name].restarts,
                }
                for name in (*running, *self.started)
            ],
            "deployments": list(self.deployments),
        }
