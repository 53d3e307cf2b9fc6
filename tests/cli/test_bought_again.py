"""Why something is bought again, as `plan`, `fork --plan` and `receipt` say it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import update

from rivya_flows.settings import read_settings
from rivya_flows.store.database import write
from rivya_flows.store.journal import Journal
from rivya_flows.store.tables import EVENTS
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, buy_from
from support.engine_runs import order
from support.finished_runs import finish

pytestmark = pytest.mark.slow

SPEC = """
version: 1
name: lamps
cache: spec
inputs: {look: {type: string, default: warm}}
steps:
  stills:
    uses: generate
    foreach: [a, b, c]
    with: {model: z-image, prompt: "a lamp, ${{ item }}"}
  film:
    uses: generate
    with:
      model: nano-banana
      prompt: "a film, ${{ inputs.look }}"
      references: ["${{ steps.stills.items[0].asset }}"]
outputs: {stills: "${{ steps.stills.assets }}"}
"""
EDITED = SPEC.replace("a lamp, ${{ item }}", "a lantern, ${{ item }}")
STILLS = (
    "stills[a] and 2 more are bought again: its prompt differs from run-1"
    ' ("a lamp, a" → "a lantern, a")'
)
FILM = "film is bought again: references[0] is an image that run-1 did not have, from stills"


@pytest.fixture(autouse=True)
def first(shared_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """`run-1` is in the store of the commands, and its service is theirs."""
    buy_from(shared_sandbox, monkeypatch)
    finish(shared_sandbox, SPEC, "run-1")


def planned(call: Terminal, text: str, folder: Path) -> list[str]:
    """What `plan` says of that."""
    file = folder / "lamps.yaml"
    file.write_text(text)
    return [line for line in call("plan", file).out.splitlines() if "bought again" in line]


def test_a_plan_names_what_was_edited_and_what_uses_it(call: Terminal, tmp_path: Path) -> None:
    assert planned(call, SPEC, tmp_path) == []
    uses = "film is bought again: it uses stills[a], which is bought again"
    assert planned(call, EDITED, tmp_path) == [STILLS, uses]
    [stills, film] = call("plan", tmp_path / "lamps.yaml", "--json").document["steps"]
    assert [item["why"]["what"] for item in stills["items"]] == ["prompt"] * 3
    assert film["items"][0]["why"] == {
        "run_id": "run-1",
        "what": "steps.stills",
        "text": "it uses stills[a], which is bought again",
    }
    fork = call("fork", "run-1", "-i", "look=cold", "--plan").out
    text = 'film is bought again: its prompt differs from run-1 ("a film, warm" → "a film, cold")'
    assert [line for line in fork.splitlines() if "bought again" in line] == [text]


def test_a_receipt_says_the_same_after_the_earlier_run_was_removed(
    call: Terminal, shared_sandbox: Sandbox, tmp_path: Path
) -> None:
    finish(shared_sandbox, EDITED, "run-2")
    said = call("receipt", "run-2", "--out", tmp_path).out
    assert [line for line in said.splitlines() if "bought again" in line] == [STILLS, FILM]
    sheet = (tmp_path / "run-2" / "contact-sheet.html").read_text()
    assert "bought again: its prompt differs from run-1" in sheet
    assert call("store", "remove", "run-1", "--yes").code == 0
    assert "run-1" not in call("runs").out
    assert call("receipt", "run-2", "--out", tmp_path).out == said


def test_only_a_run_of_this_spec_on_this_kind_of_service_is_compared(
    call: Terminal, shared_sandbox: Sandbox, tmp_path: Path
) -> None:
    assert planned(call, EDITED.replace("name: lamps", "name: lanterns"), tmp_path) == []
    finish(shared_sandbox, SPEC.replace("a lamp", "a torch"), "run-2", identity="sandbox:test")
    assert planned(call, EDITED, tmp_path)[0] == STILLS, "run-2 spent pretend credits"
    finish(shared_sandbox, SPEC.replace("a lamp", "a torch"), "run-3", labels={"batch": "b"})
    assert planned(call, EDITED, tmp_path)[0] == STILLS, "run-3 has the inputs of a row"
    finish(shared_sandbox, SPEC.replace("a lamp", "a torch"), "run-4")
    assert "run-4" in planned(call, EDITED, tmp_path)[0]


def test_a_file_beside_the_spec_that_changed_is_named(
    call: Terminal, shared_sandbox: Sandbox, tmp_path: Path
) -> None:
    text = SPEC.replace("name: lamps", "name: photo")
    text = text.replace('["${{ steps.stills.items[0].asset }}"]', "[lamp.png]")
    Image.new("RGB", (64, 64), "red").save(tmp_path / "lamp.png")
    finish(shared_sandbox, text, "run-2", folder=tmp_path)
    assert planned(call, text, tmp_path) == []
    Image.new("RGB", (64, 64), "blue").save(tmp_path / "lamp.png")
    assert planned(call, text, tmp_path) == [
        "film is bought again: references[0] is an image that run-2 did not have"
    ]


def test_a_row_of_a_batch_is_compared_with_no_other_row(
    call: Terminal, shared_sandbox: Sandbox
) -> None:
    studio = finish(shared_sandbox, EDITED, "run-2")
    studio.prepared(SPEC.replace("a lamp", "a torch"), "run-3")
    receipt = studio.executed("run-3", prepare=lambda run: setattr(run, "in_batch", True))
    assert receipt["status"] == "completed"
    assert "bought again" not in call("receipt", "run-3").out


def test_an_earlier_run_that_cannot_be_read_stops_no_purchase(
    call: Terminal, shared_sandbox: Sandbox
) -> None:
    with closing(Journal(read_settings().store_url)) as journal:
        write(journal.engine, update(EVENTS).where(EVENTS.c.seq == 2).values(body="{}"))
    studio = finish(shared_sandbox, EDITED, "run-2")
    assert studio.receipt("run-2")["status"] == "completed"
    assert "bought again" not in call("receipt", "run-2").out


def test_a_plan_of_a_resume_says_why_it_buys_what_an_earlier_run_has(
    call: Terminal, shared_sandbox: Sandbox
) -> None:
    order(shared_sandbox, "on: generation, do: fail, model: z-image, times: 1")
    finish(shared_sandbox, EDITED, "run-2")
    order(shared_sandbox)
    plan = call("resume", "run-2", "--regenerate", "--plan", "--json").document
    stills, film = (step["items"] for step in plan["steps"])
    assert [one["why"] for one in stills] == [None] * 3  # since `--regenerate` asks for it
    assert film[0]["why"]["run_id"] == "run-1"
    assert "stills" in film[0]["why"]["text"]
    assert "film is bought again: " in call("resume", "run-2", "--regenerate", "--plan").out
