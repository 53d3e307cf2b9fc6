"""`runs` and `spend`: what is in the store, told to a person, a program and a spreadsheet."""

from __future__ import annotations

import csv
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rivya_flows.queue.events import JobEnded, RunEnded
from rivya_flows.settings import read_settings
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_flows.store.run_list import FailedStart, record_failed_start
from support.campaigns import a_set
from support.cli_calls import Terminal
from support.databases import BACKENDS, fresh_store
from support.journal_entries import NOON, frozen, intent

REAL = "https://rivya.ai"


@pytest.fixture
def _filled(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's store, on SQLite if a test does not say otherwise, with a run of each service, bought now, and a third one that failed."""
    backend = getattr(request, "param", "sqlite")
    monkeypatch.setenv("RIVYA_FLOWS_STORE", fresh_store(backend, tmp_path))
    with closing(Journal(read_settings().store_url)) as journal:
        for minute, (service, client, credits) in enumerate(
            [(REAL, "acme", 20), ("sandbox:1", "acme", 7), (REAL, "globex", 1)]
        ):
            run_id = f"run-{minute}"
            labels = {"service": service, "labels": {"client": client}}
            journal.create(frozen(run_id, minute).model_copy(update=labels), Path("/made") / run_id)
            fence = Leases(journal.engine).acquire(run_id).fence
            journal.append(run_id, intent(1), fence)
            done = JobEnded(
                step="stills", key="neon", n=1, status="succeeded", final_credits=credits
            )
            journal.append(run_id, done, fence)
            if minute == 2:
                journal.append(run_id, intent(2), fence)
            status = "failed" if minute == 2 else "completed"
            journal.append(run_id, RunEnded(status=status, at=NOON), fence)


@pytest.mark.usefixtures("_filled")
def test_runs_are_listed_with_a_next_step_for_those_that_did_not_complete(call: Terminal) -> None:
    said = call("runs")
    head, first, second, _, _, step = said.out.splitlines()
    assert head.split()[3:7] == ["status", "credits", "open", "service"]
    assert first.split()[:6] == ["run-2", "small", "client=globex", "failed", "2", "1"]
    assert second.split()[:6] == ["run-1", "small", "client=acme", "completed", "7", "sandbox"]
    assert step == "run-2 failed: resume with: rivya-flows resume run-2"


def test_a_run_is_listed_with_the_command_that_its_end_named(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVYA_FLOWS_STORE", fresh_store("sqlite", tmp_path))
    rehearsal = a_set(2, 9)
    rehearsal.service.failing = 1.0
    rehearsal.take_up()
    rehearsal.run()
    with closing(Journal(read_settings().store_url)) as journal:
        journal.create(rehearsal.start, tmp_path)
        fence = Leases(journal.engine).acquire("run-1").fence
        for event in rehearsal.journal[1:]:
            journal.append("run-1", event, fence)
    command = "rivya-flows resume run-1 --regenerate 'stills[0]' --regenerate 'stills[1]'"
    assert call("runs").out.splitlines()[-1] == (
        f"run-1 failed: resume, which buys 2 failed jobs again for 2 credits, with: {command}"
    )


@pytest.mark.usefixtures("_filled")
def test_a_flow_run_that_failed_before_it_began_is_listed_with_the_reason(call: Terminal) -> None:
    with closing(Journal(read_settings().store_url)) as journal:
        failed = FailedStart("run-3", "dear", NOON.timestamp() + 600, "over the budget")
        record_failed_start(journal.engine, failed)
    said = call("runs", "--status", "failed").out.splitlines()
    assert said[1].split()[:4] == ["run-3", "dear", "failed", "0"]
    hint = "solve that, then Retry in its menu in Prefect; its log: `rivya-flows prefect flow-run logs 3`"
    assert said[-2] == f"run-3 failed: it never began: over the budget; {hint}"
    refused = call("receipt", "run-3")
    assert (refused.code, refused.err) == (
        2,
        f"error: run-3 never began: over the budget\nhint: {hint}\n",
    )
    found = call("runs", "--status", "failed", "--json").document[0]
    assert (found["unbegun"], found["folder"]) == ("over the budget", None)


@pytest.mark.usefixtures("_filled")
@pytest.mark.parametrize("_filled", BACKENDS, indirect=True)
def test_runs_are_selected_and_printed_as_json(call: Terminal) -> None:
    assert call("runs", "--label", "client=globex", "--status", "failed", "--json").document == [
        {
            "run_id": "run-2",
            "spec": "small",
            "labels": {"client": "globex"},
            "status": "failed",
            "service": REAL,
            "wallet": None,
            "credits": {"spent": 2, "open": 1},
            "started_at": "2026-11-25T12:02:00+00:00",
            "folder": None,
            "unbegun": None,
            "waits": None,
        }
    ]
    assert "the newest 1; `--limit` shows more" in call("runs", "--limit", 1).out
    assert call("runs", "--since", "2999-01-01").out == "no runs that match\n"


@pytest.mark.usefixtures("_filled")
def test_credits_of_the_service_in_use_are_summed_up_and_others_named(
    call: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = call("spend", "--by", "client")
    assert "total: 7 credits for 1 purchase at the local sandbox (pretend credits)" in said.out
    assert (
        f"not counted: 22 credits for 3 purchases, 1 of them open (1 credit) at {REAL}" in said.out
    )
    monkeypatch.setenv("RIVYA_API_KEY", "rvya_sk_test")
    lines = [line.split() for line in call("spend", "--by", "client").out.splitlines()]
    assert lines[:3] == [
        ["client", "credits", "lost", "purchases", "open"],
        ["acme", "20", "1"],
        ["globex", "2", "2", "1"],
    ]
    said = call("spend", "--by", "clinet", "--service", "sandbox")
    assert said.err == "note: none of these runs has a label 'clinet'\n"


@pytest.mark.usefixtures("_filled")
def test_sums_are_printed_as_json_and_csv_and_drawn(call: Terminal, tmp_path: Path) -> None:
    picture = tmp_path / "spent.svg"
    said = call("spend", "--by", "month,client", "--service", REAL, "--json", "--plot", picture)
    month, globex = said.document["rows"][0]["of"]["month"], said.document["rows"][1]
    of = {"month": month, "client": "globex"}
    assert globex == {"of": of, "credits": 2, "lost": 0, "held": 1, "purchases": 2, "open": 1}
    assert said.document["elsewhere"]["sandbox"]["credits"] == 7
    assert ": 20</title>" in picture.read_text("utf-8")
    said = call("spend", "--by", "client", "--service", REAL, "--csv")
    rows = list(csv.DictReader(said.out.splitlines()))
    assert [(row["client"], row["credits"]) for row in rows] == [("acme", "20"), ("globex", "2")]


@pytest.mark.usefixtures("_filled")
def test_a_date_counts_whole_as_an_end(call: Terminal) -> None:
    def bought(*options: str) -> int:
        document = call("spend", "--service", REAL, "--json", *options).document
        return int(document["total"]["purchases"])

    with closing(Journal(read_settings().store_url)) as journal:
        [*_, last] = journal.entries("run-2")
    today = f"{datetime.fromtimestamp(last.at, UTC):%Y-%m-%d}"  # midnight may come meanwhile
    assert bought("--since", today, "--until", today) == 3
    assert bought("--until", f"{today}T00:00") == 0
    assert bought("--since", "1h") == 3
