"""Runs as a user names them."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from rivya_flows.errors import UsageError
from rivya_flows.queue.events import RunEnded
from rivya_flows.runs.lookup import find_run, open_journal, unknown_names
from rivya_flows.settings import read_settings
from rivya_flows.store.leases import Leases
from support.engine_runs import stills
from support.naive_service import NOON, frozen

SPEC = stills(1)


def test_a_run_is_found_by_its_id_and_by_a_folder_that_was_moved_or_has_its_receipt(
    tmp_path: Path,
) -> None:
    start = frozen(SPEC)
    began, moved, other = tmp_path / "batch" / "001-lamp", tmp_path / start.run_id, tmp_path / "b"
    for folder in (began, moved, other):
        folder.mkdir(parents=True)
    with open_journal(read_settings()) as journal:
        journal.create(start, began)
        (other / "receipt.json").write_text(json.dumps({"run_id": start.run_id}))
        for name in (start.run_id, str(began), str(moved), str(other)):
            assert find_run(journal, name).run_id == start.run_id
        (other / "receipt.json").write_text("[]")
        with pytest.raises(UsageError):
            find_run(journal, str(other))
        (other / "receipt.json").unlink()
        os.mkfifo(other / "receipt.json")  # nobody ever writes into it
        with pytest.raises(UsageError):
            find_run(journal, str(other))


def test_last_is_the_run_in_which_something_happened_last(tmp_path: Path) -> None:
    with open_journal(read_settings()) as journal:
        with pytest.raises(UsageError, match="no run 'last'"):
            find_run(journal, "last")
        for hour in (2, 3, 1):
            at = NOON + timedelta(hours=hour)
            named = {"run_id": f"run-{hour}", "started_at": at}
            start = frozen(SPEC).model_copy(update=named)
            journal.create(start, tmp_path / start.run_id)
        assert find_run(journal, "last").run_id == "run-1"  # written last, though begun first
        lease = Leases(journal.engine).acquire("run-2")
        journal.append("run-2", RunEnded(status="cancelled", at=NOON), lease.fence)
        assert find_run(journal, "last").run_id == "run-2"


def test_an_unknown_run_is_an_error_that_names_the_newest(tmp_path: Path) -> None:
    start = frozen(SPEC)
    with open_journal(read_settings()) as journal:
        with pytest.raises(UsageError, match="no run 'run-x'") as caught:
            find_run(journal, "run-x")
        assert "it has no runs yet; RIVYA_FLOWS_STORE" in (caught.value.hint or "")
        journal.create(start, tmp_path)
        with pytest.raises(UsageError) as caught:
            find_run(journal, "run-x")
        assert caught.value.hint == f"the newest are: {start.run_id}"


def test_the_beginning_of_one_id_names_a_run_that_is_only_read(tmp_path: Path) -> None:
    with open_journal(read_settings()) as journal:
        for hour, run_id in enumerate(("run-20261128-a1", "run-20261128-b2", "run-20261129-a1")):
            update = {"run_id": run_id, "started_at": NOON + timedelta(hours=hour)}
            journal.create(frozen(SPEC).model_copy(update=update), tmp_path / run_id)
        assert find_run(journal, "run-20261129", only_read=True).run_id == "run-20261129-a1"
        hints = {
            ("run-20261129", False): "did you mean 'run-20261129-a1'?",
            ("run-20261128", True): "it is the beginning of: run-20261128-b2, run-20261128-a1",
            ("run-20261128-b3", True): "did you mean 'run-20261128-b2'?",
        }
        for (name, only_read), hint in hints.items():
            with pytest.raises(UsageError) as caught:
                find_run(journal, name, only_read=only_read)
            assert caught.value.hint == hint


def test_what_no_run_has_is_told_with_what_may_have_been_meant(tmp_path: Path) -> None:
    with open_journal(read_settings()) as journal:
        update = {"plan": {"name": "launch"}, "labels": {"client": "acme"}}
        journal.create(frozen(SPEC).model_copy(update=update), tmp_path)
        assert list(unknown_names(journal, {"client": "acme"}, "launch")) == []
        told = list(unknown_names(journal, {"client": "acne"}, "lunch"))
    assert [one.partition(" there")[0] for one in told] == [
        "no run has the spec 'lunch'; did you mean 'launch'?",
        "no run has the label 'client=acne'; did you mean 'client=acme'?",
    ]
