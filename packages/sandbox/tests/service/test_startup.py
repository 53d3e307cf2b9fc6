"""A server and its folder: lock, port, key, signals, recovery from a kill, the log of requests."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from rivya_sandbox.service import admin
from rivya_sandbox.service.database import _SCHEMAS, FILE_NAME, Database
from rivya_sandbox.service.errors import SandboxError
from rivya_sandbox.service.options import Options
from rivya_sandbox.service.serve import running, serve
from rivya_sandbox.service.startup import LOCK, RECORD, SECRET_FILE, Sandbox, acquire
from support.sandbox_calls import PATIENCE, calling, ended, order, process


def test_a_folder_has_one_server_whose_port_is_taken_first_and_again_if_it_is_free(
    tmp_path: Path,
) -> None:
    options = Options(data=tmp_path)
    with acquire(options) as site, socket.socket() as other:
        first, (_, port) = site.sandbox.base_url, site.listener.getsockname()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(site.listener.getsockname())
        said = r"another sandbox serves this folder \(process \d+\)"
        with pytest.raises(SandboxError, match=said), acquire(options):
            pass
    with acquire(options) as site:
        assert site.sandbox.base_url == first
    with socket.create_server(("127.0.0.1", port)):
        said = f"cannot listen on 127.0.0.1 port {port}"
        with pytest.raises(SandboxError, match=said), acquire(Options(data=tmp_path, port=port)):
            pass
        with acquire(options) as site:
            assert site.listener.getsockname()[1] != port


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"base_url": null}', '{"base_url": "x:y:z"}'])
def test_a_broken_record_of_the_last_port_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / RECORD).write_text(text)
    with acquire(Options(data=tmp_path)) as site:
        assert json.loads((tmp_path / RECORD).read_text()) == {"base_url": site.sandbox.base_url}


def test_the_secret_is_kept_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    with acquire(Options(data=tmp_path)) as site:
        secret = site.secret
    with acquire(Options(data=tmp_path)) as site:
        assert site.secret == secret
        assert (tmp_path / LOCK).read_text().endswith(f" {site.sandbox.base_url}\n")
    assert (tmp_path / SECRET_FILE).stat().st_mode & 0o777 == 0o600


def test_jobs_of_a_killed_process_are_finished_by_the_next_and_charged_once(tmp_path: Path) -> None:
    # No job ends before the kill; for the next process it is an hour later.
    with process(tmp_path, "--time-scale", "100") as (sandbox, child), calling(sandbox) as client:
        tasks = [order(client, key=str(number)).json()["id"] for number in range(5)]
        child.send_signal(signal.SIGKILL)
        child.wait()
    before = admin.ledger(tmp_path)
    assert len(before["generations"]) == 5
    assert {job["final_credits"] for job in before["generations"]} == {0}
    later = running(tmp_path, clock=lambda: time.time() + 3600)
    with later as sandbox, calling(sandbox) as client:
        assert order(client, key="0").json()["id"] == tasks[0]
        jobs = [ended(client, task_id) for task_id in tasks]
        assert [(job["status"], job["final_credits"]) for job in jobs] == [("succeeded", 1)] * 5
    ledger = admin.ledger(tmp_path)
    assert ledger["balance"] == sum(movement["amount"] for movement in ledger["movements"]) == 995
    settled = [one["task_id"] for one in ledger["movements"] if one["kind"] == "settle"]
    assert sorted(settled) == sorted(tasks)


def test_an_interrupt_ends_it_cleanly_in_the_middle_of_a_job(tmp_path: Path) -> None:
    slow = ("--credits", "7", "--time-scale", "100")
    with process(tmp_path, *slow) as (sandbox, child), calling(sandbox) as client:
        order(client)
        assert admin.ledger(tmp_path)["balance"] == 6
        child.send_signal(signal.SIGINT)
        assert child.wait(PATIENCE) == 0
    assert [job["status"] for job in admin.ledger(tmp_path)["generations"]] == ["queued"]


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


def test_each_answer_is_a_line_of_a_log_that_is_complete_at_the_end(tmp_path: Path) -> None:
    log = tmp_path / "requests.log"
    began = time.time()
    options = ("--time-scale", "0", "--request-log", str(log))
    with process(tmp_path / "data", *options) as (sandbox, child), calling(sandbox) as client:
        job = ended(client, order(client).json()["id"])
        client.get("/no/such?secret=1")
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE) == 0
    lines = [line.split(" ") for line in log.read_text().splitlines()]
    assert lines[0][1:] == ["202", "POST", "/api/v1/generations"]
    assert lines[1][1:] == ["200", "GET", f"/api/v1/generations/{job['id']}"]
    assert lines[-1][1:] == ["404", "GET", "/no/such"]
    times = [float(line[0]) for line in lines]
    assert began <= times[0] <= times[-1] <= time.time()
    assert times == sorted(times)


def test_a_log_that_cannot_be_written_is_an_error_at_the_start(tmp_path: Path) -> None:
    options = Options(data=tmp_path / "data", port=0, request_log=tmp_path / "none" / "a.log")
    with pytest.raises(SandboxError, match="--request-log"):
        serve(options, as_json=True)


INSERT = "INSERT INTO server VALUES ('a', '1')"


def test_an_exception_rolls_a_transaction_back(tmp_path: Path) -> None:
    with closing(Database(tmp_path)) as database:
        with pytest.raises(sqlite3.IntegrityError), database.transaction() as transaction:
            transaction.executemany(INSERT, [()] * 2)
        assert database.row("SELECT * FROM server WHERE name = 'a'") is None
        with database.transaction() as transaction:
            transaction.execute(INSERT)
        assert database.row("SELECT * FROM server WHERE name = 'a'") is not None


def test_a_folder_is_created_for_its_owner_only(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "new" / "data")):
        assert (tmp_path / "new" / "data").stat().st_mode & 0o777 == 0o700


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    with closing(Database(tmp_path)):
        pass
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as raw:
        raw.execute("PRAGMA user_version = 999")
    with pytest.raises(SandboxError, match="written by a newer version"):
        Database(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (999,)


def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"something else" * 100)
    with pytest.raises(SandboxError, match="cannot be used as data folder"):
        Database(tmp_path)


def test_a_closed_database_can_be_closed_again_and_not_used(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.close()
    database.close()
    with pytest.raises(sqlite3.ProgrammingError):
        database.rows("SELECT * FROM server")


def test_a_job_that_an_older_version_let_fail_still_fails(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as raw:
        for statement in (one for schema in _SCHEMAS[:2] for one in schema):
            raw.execute(statement)
        raw.execute("INSERT INTO accounts VALUES ('a', 'default', 1, 0)")
        for task_id, fails in (("task_1", 1), ("task_2", 0)):
            raw.execute(
                "INSERT INTO generations (id, account_id, model, category, status, prompt, params,"
                " file_ids, reserved_credits, fails, created_at, updated_at, starts_at)"
                " VALUES (?, 'a', 'z-image', 'image', 'queued', '', '{}', '[]', 1, ?, 1, 1, 1)",
                (task_id, fails),
            )
        raw.execute("PRAGMA user_version = 2")
        raw.commit()
    with closing(Database(tmp_path)) as database:
        rows = database.rows("SELECT failure FROM generations ORDER BY id")
    assert [row["failure"] for row in rows] == ["generation_failed", None]


def test_operator_errors_name_the_wrong_value(sandbox: Sandbox, tmp_path: Path) -> None:
    wrong: list[Callable[[], object]] = [
        lambda: admin.create_key(sandbox.data, scopes=["everything"]),
        lambda: admin.revoke_key(sandbox.data, "key_unknown"),
        lambda: admin.list_keys(sandbox.data, account="nobody"),
        lambda: admin.add_credits(sandbox.data, 0),
        lambda: admin.ledger(sandbox.data, account="nobody"),
        lambda: admin.ledger(tmp_path / "nothing"),
        lambda: admin.set_faults(sandbox.data, "faults: [{on: generation, do: explode}]"),
        lambda: admin.set_faults(sandbox.data, "faults: [{on: generation, do: drop_before}]"),
        lambda: admin.set_faults(sandbox.data, "{"),
    ]
    for act in wrong:
        with pytest.raises(SandboxError):
            act()
    assert not (tmp_path / "nothing").exists()
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(SandboxError, match="cannot be used"), contextlib.ExitStack() as stack:
        stack.enter_context(running(blocked))
