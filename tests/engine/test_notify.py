"""`notify` in whole runs: what a backend hears, and what it does to the run."""

from __future__ import annotations

import json

import pytest

from rivya_client.webhook_signatures import sign_webhook
from rivya_flows.callbacks import CALLBACK_SCHEME
from support.engine_runs import Studio
from support.sandbox_calls import receiving

SPEC = """
version: 1
name: told
inputs:
  hook: {type: string}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: a lamp}
on_failure:
  alarm:
    uses: notify
    with: {url: "${{ inputs.hook }}/alarm", body: {why: "${{ steps.still.status }}"}}
finally:
  tell:
    uses: notify
    retry: {attempts: 1}
    with: {url: "${{ inputs.hook }}/end", secret: env:HOOK_SECRET, body: [1, two]}
outputs:
  picture: ${{ steps.still.asset }}
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "whsec_of_the_backend")
    monkeypatch.setenv("RIVYA_FLOWS_ALLOW_PRIVATE_NOTIFY", "true")


def test_a_backend_hears_of_the_end_with_outputs_and_credits(studio: Studio) -> None:
    with receiving() as backend:
        receipt = studio.started(SPEC, inputs={"hook": backend.url})
    assert receipt["status"] == "completed"
    [got] = backend.received
    told = got.event
    assert got.path == "/end"
    timestamp = got.headers[CALLBACK_SCHEME.timestamp_header.lower()]
    signature = sign_webhook(got.body, "whsec_of_the_backend", timestamp)
    assert got.headers[CALLBACK_SCHEME.signature_header.lower()] == f"v1={signature}"
    assert (told["run_id"], told["name"], told["status"]) == ("run-1", "told", "completed")
    assert told["credits"] == {"spent": 1, "saved": 0, "budget": None}
    picture = told["outputs"]["picture"]
    assert picture["url"].startswith("http")
    assert "path" not in picture
    assert told["body"] == [1, "two"]
    assert "whsec_of_the_backend" not in json.dumps(receipt)


def test_a_failed_run_is_told_by_on_failure_and_at_the_end(studio: Studio) -> None:
    studio.order("on: generation, do: fail")
    with receiving() as backend:
        assert studio.started(SPEC, inputs={"hook": backend.url})["status"] == "failed"
    alarm, end = backend.received
    assert (alarm.path, end.path) == ("/alarm", "/end")
    assert (alarm.event["status"], alarm.event["body"]) == ("failed", {"why": "failed"})
    assert (end.event["status"], end.event["outputs"]) == ("failed", {"picture": None})


@pytest.mark.parametrize(
    ("answer", "unset", "calls", "words"),
    [
        (404, None, 1, "answered 404"),
        (200, "RIVYA_FLOWS_ALLOW_PRIVATE_NOTIFY", 0, "not public"),
        (200, "HOOK_SECRET", 0, "the secret 'env:HOOK_SECRET' is not set"),
    ],
    ids=["it refuses", "this machine is not called without the setting", "no secret"],
)
def test_a_backend_that_cannot_be_told_fails_its_step_and_not_the_paid_ones(
    studio: Studio,
    monkeypatch: pytest.MonkeyPatch,
    answer: int,
    unset: str | None,
    calls: int,
    words: str,
) -> None:
    if unset is not None:
        monkeypatch.delenv(unset)
    with receiving() as backend:
        backend.statuses = [answer]
        receipt = studio.started(SPEC, inputs={"hook": backend.url})
    assert (receipt["status"], len(backend.received)) == ("failed", calls)
    found = {step["id"]: (step["status"], step["credits"]) for step in receipt["steps"]}
    assert found == {"still": ("completed", 1), "alarm": ("skipped", 0), "tell": ("failed", 0)}
    assert words in receipt["steps"][-1]["items"][0]["reason"]
