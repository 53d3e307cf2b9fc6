"""What a worker makes of deployed specs: whatever has become of their files, and of lost time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.prefect_workers import Place, Server, eventually, worker

pytestmark = pytest.mark.prefect

POOL = "postcards"
PHOTO = Path(__file__).parents[3] / "specs" / "photos" / "own-photo.jpg"
SPEC = """\
version: 1
name: postcard
inputs:
  product: {type: string, title: Product, min: 3, max: 40, default: Lamp}
  copies: {type: integer, min: 1, max: 4, default: 1}
  shape: {type: enum, values: ["1:1", "9:16"], default: "1:1"}
  day: {type: date, default: 2026-11-25}
  photo: {type: file, kind: image, default: photo.jpg}
  token: {type: secret, required: false}
steps:
  intro:
    uses: include
    with: {spec: parts/intro.yaml}
  own:
    uses: upload
    with: {file: "${{ inputs.photo }}"}
  still:
    uses: generate
    with:
      model: z-image
      prompt: "${{ inputs.product }}, ${{ inputs.day }}"
      params: {aspect_ratio: "${{ inputs.shape }}"}
outputs:
  still: ${{ steps.still.asset }}
deploy:
  - name: form
  - name: on-brief
    triggers:
      - event: postcard.wanted
        match: {prefect.resource.id: shop.*}
        inputs:
          product: "${{ event.payload.product }} for ${{ event.payload.for | default('all') }}"
          copies: ${{ event.payload.copies }}
  - name: often
    schedules: [{interval: 240h, catchup: latest}]
    inputs: {product: Chair}
  - name: ended
    schedules: [{interval: 240h, catchup: all}]
"""
INTRO = """\
version: 1
name: intro
steps:
  picture:
    uses: generate
    with: {model: z-image, prompt: An empty stage}
"""


@pytest.fixture(scope="module")
def place(server: Server, studio: Place) -> Iterator[Place]:
    """The studio with a spec whose folder has changed since it was deployed."""
    specs = studio.folder.parent / "specs"
    (specs / "parts").mkdir(exist_ok=True)
    (specs / "postcard.yaml").write_text(SPEC)
    (specs / "parts" / "intro.yaml").write_text(INTRO)
    shutil.copy(PHOTO, specs / "photo.jpg")
    command = [sys.executable, "-m", "rivya_flows.cli.main", "deploy"]
    done = subprocess.run(
        [*command, str(specs / "postcard.yaml"), "--work-pool", POOL],
        env=dict(studio.environment),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (specs / "photo.jpg").unlink()
    (specs / "parts" / "intro.yaml").unlink()
    (specs / "postcard.yaml").write_text(SPEC.replace("model: z-image", "model: no-such"))
    yield studio
    # A process may run this module in parts: the same dates are runs of a new deployment then.
    flow = {"flows": {"name": {"any_": ["postcard"]}}}
    for one in server.ask("POST", "/deployments/filter", flow):
        server.ask("DELETE", f"/deployments/{one['id']}")


@pytest.fixture(scope="module")
def late(server: Server, place: Place) -> list[str]:
    """Runs of a schedule for which no worker was there, the oldest first."""
    return due(server, "often")


@pytest.fixture(scope="module")
def ended(server: Server, place: Place) -> list[str]:
    """The same of a schedule that was then switched off in the UI."""
    found = due(server, "ended")
    there = deployment(server, "ended")
    (schedule,) = there["schedules"]
    path = f"/deployments/{there['id']}/schedules/{schedule['id']}"
    server.ask("PATCH", path, {"active": False})
    return found


def due(server: Server, name: str) -> list[str]:
    """The runs of a schedule in the last 30 days, all of them late."""
    there = deployment(server, name)["id"]
    begin = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    server.ask("POST", f"/deployments/{there}/schedule", {"start_time": begin, "max_runs": 3})
    body = {
        "flow_runs": {
            "deployment_id": {"any_": [there]},
            "expected_start_time": {"before_": datetime.now(UTC).isoformat()},
        },
        "sort": "EXPECTED_START_TIME_ASC",
    }
    found = [one["id"] for one in server.ask("POST", "/flow_runs/filter", body)]
    assert len(found) == 3
    return found


@pytest.fixture(scope="module")
def working(place: Place, late: list[str], ended: list[str]) -> Iterator[Place]:
    """The same with a worker, once there are runs that are late."""
    with worker(place, POOL):
        yield place


def deployment(server: Server, name: str) -> dict[str, Any]:
    found: dict[str, Any] = server.ask("GET", f"/deployments/name/postcard/{name}")
    return found


def test_a_form_shows_what_the_server_then_checks(server: Server, place: Place) -> None:
    form = deployment(server, "form")
    fields = form["parameter_openapi_schema"]["properties"]
    assert [*fields] == ["product", "copies", "shape", "day", "photo", "token", "credentials"]
    assert fields["product"]["title"] == "Product"
    assert fields["shape"]["enum"] == ["1:1", "9:16"]
    assert (fields["copies"]["minimum"], fields["copies"]["maximum"]) == (1, 4)
    for wrong in (
        {"product": "ab"},
        {"product": "two\nlines"},
        {"copies": 5},
        {"copies": "2"},
        {"shape": "4:3"},
        {"day": "tomorrow"},
        {"photo": "/etc/passwd"},
        {"token": "rk_live_very_secret"},
        {"colour": "red"},
    ):
        with pytest.raises(AssertionError, match=": 409 "):
            server.ask("POST", f"/deployments/{form['id']}/create_flow_run", {"parameters": wrong})


def test_a_run_of_the_form_makes_what_was_deployed(server: Server, working: Place) -> None:
    form = deployment(server, "form")
    body = {
        "name": "order seven",
        "parameters": {"product": "Table", "shape": "9:16"},
        "idempotency_key": "order-7",
    }
    path = f"/deployments/{form['id']}/create_flow_run"
    run = server.ask("POST", path, body)["id"]
    # An order that comes twice is one run.
    assert server.ask("POST", path, body)["id"] == run
    server.end(run, "COMPLETED")
    assert server.ask("GET", f"/flow_runs/{run}")["name"] == "order seven"
    receipt = working.receipt(run)
    assert receipt["spec"]["text"] == SPEC
    assert receipt["inputs"]["product"] == "Table"
    assert receipt["inputs"]["photo"]["sha256"]
    eventually(
        lambda: "was edited after it was deployed" in server.log(run), "the word of the edit"
    )


def test_an_event_makes_a_run_with_what_it_brings(server: Server, working: Place) -> None:
    event = {
        "event": "postcard.wanted",
        "id": "5f0c5f0c-0000-4000-8000-000000000001",
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {"prefect.resource.id": "shop.7"},
        "payload": {"product": "Bowl", "copies": 2},
    }
    server.ask("POST", "/events", [event])
    made = deployment(server, "on-brief")["id"]
    body = {"flow_runs": {"deployment_id": {"any_": [made]}}}
    (run,) = eventually(lambda: server.ask("POST", "/flow_runs/filter", body), "a run")
    assert run["parameters"] | {"product": "Bowl for all", "copies": 2} == run["parameters"]
    server.end(run["id"], "COMPLETED")


def test_of_late_runs_the_latest_is_made_up_for(
    server: Server, working: Place, late: list[str]
) -> None:
    *older, latest = late
    assert server.end(latest, "COMPLETED")["name"] == "Completed"
    assert working.receipt(latest)["inputs"]["product"] == "Chair"
    named = server.ask("GET", f"/flow_runs/{latest}")
    due = datetime.fromisoformat(named["expected_start_time"])
    assert named["name"] == f"postcard: Chair, {due:%Y-%m-%d %H:%M} UTC"
    for run in older:
        state = server.end(run, "COMPLETED")
        assert state["name"] == "Skipped"
        assert "replaces it; nothing was bought" in state["message"]
        assert working.entries(run) == []


def test_no_late_run_of_a_schedule_that_is_off_is_made(
    server: Server, working: Place, ended: list[str]
) -> None:
    for run in ended:
        state = server.end(run, "COMPLETED")
        assert state["name"] == "Skipped"
        assert state["message"] == "its schedule is switched off; nothing was bought"
        assert working.entries(run) == []


def test_a_late_run_that_somebody_retries_is_made(
    server: Server, working: Place, late: list[str]
) -> None:
    server.end(late[0], "COMPLETED")
    server.let_go(late[0])
    server.retry(late[0])
    eventually(lambda: working.ends(late[0]) or None, "the end of the run")
    assert server.end(late[0], "COMPLETED")["name"] == "Completed"
