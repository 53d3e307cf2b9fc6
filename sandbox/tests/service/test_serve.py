"""The sandbox as a process: its ready line, its ends, and what a kill leaves behind."""

from __future__ import annotations

import signal
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

from rivya_flows.app.local_sandbox import SandboxShare, serving
from rivya_sandbox.service import admin
from rivya_sandbox.service.options import Options
from rivya_sandbox.service.serve import main, running
from rivya_sandbox.service.startup import occupied
from support.sandbox_calls import calling, ended, order, process


def test_jobs_of_a_killed_process_are_finished_by_the_next_and_charged_once(
    tmp_path: Path,
) -> None:
    # Slow enough to be killed in the middle, fast enough for a test.
    with process(tmp_path, "--time-scale", "0.1") as (sandbox, child), calling(sandbox) as client:
        tasks = [order(client, key=str(number)).json()["id"] for number in range(5)]
        child.send_signal(signal.SIGKILL)
        child.wait()
    before = admin.ledger(tmp_path)
    assert len(before["generations"]) == 5
    assert {job["final_credits"] for job in before["generations"]} == {0}
    with running(tmp_path) as sandbox, calling(sandbox) as client:
        assert order(client, key="0").json()["id"] == tasks[0]
        jobs = [ended(client, task_id) for task_id in tasks]
        assert [(job["status"], job["final_credits"]) for job in jobs] == [("succeeded", 1)] * 5
    ledger = admin.ledger(tmp_path)
    assert ledger["balance"] == sum(movement["amount"] for movement in ledger["movements"]) == 995
    settled = [one["task_id"] for one in ledger["movements"] if one["kind"] == "settle"]
    assert sorted(settled) == sorted(tasks)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_in_the_middle_of_a_job(
    tmp_path: Path, number: signal.Signals
) -> None:
    with process(tmp_path, "--credits", "7") as (sandbox, child), calling(sandbox) as client:
        order(client)
        assert admin.ledger(tmp_path)["balance"] == 6
        child.send_signal(number)
        assert child.wait(20) == 0
    assert [job["status"] for job in admin.ledger(tmp_path)["generations"]] == ["queued"]


def test_who_takes_the_port_of_a_sandbox_that_ended_is_told_nothing(tmp_path: Path) -> None:
    heard: list[str] = []

    class Squatter(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with running(tmp_path) as sandbox:
        assert serving(tmp_path) == sandbox.base_url
    port = urlsplit(sandbox.base_url).port
    assert port is not None
    with ThreadingHTTPServer(("127.0.0.1", port), Squatter) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        assert serving(tmp_path) is None
        share = SandboxShare(tmp_path)  # as `run` takes it
        try:
            joined = share.join()
        finally:
            share.leave()
        server.shutdown()
    assert joined.base_url != sandbox.base_url
    assert set(heard) == {"/api/v1/models"}  # whether somebody answers


def test_its_port_is_taken_from_the_first_moment(tmp_path: Path) -> None:
    with occupied(Options(data=tmp_path)) as site, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(site.listener.getsockname())


def test_keys_credits_and_ledger_work_while_it_serves(tmp_path: Path) -> None:
    with running(tmp_path) as sandbox:
        key = admin.create_key(tmp_path)
        admin.add_credits(tmp_path, 11)
        with calling(sandbox, key["api_key"]) as client:
            assert client.get("/api/v1/credits").json() == {"current_credits": 1011}
            job = order(client, key="k", client_request_id="r").json()
            ended(client, job["id"])
    assert admin.ledger(tmp_path)["generations"] == [
        {
            "id": job["id"],
            "model": "z-image",
            "status": "succeeded",
            "idempotency_key": "k",
            "reserved_credits": 1,
            "final_credits": 1,
            "client_request_id": "r",
        }
    ]


def test_each_start_makes_a_key_and_the_earlier_ones_stay_good(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        pass
    with running(tmp_path) as second, calling(second, first.api_key) as client:
        assert first.api_key != second.api_key
        assert client.get("/api/v1/credits").status_code == 200


def test_what_keeps_it_from_starting_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "faults.yaml").write_text("faults: [{on: webhooks, do: fail}]")
    new = ["--data", str(tmp_path / "new")]
    with running(tmp_path / "served"), socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        attempts = {
            "another sandbox serves": ["--data", str(tmp_path / "served")],
            f"port {port}": [*new, "--port", port],
            "cannot be used": ["--data", str(tmp_path / "file" / "below")],
            "cannot listen": [*new, "--host", "256.0.0.1"],
            "missing.yaml": [*new, "--faults", str(tmp_path / "missing.yaml")],
            "faults.0.on": [*new, "--faults", str(tmp_path / "faults.yaml")],
        }
        for said, argv in attempts.items():
            assert main([*argv, "--json"]) == 2
            shown = capsys.readouterr()
            assert shown.out == ""
            assert said in shown.err
            assert shown.err.count("\n") == 1
        assert main([]) == 2
