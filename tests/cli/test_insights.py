"""`insights`: told to a person, a program and a spreadsheet, from the journals of runs that were killed or removed."""

from __future__ import annotations

import csv
import json
from contextlib import closing
from pathlib import Path

import pytest

from rivya_flows.queue.events import PurchaseIntended
from rivya_flows.settings import read_settings
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from support.cli_calls import Terminal
from support.databases import BACKENDS, fresh_store
from support.judged_picks import Judging, judged_spec
from support.naive_service import played

RUNS = 6


@pytest.fixture
def _filled(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's store with runs in which a judge and a person looked at the same three stills, and none wrote its outcomes."""
    backend = getattr(request, "param", "sqlite")
    monkeypatch.setenv("RIVYA_FLOWS_STORE", fresh_store(backend, tmp_path))
    with closing(Journal(read_settings().store_url)) as journal:
        for number in range(RUNS):
            rehearsal = played(judged_spec("human"), Judging({"neon": 9}))
            rehearsal.answer("hero", "neon" if number else "noir")
            rehearsal.run()
            labels = {"service": "sandbox:1", "labels": {"client": "=acme"}}
            labels |= {"run_id": f"run-{number}", "plan": {"name": "launch"}}
            journal.create(rehearsal.start.model_copy(update=labels), tmp_path / "none")
            lease = Leases(journal.engine).acquire(f"run-{number}")
            for event in rehearsal.journal[1:]:
                if isinstance(event, PurchaseIntended):
                    model = json.loads(event.body)["model"]
                    event = event.model_copy(update={"model": model})
                journal.append(f"run-{number}", event, lease.fence)
            Leases(journal.engine).release(lease)


@pytest.mark.usefixtures("_filled")
@pytest.mark.parametrize("_filled", BACKENDS, indirect=True)
def test_shares_have_their_interval_and_few_have_none(call: Terminal) -> None:
    said = call("insights")
    assert [line.rstrip() for line in said.out.splitlines()] == [
        "model                  credits  accepted  each  offered     picked  refused",
        "nano-banana                 18         6     3                   -        -",
        "z-image                     18         6     3       18  33% 18-53  0% 0-13",
        "gemini-2-5-flash-chat        6               -                   -        -",
        "",
        "model                  ended   failed     lost  credits lost  judged     agreed",
        "nano-banana                6  0% 0-31  0% 0-31                                -",
        "z-image                   18  0% 0-13  0% 0-13                                -",
        "gemini-2-5-flash-chat      6  0% 0-31  0% 0-31                     6  83% 50-96",
        "",
        "total: 42 credits for 30 purchases at the local sandbox (pretend credits), 3.5 for one that was accepted",
    ]
    assert max(map(len, said.out.splitlines()[:-1])) <= 80
    assert call("insights", "--until", "2026-01-01").out.startswith("total: 0 credits")
    assert "not counted: 42 credits" in call("insights", "--service", "https://rivya.ai").out


@pytest.mark.usefixtures("_filled")
def test_by_label_the_text_of_a_person_is_no_formula(call: Terminal) -> None:
    [row] = csv.DictReader(call("insights", "--by", "label:client", "--csv").out.splitlines())
    assert (row["client"], row["credits"], row["each"]) == ("'=acme", "42", "3.5")
    assert (row["picked_share"], row["agreed_low"]) == ("0.3333", "0.4976")
    [row] = call("insights", "--by", "label:clinet", "--json").document["rows"]
    assert (row["of"], row["credits"]) == ("-", 42)
    assert row["agreed"] == {"count": 5, "n": 6, "share": 0.8333, "low": 0.4976, "high": 0.9619}


@pytest.mark.usefixtures("_filled")
def test_a_removed_run_counts_on_though_nothing_had_read_its_journal(call: Terminal) -> None:
    assert call("store", "remove", "run-0", "--yes").code == 0
    [row] = call("insights", "--by", "label:client", "--json").document["rows"]
    assert (row["credits"], row["judged"], row["offered"]) == (42, 6, 18)


@pytest.mark.usefixtures("_filled")
def test_a_journal_that_cannot_be_read_counts_with_its_credits_alone(call: Terminal) -> None:
    with closing(Journal(read_settings().store_url)) as journal, journal.engine.begin() as writing:
        writing.exec_driver_sql("UPDATE events SET body = '{}' WHERE run_id = 'run-0' AND seq = 1")
    said = call("insights", "--by", "label:client", "--json").document
    [row] = said["rows"]
    assert (row["credits"], row["offered"], said["unread"]) == (42, 15, ["run-0"])
    assert "note: the journal of run-0 cannot be read" in call("insights").err


def test_what_is_not_known_is_refused_with_what_is(call: Terminal) -> None:
    said = call("insights", "--by", "step")
    assert (said.code, said.err.splitlines()[1]) == (
        2,
        "hint: write --by model, brand, prompt or label:NAME",
    )
