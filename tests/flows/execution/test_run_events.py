"""The event of a run's end: its names, which live in people's automations, and its payload."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.events import Event

from rivya_flows.assets import Asset
from rivya_flows.engine.publishing import payload_of
from rivya_flows.errors import UsageError
from rivya_flows.flows.execution import run_events
from rivya_flows.flows.execution.run_events import resource_of
from rivya_flows.flows.recovery.automations import EVENT_PREFIX
from support.receipts import parsed

STILL = {"kind": "image", "sha256": "a" * 64, "mime_type": "image/png", "width": 9, "height": 16}
RECEIPT: dict[str, Any] = {
    "run_id": "run-1",
    "sandbox": False,
    "name": "launch",
    "title": None,
    "status": "completed",
    "credits": {"spent": 1, "saved": 0, "budget": 5, "left": 4},
    "outputs": {"still": {**STILL, "path": "/home/me/a.png"}, "words": "x" * 9_000},
    "steps": [
        {
            "id": "hero",
            "uses": "pick",
            "items": [{"key": "", "status": "completed", "reason": None, "assets": [STILL]}],
        }
    ],
    "assets": [],
    "ledger": [],
}
CHOICE: dict[str, Any] = {
    "picked": [],
    "by": None,
    "notes": [],
    "mode": "human",
    "waiting": False,
    "count": 1,
    "question": None,
    "deadline": None,
    "then": None,
    "candidates": [{"n": 1, "key": "neon", "sha256": None}, {"n": 2, "key": "oak", "sha256": None}],
}


def address(asset: Asset) -> str | None:
    return f"https://media.example/{asset.sha256[:4]}"


def test_the_payload_has_addresses_and_no_paths_of_this_machine() -> None:
    payload = payload_of(
        parsed(RECEIPT), address, "https://media.example/report.html", deployed=True
    ).model_dump(mode="json")
    assert payload["picked"]["hero"]["url"] == "https://media.example/aaaa"
    assert payload["outputs"]["still"]["url"] == "https://media.example/aaaa"
    assert len(payload["outputs"]["words"]) == 2_000
    assert payload["credits"] == {"spent": 1, "saved": 0, "budget": 5}
    assert "/home/me" not in json.dumps(payload)
    assert payload["markdown"].split("\n") == [
        "**launch** completed: hero; 1 credit",
        "[![picked: hero](<https://media.example/aaaa>)](<https://media.example/aaaa>)",
        "* [still](<https://media.example/aaaa>)",
        "[Contact sheet](<https://media.example/report.html>)",
    ]


def ended(status: str, *, deployed: bool = True, code: str = "", **choice: Any) -> dict[str, Any]:
    item = {**RECEIPT["steps"][0]["items"][0], "code": code, "choice": {**CHOICE, **choice}}
    steps = [{**RECEIPT["steps"][0], "status": status, "items": [item]}]
    receipt = {**RECEIPT, "status": status, "steps": steps, "assets": [STILL]}
    return payload_of(parsed(receipt), address, None, deployed=deployed).model_dump(mode="json")


def test_the_payload_says_who_picked_and_after_which_notes_without_marks_of_code() -> None:
    by = {"name": "Ana", "channel": "form", "at": "2026-11-27T12:04:00Z"}
    payload = ended("completed", picked=["neon"], by=by, notes=["warmer *light*"])
    assert payload["choices"]["hero"] == {
        "picked": ["neon"],
        "by": by,
        "how": "Ana in Prefect's form, 2026-11-27 12:04 UTC",
        "notes": ["warmer *light*"],
    }
    assert "* hero: neon, picked by Ana in Prefect's form" in payload["markdown"]
    markdown = ended("completed", picked=["neon"], by=by | {"channel": "command"})["markdown"]
    assert "* hero: neon, picked by Ana with --answer, 2026-11-27 12:04 UTC" in markdown


def test_automations_match_these_names() -> None:
    assert EVENT_PREFIX == "rivya-flows.run."
    run = FlowRun(id=UUID(int=1), flow_id=UUID(int=2), name="launch: Lamp", run_count=3)
    payload = payload_of(parsed(RECEIPT), address, None, deployed=True)
    assert resource_of(payload, run) == {
        "prefect.resource.id": f"prefect.flow-run.{UUID(int=1)}",
        "prefect.resource.name": "launch: Lamp",
        "prefect.run-count": "3",
        "rivya-flows.campaign": "launch",
        "rivya-flows.run-id": "run-1",
    }


def test_the_payload_says_what_to_do_next() -> None:
    assert ended("completed")["next"] is None
    waits = ended("suspended", waiting=True)
    command = "rivya-flows resume run-1"
    assert waits["next"] == f"answer with Resume, in the menu of the run, or: {command}"
    assert waits["markdown"].endswith(f"or: `{command}`")
    assert "Retry, in the menu of the run, or: rivya-flows resume run-1" in ended("failed")["next"]


def test_a_message_names_no_button_that_does_not_help() -> None:
    failed = ended("failed", code="job_failed")
    command = "rivya-flows resume run-1 --regenerate hero"
    useless = "Retry, in the menu of the run, buys no failed job again"
    assert failed["next"] == f"resume with: {command}; {useless}"
    assert failed["markdown"].endswith(f"resume with: `{command}`; {useless}")
    # A run of a command has no such buttons in Prefect.
    assert ended("failed", deployed=False, code="job_failed")["next"] == f"resume with: {command}"
    waits = ended("suspended", deployed=False, waiting=True)["next"]
    assert waits == "answer with: rivya-flows resume run-1"


def test_the_message_of_a_run_that_waits_says_what_it_asks_and_shows_the_candidates() -> None:
    candidates = [
        {"n": 1, "key": "neon", "sha256": STILL["sha256"]},
        {"n": 2, "key": "o*k", "sha256": None},
    ]
    asks: dict[str, Any] = {
        "question": "Which poster is it?",
        "deadline": "2026-12-02T14:20:00Z",
        "then": "first",
    }
    waits = ended("suspended", waiting=True, **asks, candidates=candidates)
    assert waits["markdown"].split("\n")[:5] == [
        "**launch** waits for an answer: hero; 1 credit",
        "**hero**: Which poster is it?",
        "Open until 2026-12-02 14:20 UTC; after that the first one is taken, and the run continues and"
        " buys what follows, for at most 4 credits.",
        r"[1 neon](<https://media.example/aaaa>) · 2 o\*k",
        "![1 neon](<https://media.example/aaaa>)",
    ]
    [question] = waits["questions"].values()
    assert question["candidates"][0] == {
        "n": 1,
        "key": "neon",
        "kind": "image",
        "url": "https://media.example/aaaa",
    }


RUN = FlowRun(id=UUID(int=1), flow_id=UUID(int=2), deployment_id=UUID(int=3), name="launch")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """The events of a flow run of a deployment."""
    events = list[Event]()

    async def send(event: Event) -> None:
        events.append(event)

    async def name_of_flow(_: FlowRun) -> str:
        return "launch"

    monkeypatch.setattr(run_events, "flow_run_here", lambda: RUN)
    monkeypatch.setattr(run_events, "_flow_name", name_of_flow)
    monkeypatch.setattr(run_events, "send_event", send)
    return events


async def test_an_end_with_more_outputs_than_an_event_takes_is_announced_without_them(
    sent: list[Event],
) -> None:
    outputs = {f"words-{number}": "x" * 2_000 for number in range(1_000)}
    payload = payload_of(parsed({**RECEIPT, "outputs": outputs}), address, None, deployed=True)
    await run_events._send(RUN, payload, UUID(int=3), EVENT_PREFIX)
    [event] = sent
    assert event.size_bytes < 100_000
    assert event.payload["outputs"] == {}
    assert event.payload["sentence"] == "hero; 1 credit"


@pytest.mark.parametrize(
    ("name", "value"),
    [("RIVYA_FLOWS_OUTAGE_RETRIES", "many"), ("RIVYA_FLOWS_STORE", "oracle://here/db")],
)
async def test_a_setting_that_fails_a_run_does_not_keep_its_event_back(
    name: str, value: str, sent: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    await run_events.announce_failure(UsageError(f"{name}: is wrong"), "failed")
    [event] = sent
    assert event.event == EVENT_PREFIX + "failed"
    assert event.payload["sentence"] == f"{name}: is wrong"
