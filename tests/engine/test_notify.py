"""`notify` in whole runs: what a backend hears, and what it does to the run."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rivya_client.webhook_signatures import sign_webhook
from rivya_flows.callbacks import CALLBACK_SCHEME
from rivya_sandbox.service.admin import set_faults
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Studio, studio_at

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


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setenv("HOOK_SECRET", "whsec_of_the_backend")
    monkeypatch.setenv("RIVYA_FLOWS_ALLOW_PRIVATE_NOTIFY", "true")
    return studio_at(tmp_path / "studio", sandbox.base_url, sandbox.api_key)


@contextmanager
def backend(status: int = 200) -> Iterator[tuple[str, list[tuple[str, Any, bytes]]]]:
    """A receiver on this machine: its address, and what it got as path, headers and body."""
    got: list[tuple[str, Any, bytes]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers, body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_backend_hears_of_the_end_with_outputs_and_credits(studio: Studio) -> None:
    with backend() as (url, got):
        state = studio.run(SPEC, inputs={"hook": url})
    assert state.ended == "completed"
    [(path, headers, body)] = got
    told = json.loads(body)
    assert path == "/end"
    timestamp = headers[CALLBACK_SCHEME.timestamp_header]
    signature = sign_webhook(body, "whsec_of_the_backend", timestamp)
    assert headers[CALLBACK_SCHEME.signature_header] == f"v1={signature}"
    assert (told["run_id"], told["name"], told["status"]) == ("run-1", "told", "completed")
    assert told["credits"] == {"spent": 1, "saved": 0, "budget": None}
    picture = told["outputs"]["picture"]
    assert picture["url"].startswith("http")
    assert "path" not in picture
    assert told["body"] == [1, "two"]
    assert "whsec_of_the_backend" not in json.dumps(studio.receipt("run-1"))


def test_a_failed_run_is_told_by_on_failure_and_at_the_end(
    studio: Studio, sandbox: Sandbox
) -> None:
    set_faults(sandbox.data, "faults:\n  - {on: generation, do: fail}\n")
    with backend() as (url, got):
        state = studio.run(SPEC, inputs={"hook": url})
    assert state.ended == "failed"
    told = [(path, json.loads(body)) for path, _, body in got]
    assert [(path, body["status"]) for path, body in told] == [
        ("/alarm", "failed"),
        ("/end", "failed"),
    ]
    assert told[0][1]["body"] == {"why": "failed"}
    assert told[1][1]["outputs"] == {"picture": None}


def test_a_backend_that_refuses_fails_its_step_and_not_the_paid_ones(studio: Studio) -> None:
    with backend(status=404) as (url, got):
        state = studio.run(SPEC, inputs={"hook": url})
    assert (state.ended, len(got)) == ("failed", 1)
    receipt = studio.receipt("run-1")
    found = {step["id"]: (step["status"], step["credits"]) for step in receipt["steps"]}
    assert found == {"still": ("completed", 1), "alarm": ("skipped", 0), "tell": ("failed", 0)}
    assert "answered 404" in receipt["steps"][-1]["items"][0]["reason"]


def test_without_the_setting_this_machine_is_not_called(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RIVYA_FLOWS_ALLOW_PRIVATE_NOTIFY")
    with backend() as (url, got):
        state = studio.run(SPEC, inputs={"hook": url})
    assert (state.ended, got) == ("failed", [])


def test_a_secret_that_is_not_set_is_named_in_the_failure(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOOK_SECRET")
    with backend() as (url, got):
        studio.run(SPEC, inputs={"hook": url})
    reason = studio.receipt("run-1")["steps"][-1]["items"][0]["reason"]
    assert (got, reason) == ([], "the secret 'env:HOOK_SECRET' is not set")
