"""What runs after `up`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class UpStatus:
    """What runs after `up`.

    Attributes:
        data: The data folder.
        urls: URL of each part that listens.
        started: Names of parts that this call started.
        running: Names of parts that ran already.
        differing: Those of them that were started with other settings.
        deployments: As ``flow/deployment``.
        webhooks: Whether the service sends its events to the receiver.
        logs: Path of the log of each part.
    """

    data: Path
    urls: dict[str, str] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    deployments: tuple[str, ...] = ()
    webhooks: bool = False
    logs: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As `up --json` prints it."""
        return {
            "ui": f"{self.urls['server']}/v2",
            "api": f"{self.urls['server']}/api",
            "auth_file": str(self.data / "prefect" / "auth"),
            "sandbox": self.urls.get("sandbox"),
            "receiver": self.urls.get("receiver"),
            "webhooks": self.webhooks,
            "data": str(self.data),
            "parts": [
                {
                    "name": name,
                    "status": "started" if name in self.started else "running",
                    "differs": name in self.differing,
                    "log": self.logs[name],
                }
                for name in (*self.running, *self.started)
            ],
            "deployments": list(self.deployments),
        }
