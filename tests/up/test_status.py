from __future__ import annotations

from pathlib import Path
from typing import Any

from rivya_flows.processes.registry import ManagedProcess
from rivya_flows.up.options import UpStatus


def part(name: str, url: str = "", *, registered: bool = False) -> ManagedProcess:
    log = f"/logs/{name}.log"
    return ManagedProcess(
        name=name, pid=1, birth="1", mark="m", url=url, log=log, registered=registered
    )


def test_the_document_names_urls_and_lists_running_parts_first() -> None:
    status = UpStatus(Path("/data"), deployments=("spot/now",))
    status.parts = {
        "server": part("server", "http://127.0.0.1:4200"),
        "receiver": part("receiver", "http://127.0.0.1:8710", registered=True),
        "worker": part("worker"),
    }
    status.started, status.differing = ["server"], {"worker": ["RIVYA_FLOWS_LIVE"]}
    document: Any = status.as_json()
    assert document["api"] == "http://127.0.0.1:4200/api"
    assert document["receiver"] == "http://127.0.0.1:8710"
    assert (document["sandbox"], document["webhooks"]) == (None, True)
    assert [(one["name"], one["status"], one["differs"]) for one in document["parts"]] == [
        ("receiver", "running", []),
        ("worker", "running", ["RIVYA_FLOWS_LIVE"]),
        ("server", "started", []),
    ]


def test_a_sandbox_that_up_did_not_start_is_named() -> None:
    status = UpStatus(Path("/data"), other_sandbox="http://127.0.0.1:9")
    assert status.url("sandbox") == "http://127.0.0.1:9"
