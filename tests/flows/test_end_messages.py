"""Each end of a flow run is one message, whatever ended it: a real server, a worker, and a team chat."""

from __future__ import annotations

import asyncio
import queue
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from uuid import uuid4

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock

from rivya_flows.flows.deployment.drift import drift_event
from rivya_flows.flows.prefect_internals import send_event
from rivya_flows.flows.questions import WAKER
from rivya_flows.flows.recovery import automations
from rivya_flows.flows.recovery.automations import LAST_HEARTBEAT, PREFIX
from rivya_flows.preparation.deploy_blocks import OWNER_TAG
from rivya_flows.preparation.drift import Credits, Drift
from rivya_flows.store.journal import Journal
from rivya_flows.store.run_list import listed_runs
from rivya_sandbox.service import admin
from support.prefect_workers import PATIENCE, Place, Server, deploy_specs, eventually
from support.team_chat import team_chat

pytestmark = pytest.mark.prefect

BLOCK = "custom-webhook/told"


def spec(name: str, steps: str, head: str = "") -> str:
    deploy = "deploy:\n  - {name: studio, work_pool: studio}\n"
    return f"version: 1\nname: {name}\n{head}steps:\n{steps}{deploy}"


FILM = "  film: {uses: generate, with: {model: veo3-1-lite, prompt: A lamp}}\n"
STILL = "  still: {uses: generate, with: {model: z-image, prompt: A lamp}}\n"
POSTER, REEL = spec("poster", STILL), spec("reel", FILM)
DEAR = spec("dear", FILM + STILL, "budget: {credits: 1}\n")
UNLUCKY = spec("unlucky", STILL.replace("z-image", "nano-banana"))
ASKING = spec(
    "asking",
    """\
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "A lamp, ${{ matrix.style }}"}
  hero: {uses: pick, with: {from: "${{ steps.stills.items }}", mode: human}}
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: A lamp, references: ["${{ steps.hero.asset }}"]}
""",
)
ONE_FAILS = """faults:
- {on: generation, model: nano-banana, do: fail, times: 1}
- {on: generation, model: veo3-1-lite, do: stall}
"""


@pytest.fixture(scope="module")
def place(server: Server, studio: Place) -> Place:
    """The studio with the specs."""
    deploy_specs(studio, server, [POSTER, DEAR, ASKING, REEL, UNLUCKY])
    return studio


@pytest.fixture
def told(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[queue.Queue[str]]:
    """All that is told while a test runs; of silence after ten seconds, the least that Prefect takes."""
    monkeypatch.setattr(automations, "_SILENCE_SECONDS", 10)
    with team_chat() as (address, messages):
        block = CustomWebhookNotificationBlock(
            name="told", url=address, json_data={"text": "{{subject}}\n\n{{body}}"}
        )
        block.save("told", overwrite=True)
        asyncio.run(automations.apply(BLOCK, automations.NEWS))
        try:
            yield messages
        finally:
            for one in server.ask("POST", "/automations/filter", {}):
                if one["name"] == f"{PREFIX}notify {BLOCK}":
                    server.ask("DELETE", f"/automations/{one['id']}")


def start(
    server: Server, spec: str, name: str, environment: Mapping[str, str] | None = None
) -> str:
    found = server.ask("GET", f"/deployments/name/{spec}/studio")
    body = {"name": name, "job_variables": {"env": dict(environment or {})}}
    body["state"] = {"type": "SCHEDULED"}
    made = server.ask("POST", f"/deployments/{found['id']}/create_flow_run", body)
    return str(made["id"])


def without_process(
    server: Server, name: str, *states: tuple[str, str, str], flow_name: str = "poster"
) -> str:
    """A flow run of ours that Prefect alone changes, to these types, names and messages."""
    flow = server.ask("POST", "/flows/", {"name": flow_name})["id"]
    run = server.ask("POST", "/flow_runs/", {"flow_id": flow, "name": name, "tags": [OWNER_TAG]})
    for kind, state, message in states:
        wish = {"state": {"type": kind, "name": state, "message": message}, "force": True}
        server.ask("POST", f"/flow_runs/{run['id']}/set_state", wish)
    return str(run["id"])


RUNNING = ("RUNNING", "Running", "")
CRASHED = ("CRASHED", "Crashed", "its process ended")
AGAIN = ("SCHEDULED", "AwaitingRetry", "")
DONE = ("COMPLETED", "Completed", "")
BY_ANA = ("CANCELLED", "Cancelled", "by Ana")
GIVEN_UP = ("FAILED", "Failed", "crashed 5 times: https://x.example")
ENOUGH = ("FAILED", "Failed", "enough")


def fail_again(server: Server, run: str) -> None:
    server.let_go(run)
    server.retry(run)
    eventually(lambda: server.ask("GET", f"/flow_runs/{run}")["run_count"] == 2, "the retry")
    server.end(run, "FAILED")


def heartbeats(server: Server, run: str) -> list[str]:
    """The heartbeats of a flow run, and the event after the last one."""
    wanted = {
        "event": {"name": ["prefect.flow-run.heartbeat", LAST_HEARTBEAT]},
        "resource": {"id": [f"prefect.flow-run.{run}"]},
        "order": "ASC",
    }
    found = server.ask("POST", "/events/filter", {"filter": wanted})["events"]
    return [one["event"] for one in found]


def test_every_end_is_told_once_with_its_reason_and_what_to_do(
    server: Server, place: Place, told: queue.Queue[str]
) -> None:
    with place.films_held():
        admin.set_faults(place.sandbox, ONE_FAILS)
        # The last one is told of runs that had time for two.
        often = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
        stopped = start(server, "reel", "stopped", often)
        eventually(lambda: place.bought(stopped), "its purchase")
        ended = {
            "made": start(server, "poster", "made"),
            "over budget": start(server, "dear", "over budget"),
            "no key": start(server, "poster", "no key", {"RIVYA_API_KEY": ""}),
            "wrong key": start(server, "poster", "wrong key", {"RIVYA_API_KEY": "rvy_wrong_key"}),
            "not there": start(
                server, "poster", "not there", {"RIVYA_FLOWS_SPEC": f"sha256:{'0' * 64}"}
            ),
            "hopeless": without_process(server, "hopeless", RUNNING, CRASHED, GIVEN_UP),
            "came back": without_process(
                server, "came back", RUNNING, CRASHED, AGAIN, RUNNING, DONE
            ),
            "never begun": without_process(server, "never begun", BY_ANA),
        }
        unlucky = start(server, "unlucky", "unlucky")
        asks = start(server, "asking", "asks")
        eventually(lambda: server.state(asks)["name"] == "Suspended", "the question")
        for run in ended.values():
            server.end(run, "COMPLETED", "FAILED", "CANCELLED")
        server.end(unlucky, "FAILED")
        for again in (ended["over budget"], unlucky):
            fail_again(server, again)
        server.set_state(asks, "CANCELLING")
        server.end(asks, "CANCELLED")
        eventually(lambda: len(heartbeats(server, stopped)) > 1, "another heartbeat")
        server.cancel(stopped)
        server.end(stopped, "CANCELLED")
    eventually(lambda: LAST_HEARTBEAT in heartbeats(server, stopped), "the word after the last one")
    # The server tells what it hears in order.
    last = without_process(server, "the last", RUNNING, ENOUGH)
    messages = {}
    subjects: Counter[str] = Counter()
    while not subjects["the last failed: enough"]:
        subject, _, body = told.get(timeout=PATIENCE).partition("\n\n")
        if subject.endswith(" late"):  # no end: on a busy machine a worker takes a run late
            continue
        subjects[subject] += 1
        messages[subject] = body
    begins = Counter(one.split(":")[0] for one in subjects.elements())
    assert begins == {
        "made completed": 1,
        "over budget failed": 2,
        "no key failed": 1,
        "wrong key failed": 1,
        "not there failed": 1,
        "unlucky failed": 2,
        "hopeless failed": 1,
        "came back completed": 1,
        "never begun cancelled": 1,
        "stopped cancelled": 1,
        "asks suspended": 1,
        "asks cancelled": 1,
        "the last failed": 1,
    }, subjects
    assert subjects["made completed: still; 1 credit"] == 1
    page = f"{server.api_url.removesuffix('/api')}/v2/runs/flow-run"
    links = [re.findall(rf"{page}/([\w-]+)", body) for body in messages.values()]
    runs = {*ended.values(), stopped, unlucky, asks, last}
    assert all(len(one) == 1 for one in links)
    assert {one for [one] in links} == runs
    [question] = [
        body for subject, body in messages.items() if subject.startswith("asks suspended")
    ]
    assert f"`rivya-flows resume run-{asks}`" in question
    [failed] = [body for subject, body in messages.items() if subject.startswith("unlucky")]
    assert f"`rivya-flows resume run-{unlucky} --regenerate still`; Retry, in the menu" in failed
    assert sum(place.bought(unlucky).values()) == 1
    [hopeless] = [body for subject, body in messages.items() if subject.startswith("hopeless")]
    assert f"rivya-flows receipt run-{ended['hopeless']}" in hopeless
    assert "https://x.example" not in hopeless

    assert heartbeats(server, stopped)[-1] == LAST_HEARTBEAT

    journal = Journal(f"sqlite:///{place.folder / 'journal.sqlite'}")
    unbegun = {
        one.row.run_id: one.unbegun or ""
        for one in listed_runs(journal.engine, labels={}, status="failed", limit=50)
    }
    journal.close()
    for name, word in (
        ("over budget", "budget"),
        (
            "no key",
            "this worker has no key of the service: RIVYA_API_KEY is not set, and Prefect has",
        ),
        ("wrong key", "api_key_invalid: The API key cannot be verified"),
        ("not there", "store"),
    ):
        assert "wrong_key" not in server.log(ended[name])
        assert word in unbegun[f"run-{ended[name]}"], unbegun


def test_a_run_that_an_answer_in_a_terminal_continues_tells_its_failure_once(
    server: Server, place: Place, told: queue.Queue[str]
) -> None:
    admin.set_faults(
        place.sandbox, "faults: [{on: generation, model: veo3-1-lite, do: fail, times: 1}]"
    )
    run = start(server, "asking", "answered")
    eventually(lambda: server.state(run)["name"] == "Suspended", "the question")
    command = [sys.executable, "-m", "rivya_flows.cli.main", "resume", f"run-{run}"]
    done = subprocess.run(
        [*command, "--answer", "hero=2"],
        cwd=place.folder,
        env=place.environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    server.end(run, "FAILED")
    without_process(server, "the last", RUNNING, ENOUGH)
    messages: list[str] = []
    while not messages or not messages[-1].startswith("the last failed"):
        message = told.get(timeout=PATIENCE)
        if not message.partition("\n")[0].endswith(" late"):  # on a busy machine
            messages.append(message)
    failures = [one for one in messages if f"run-{run} --regenerate film" in one]
    assert len(failures) == 1, messages
    assert len(messages) == 3, messages  # that it waits, that it failed, and the last
    assert failures[0].startswith("answered failed")
    assert "Retry, in the menu of the run, buys no failed job again" in failures[0]


def test_a_crash_that_nothing_follows_a_late_run_and_a_silent_waker_are_told_once(
    server: Server, told: queue.Queue[str]
) -> None:
    without_process(server, "came back", RUNNING, CRASHED, AGAIN, RUNNING)
    for number in range(3):
        without_process(server, f"late {number}", ("SCHEDULED", "Late", ""))
    without_process(server, "dead", RUNNING, CRASHED)
    sweep = without_process(server, "sweep", RUNNING, DONE, flow_name=WAKER)
    subjects: Counter[str] = Counter()
    first = {"late 0 late", "dead crashed: its process ended", "rivya-flows: the waker is silent"}
    while not first <= subjects.keys():
        subject, _, body = told.get(timeout=PATIENCE).partition("\n\n")
        subjects[subject] += 1
    last = without_process(server, "the last", RUNNING, ENOUGH)
    while last not in body:
        subject, _, body = told.get(timeout=PATIENCE).partition("\n\n")
        subjects[subject] += 1
    # On a busy machine, runs of other tests are late too.
    others = [subject for subject in subjects if subject.endswith(" late") and subject not in first]
    for subject in others:
        del subjects[subject]
    assert subjects == {**dict.fromkeys(first, 1), "the last failed: enough": 1}
    assert server.state(sweep)["type"] == "COMPLETED"


def test_a_deployed_spec_that_drifted_is_told_with_its_prices(told: queue.Queue[str]) -> None:
    drift = Drift("poster/daily", "sha256:1", before=Credits(10, 10), now=Credits(14, 14))
    asyncio.run(send_event(drift_event(uuid4(), drift, uuid4().hex)))
    subject, _, body = told.get(timeout=PATIENCE).partition("\n\n")
    assert subject == ("poster/daily dearer: 14 credits a run, 10 credits when it was deployed")
    assert "`rivya-flows check --deployed` says more" in body
