"""What runs after `up`, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rivya_flows.cli.output import show, tell
from rivya_flows.flows.server.local_api import Loopback
from rivya_flows.flows.server.password import FILE


@dataclass
class UpStatus:
    """What runs after `up`.

    Attributes:
        server: The Prefect server; None until it answers.
        urls: Where each part answers; a part that listens nowhere is not among them.
        started: Names of parts that this call started.
        running: Names of parts that ran already.
        differing: Those of them that were started with other settings.
        deployments: As ``flow/deployment``.
        webhooks: Whether the service tells the receiver what has become of jobs.
        logs: The log of each part.
    """

    server: Loopback | None = None
    urls: dict[str, str] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    deployments: tuple[str, ...] = ()
    webhooks: bool = False
    logs: dict[str, str] = field(default_factory=dict)


def show_all(standing: UpStatus) -> None:
    """Tell a person what runs, where, and what to do next.

    Raises:
        OSError: The Prefect server no longer answers.
    """
    for name in standing.running:
        words = "runs already"
        if name in standing.differing:
            words += " with other settings; `rivya-flows down` first to change them"
        tell(f"{name}: {words}")
    urls = standing.urls
    assert standing.server is not None
    show(f"Prefect    {standing.server.entrance()}")
    for name in ("sandbox", "receiver"):
        if name in urls:
            show(f"{name.capitalize():<10} {urls[name]}")
    if standing.deployments:
        show(f"Deployed   {', '.join(standing.deployments)}")
        first = standing.deployments[0]
        show("", "Start a campaign in the UI (Deployments, Run), or with:")
        show(f"  rivya-flows prefect deployment run {first}")
    else:
        show("", "No deployments: a spec needs a `deploy:` entry, such as")
        show("  deploy: [{name: by-hand}]", "Then call `rivya-flows up` again.")
    show("End all of it with: rivya-flows down")


def document(data: Path, standing: UpStatus) -> dict[str, Any]:
    """As `up --json` prints it."""
    urls = standing.urls
    names = [*standing.running, *standing.started]
    return {
        "ui": f"{urls['server']}/v2",
        "api": f"{urls['server']}/api",
        "auth_file": str(data / "prefect" / FILE),
        "sandbox": urls.get("sandbox"),
        "receiver": urls.get("receiver"),
        "webhooks": standing.webhooks,
        "data": str(data),
        "parts": [
            {
                "name": name,
                "status": "started" if name in standing.started else "running",
                "differs": name in standing.differing,
                "log": standing.logs[name],
            }
            for name in names
        ],
        "deployments": list(standing.deployments),
    }
