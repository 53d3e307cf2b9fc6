"""What an `up` is asked for, and what its processes find in their environment for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rivya_flows.app.processes.process_tree import MARK, machine_environment
from rivya_flows.errors import UsageError
from rivya_flows.extras import need
from rivya_flows.settings import Settings

HEARTBEAT_SECONDS = 30
"""The shortest that Prefect knows: a run whose machine died comes back after about two minutes."""

WORKER_QUERY_SECONDS = "2"
_OURS = ("PREFECT_", "RIVYA_")


@dataclass(frozen=True)
class UpOptions:
    """What is to run.

    Attributes:
        settings: As the command found them.
        variables: The environment, and what counts of the ``.env`` file; the former wins.
        sandbox: Runs buy from the local sandbox.
        specs: Files and folders of files to deploy.
        port: Of the Prefect server; None: the last one, else 4200, else a free one.
        postgres: SQLAlchemy URL of Prefect's database, asynchronous driver included, or None.
        redis: URL for Prefect's messages, or None.
    """

    settings: Settings
    variables: Mapping[str, str]
    sandbox: bool
    specs: tuple[Path, ...]
    port: int | None = None
    postgres: str | None = None
    redis: str | None = None

    @property
    def spec_folder(self) -> Path | None:
        """Where a worker sees whether a spec was edited since it was deployed; None: nowhere."""
        folders = (path for path in self.specs if path.is_dir())
        return next(folders, self.settings.rivya_flows_specs)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.settings.data

    @property
    def prefect_home(self) -> Path:
        """Prefect's home of the server and of all who speak to it."""
        return self.data / "prefect"

    def log(self, part: str) -> Path:
        """Where a part writes what it has to say."""
        return self.data / "logs" / f"{part}.log"


def marked_environment(variables: Mapping[str, str], mark: str) -> dict[str, str]:
    """The environment of a part that is given no key and no setting of the user.

    Args:
        variables: Of the command.
        mark: Of the part.
    """
    return machine_environment(variables) | {"DO_NOT_TRACK": "1", MARK: mark}


def working_environment(
    wish: UpOptions, mark: str, client: Mapping[str, str], *, public_url: str, webhooks: bool
) -> dict[str, str]:
    """The environment of the worker and of the receiver: our settings, and one Prefect server.

    Prefect's variables of the user belong to another server. What the ``.env`` file says must
    stand here too: their current folder is another one, and a flow run's is thrown away.

    Args:
        wish: What is to run.
        mark: Of the part.
        client: How to reach the Prefect server.
        public_url: Where a browser finds the receiver, unless the user has said so himself.
        webhooks: Whether the service tells the receiver what has become of jobs.
    """
    ours = {
        name.upper(): value
        for name, value in wish.variables.items()
        if name.upper().startswith("RIVYA_") and name != MARK
    }
    if wish.sandbox:
        # With no key each run takes one from the sandbox of the data folder.
        ours = {
            name: value
            for name, value in ours.items()
            if name not in ("RIVYA_API_KEY", "RIVYA_BASE_URL")
        }
    ours["RIVYA_FLOWS_DATA"] = str(wish.data)
    if wish.spec_folder is not None:
        ours["RIVYA_FLOWS_SPECS"] = str(wish.spec_folder.expanduser().absolute())
    if public_url:
        ours.setdefault("RIVYA_FLOWS_PUBLIC_URL", public_url)
    ours.setdefault("RIVYA_FLOWS_WEBHOOKS", "true" if webhooks else "false")
    # The functions of a spec and the clients of a store read variables of any name.
    theirs = {
        name: value for name, value in wish.variables.items() if not name.upper().startswith(_OURS)
    }
    return (
        theirs
        | {
            "DO_NOT_TRACK": "1",
            MARK: mark,
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
            "PREFECT_LOGGING_LEVEL": "INFO",
            "PREFECT_WORKER_QUERY_SECONDS": WORKER_QUERY_SECONDS,
        }
        | dict(client)
        | ours
    )


def fingerprint(environment: Mapping[str, str], mark: str) -> str:
    """Tells whether two processes were given the same settings, and nothing about them.

    The mark is in it: nobody can try out keys against what stands in the record.
    """
    given = {
        name: value
        for name, value in environment.items()
        if name.startswith(_OURS) and name != MARK
    }
    text = json.dumps([mark, given], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def database_url(url: str) -> str:
    """A URL of PostgreSQL with the driver that Prefect needs.

    Raises:
        UsageError: It is no URL of PostgreSQL.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise UsageError(
            "--postgres: that is no URL of PostgreSQL",
            "write it like postgresql://user:password@host:5432/prefect",
        )
    return f"postgresql+asyncpg://{rest}"


def messages_url(url: str) -> str:
    """A URL of Redis.

    Raises:
        UsageError: It is none, or what speaks to Redis is not installed.
    """
    if not url.startswith(("redis://", "rediss://")):
        raise UsageError(
            "--redis: that is no URL of Redis", "write it like redis://127.0.0.1:6379/0"
        )
    need("redis", "--redis")
    return url
