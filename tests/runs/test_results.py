"""Receipts and plans of the Python API."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from rivya_client.catalogue.prices import Price
from rivya_flows.assets import Asset
from rivya_flows.errors import UsageError
from rivya_flows.estimate.estimate import Estimate, ItemEstimate, StepEstimate
from rivya_flows.receipt.report import RunReport, write_report
from rivya_flows.runs.lookup import find_run, open_journal
from rivya_flows.runs.results import plan_of, read_report, receipt_of
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, Studio, customer, stills
from support.picks import SPEC


@pytest.fixture
def studio(shared_sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(shared_sandbox, tmp_path / "studio")


def reported(studio: Studio) -> RunReport:
    with studio.context(Bomb()) as home:
        return write_report(home.journal.entries("run-1"), studio.folder / "out", home.assets)


def test_media_of_the_outputs_are_assets_whose_path_is_the_copy_and_none_where_they_are_gone(
    studio: Studio,
) -> None:
    studio.started(stills(2))
    receipt = receipt_of(reported(studio))
    assert (receipt.run_id, receipt.status, receipt.credits) == ("run-1", "completed", 2)
    pictures = receipt.outputs["pictures"]
    assert all(isinstance(one, Asset) for one in pictures)
    assert [one.path.name for one in pictures] == ["pictures-0.png", "pictures-1.png"]
    assert all(one.path.is_relative_to(receipt.folder) for one in pictures)
    assert [one.size_bytes for one in pictures] == [one.path.stat().st_size for one in pictures]
    for medium in (*receipt.files, *(studio.settings.data / "assets").rglob("*")):
        if medium.is_file():
            medium.unlink()
    gone = reported(studio).receipt.model_dump(mode="json")["outputs"]["pictures"]
    assert [one["path"] for one in gone] == [None, None]


def test_a_suspended_run_has_its_questions(studio: Studio) -> None:
    studio.started(SPEC.replace("on_timeout: fail", "on_timeout: first"))
    receipt = receipt_of(reported(studio))
    assert (receipt.status, receipt.waiting_for) == ("suspended", {"hero": ("studio", "neon")})


def test_a_recorded_run_names_its_files_in_the_store_and_copies_them_where_they_are_wanted(
    studio: Studio, tmp_path: Path
) -> None:
    studio.started(stills(2))
    made, found = receipt_of(reported(studio)), receipt_of(read_report(studio.settings, "run-1"))
    assert (found.folder, found.status, found.credits) == (None, "completed", 2)
    assert [one.read_bytes() for one in found.files] == [one.read_bytes() for one in made.files]
    copied = receipt_of(read_report(studio.settings, "run-1", tmp_path / "out"))
    assert copied.folder == tmp_path / "out" / "run-1"
    assert [one.name for one in copied.files] == ["pictures-0.png", "pictures-1.png"]


async def test_a_flow_run_names_its_run_and_one_that_called_several_asks_which(
    studio: Studio,
) -> None:
    settings, flow_run = studio.settings, uuid.uuid4()
    await studio.start(stills(1), f"run-{flow_run}-1")
    assert receipt_of(read_report(settings, str(flow_run))).run_id == f"run-{flow_run}-1"
    with open_journal(settings) as journal:  # wherever a run is named
        assert find_run(journal, str(flow_run)).run_id == f"run-{flow_run}-1"
    await studio.start(stills(1), f"run-{flow_run}-2")
    assert receipt_of(read_report(settings, f"run-{flow_run}-1")).status == "running"
    with pytest.raises(UsageError, match="called 2 campaigns") as caught:
        read_report(settings, str(flow_run))
    assert str(caught.value.hint) == f"name one of: run-{flow_run}-1, run-{flow_run}-2"
    with pytest.raises(UsageError, match="there is no run"):
        read_report(settings, str(uuid.uuid4()))


def test_a_plan_has_one_item_for_each_purchase_and_the_steps_that_are_skipped() -> None:
    still = ItemEstimate("neon", "z-image", Price(1, 1, "fixed"))
    steps = (
        StepEstimate("stills", "generate", (still,), None),
        StepEstimate("film", "generate", (), "its `if` is false"),
    )
    plan = plan_of(Estimate("launch", steps, 1, 1, spent=0, budget=None, balance=5))
    [item] = plan.items
    assert (item.step, item.key, item.model) == ("stills", "neon", "z-image")
    assert (item.min, item.max) == (1, 1)
    assert plan.skipped == {"film": "its `if` is false"}
    assert (plan.min, plan.max, plan.balance, plan.verdict) == (1, 1, 5, "ok")
