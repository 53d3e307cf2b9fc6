"""What runs after `up`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rivya_flows.app.processes.registry import ManagedProcess


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
