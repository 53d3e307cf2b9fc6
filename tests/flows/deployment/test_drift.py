"""Deployed specs against a service whose models and prices change, on a real Prefect server."""

from __future__ import annotations

import asyncio
import copy
import json
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.doctor.checks import drift_check
from rivya_flows.flows.deployment.drift import look_for_drift
from rivya_flows.flows.deployment.infrastructure import CHECK, DRIFT
from rivya_flows.flows.questions import WAKER_DEPLOYMENT
from rivya_flows.flows.recovery.automations import DRIFTED
from rivya_flows.store.deployments import SeenDrift
from support.cli_calls import Terminal
from support.prefect_workers import Server, eventually
from support.small_server import Answer, answering

SPEC = """\
version: 1
name: NAME
steps:
  still: {uses: generate, with: {model: z-image, prompt: A lamp}}
deploy:
  - {name: daily}
"""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A service that has models and nothing else; called with what changes in the first one."""
    wire: Any = copy.deepcopy(dict(shipped().wire))
    with answering(lambda _: Answer(json.dumps(wire).encode())) as address:
        monkeypatch.setenv("RIVYA_BASE_URL", address)
        monkeypatch.setenv("RIVYA_API_KEY", "rvya_sk_0123456789abcdef0123")
        yield wire["data"][0].update


def events(server: Server, deployment: str, count: int) -> list[dict[str, Any]]:
    wanted = {
        "event": {"name": [DRIFTED]},
        "resource": {"id": [f"prefect.deployment.{deployment}"]},
        "order": "ASC",
    }

    def all_of_them() -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = server.ask("POST", "/events/filter", {"filter": wanted})[
            "events"
        ]
        return found if len(found) >= count else None

    return eventually(all_of_them, "the events") if count else all_of_them() or []


@pytest.mark.prefect
def test_a_deployed_spec_that_drifts_is_told_once_for_each_new_state(
    call: Terminal, server: Server, tmp_path: Path, service: Callable[[dict[str, Any]], None]
) -> None:
    name = f"spec-{uuid.uuid4().hex[:8]}"
    spec = tmp_path / f"{name}.yaml"
    spec.write_text(SPEC.replace("NAME", name))
    assert call("deploy", spec).code == 0
    spec.unlink()  # what was deployed counts, and not the file
    deployment = server.ask("GET", f"/deployments/name/{name}/daily")["id"]

    def check() -> dict[str, Any]:
        said = call("check", "--deployed", "--json")
        worst = {one["status"] for one in said.document["deployments"]}  # also of other tests
        assert said.code == (2 if "broken" in worst else 3 if "dearer" in worst else 0)
        [one] = [one for one in said.document["deployments"] if name in one["deployment"]]
        return dict(one)

    def said_by_doctor() -> str:
        [line] = [one for one in call("doctor").out.splitlines() if "deployed specs" in one]
        return line

    daily = server.ask("GET", f"/deployments/name/{DRIFT}/{WAKER_DEPLOYMENT}")
    assert [one["schedule"]["interval"] for one in daily["schedules"]] == [86_400]
    assert daily["entrypoint"] == "rivya_flows.flows.deployment.drift:look_for_drift"
    assert "not checked yet" in said_by_doctor()
    assert check()["status"] == "ok"
    asyncio.run(look_for_drift())
    assert events(server, deployment, 0) == []

    service({"base_credits": 3})
    one = check()
    assert (one["status"], one["credits"]["now"]) == ("dearer", {"min": 3, "max": 3})
    assert one["models"] == ["z-image: 3 credits here, 1 in the shipped catalogue"]
    assert events(server, deployment, 0) == []  # a person who looks needs none
    for _ in range(2):
        asyncio.run(look_for_drift())
    line = said_by_doctor()  # which names one; other tests of this server may have left worse ones
    dearer_one = f"{name}/daily: 3 credits a run, 1 credit when it was deployed"
    assert dearer_one in line or re.search(r"no longer works: .*; and \d+ more$", line)

    service({"id": "z-image-2"})
    one = check()
    assert (one["status"], one["problems"][0]["code"]) == ("broken", "unknown-model")
    text = call("check", "--deployed")
    assert f"{name}/daily: broken: no longer works: no model 'z-image'" in text.out
    assert f"{name}.yaml:4:41: no model 'z-image'" in text.err
    asyncio.run(look_for_drift())
    dearer, broken = events(server, deployment, 2)
    assert dearer["resource"]["prefect.resource.name"] == f"{name}/daily"
    assert dearer["resource"]["rivya-flows.drift"] == "dearer"
    assert dearer["payload"]["credits"]["before"] == {"min": 1, "max": 1}
    assert broken["payload"]["status"] == "broken"
    assert said_by_doctor().count("no longer works") == 1

    server.ask("DELETE", f"/deployments/{deployment}")
    assert name not in call("check", "--deployed").out


def test_deployed_goes_with_no_spec(call: Terminal) -> None:
    said = call("check", "--deployed", "--fix")
    assert (said.code, said.err.count("--deployed checks deployments")) == (2, 1)


@pytest.mark.parametrize(
    ("seen", "days", "status", "words"),
    [
        ((), 0, "ok", "not checked yet"),
        (("ok",), 1, "ok", "1 of 2 are checked"),
        (("ok",), 3, "warning", "last checked 3 days ago"),
        (("dearer",), 1, "warning", "a/daily: found dearer"),
        (("dearer", "broken"), 1, "problem", "b/daily: found broken; a/daily: found dearer"),
    ],
)
def test_doctor_says_the_worst_of_what_the_last_check_found(
    seen: tuple[str, ...], days: int, status: str, words: str
) -> None:
    now = 1_800_000_000.0
    found = {
        name: SeenDrift(name, "sha256:1", one, f"found {one}", "", now - days * 86_400)
        for name, one in zip(("a/daily", "b/daily"), seen, strict=False)
    }
    check = drift_check({"a/daily": "sha256:1", "b/daily": "sha256:1"}, found, now, CHECK)
    assert check.status == status
    assert words in check.message
    redeployed = drift_check({"a/daily": "sha256:2", "b/daily": None}, found, now, CHECK)
    assert redeployed.status == ("warning" if days > 2 else "ok")
