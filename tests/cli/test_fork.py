"""`fork --plan`, `resume --plan` and `compare`, on a run that a studio has made."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from rivya_flows.receipt.report import write_report
from rivya_flows.runs.lookup import find_run, open_journal
from rivya_flows.settings import read_settings
from rivya_flows.store.assets import AssetStore
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, bought, buy_from
from support.composed_media import still
from support.engine_runs import Studio, order
from support.finished_runs import finish

pytestmark = pytest.mark.slow

CREATE, MEDIA = '"POST /api/v1/generations"', '"GET /media/results/*"'
SPEC = """
version: 1
name: lamps
inputs: {look: {type: string, default: warm}}
steps:
  still: {uses: generate, with: {model: z-image, prompt: a lamp}}
  other: {uses: generate, with: {model: z-image, prompt: "a lamp, ${{ inputs.look }}"}}
outputs: {still: "${{ steps.still.asset }}"}
"""
STILLS = """
version: 1
name: lamps
steps:
  stills:
    uses: generate
    foreach: [a, b, c]
    with: {model: z-image, prompt: "a LOOK lamp, ${{ item }}"}
outputs: {stills: "${{ steps.stills.assets }}"}
"""
POSTER = """
version: 1
name: poster
steps:
  poster: {uses: layout, with: {image: lamp.png, overlays: [{text: A lamp}]}}
outputs: {poster: "${{ steps.poster.asset }}"}
"""


@pytest.fixture(autouse=True)
def studio(shared_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Studio:
    """`run-1` is in the store of the commands, and its service is theirs."""
    buy_from(shared_sandbox, monkeypatch)
    return finish(shared_sandbox, SPEC, "run-1")


def test_a_plan_of_a_fork_says_what_is_taken(call: Terminal) -> None:
    said = call("fork", "run-1", "-i", "look=cold", "--plan", "--json")
    assert said.document["credits"] == {"min": 1, "max": 1}
    [still, other] = [step["items"][0] for step in said.document["steps"]]
    assert (still["cached"], still["taken_from"]) == (True, "run-1")
    assert (other["cached"], other["taken_from"]) == (False, None)
    assert "taken from run-1, saves 1" in call("fork", "run-1", "--plan").out
    assert call("fork", "run-1", "--from", "other", "--budget", "0", "--plan").code == 3


def test_one_item_of_a_step_or_all_of_it_is_made_again(
    call: Terminal, shared_sandbox: Sandbox
) -> None:
    finish(shared_sandbox, STILLS, "run-2")

    def taken(name: str) -> list[str | None]:
        planned = call("fork", "run-2", "--from", name, "--plan", "--json").document
        return [item["taken_from"] for item in planned["steps"][0]["items"]]

    assert taken("stills[b]") == ["run-2", None, "run-2"]
    assert taken("stills") == [None] * 3


def test_a_fork_with_an_edited_spec_takes_what_is_equal_and_needs_no_cache(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("cache", "prune", "--all", "--yes").code == 0
    edited = tmp_path / "edited.yaml"
    edited.write_text(SPEC.replace('"a lamp, ${{ inputs.look }}"', "another lamp"))
    fork = ("fork", "run-1", "--spec", edited, "--plan")
    found = call(*fork, "--json").document
    assert (found["credits"], found["saved"]) == ({"min": 1, "max": 1}, 1)
    edited.write_text(
        edited.read_text().replace("inputs: {look: {type: string, default: warm}}", "")
    )
    assert call(*fork, "--json").document["saved"] == 1, "an input that is gone is left out"
    assert call("fork", "run-1", "--spec", tmp_path / "none.yaml", "--plan").code == 2


def test_a_fork_keeps_the_budget_that_its_run_was_started_with(
    call: Terminal, shared_sandbox: Sandbox, tmp_path: Path
) -> None:
    def planned(*options: object) -> tuple[int | None, bool]:
        said = call("fork", "run-2", "--plan", "--json", *options)
        return said.document["budget"], "budget 9, as run-2 was started with" in said.err

    finish(shared_sandbox, SPEC, "run-2", budget=9)
    assert planned() == (9, True)
    assert planned("--budget", "5") == (5, False)
    capped = tmp_path / "capped.yaml"
    capped.write_text(f"{SPEC}budget: {{credits: 7}}\n")
    assert planned("--spec", capped) == (9, True), "a command's budget wins over the spec's"
    finish(shared_sandbox, capped.read_text(), "run-3")
    assert call("fork", "run-3", "--plan", "--json").document["budget"] == 7
    (tmp_path / "spec.yaml").write_text(SPEC)
    edited = call("fork", "run-3", "--spec", tmp_path / "spec.yaml", "--plan", "--json")
    assert edited.document["budget"] is None, "that of the spec went with it"


@pytest.mark.prefect
def test_a_file_of_the_spec_that_a_prune_deleted_is_taken_from_its_folder(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rivya_flows.runs.retention.LOOKED_UP_SECONDS", 0)
    (tmp_path / "specs").mkdir()
    lamp = still(tmp_path / "specs" / "lamp.png", (64, 64))
    (tmp_path / "specs" / "poster.yaml").write_text(POSTER)
    assert call("run", "specs/poster.yaml").code == 0
    [run] = (tmp_path / "runs").iterdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert call("fork", run, "--from", "poster").code == 0
    [fork] = (tmp_path / "elsewhere" / "runs").iterdir()
    assert call("store", "prune", "--older-than", "0", "--yes").code == 0
    monkeypatch.chdir(tmp_path.parent)
    for name in (run.name, fork.name):
        assert call("fork", name, "--plan").code == 0
    lamp.write_bytes(b"another")
    said = call("fork", run.name, "--plan")
    assert said.code == 2
    assert "files that are not in the asset store: lamp.png" in said.err
    assert f"put them back, unchanged, in {tmp_path.name}/specs" in said.err


def test_media_that_a_prune_deleted_are_taken_from_the_folder_of_the_run_and_not_bought_again(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rivya_flows.runs.retention.LOOKED_UP_SECONDS", 0)
    assets = AssetStore(read_settings().assets_url, tmp_path)
    with open_journal(read_settings()) as journal:
        folder = find_run(journal, "run-1").folder
        write_report(journal.entries("run-1"), folder, assets)
    shutil.move(folder, tmp_path / "aside")  # this one is in the data folder, and would be pruned
    assert call("store", "prune", "--older-than", "0", "--yes").code == 0
    assert call("fork", tmp_path / "aside", "--plan", "--json").document["credits"]["max"] == 0
    assert not folder.exists()
    assert not [*assets.listing()], "a plan writes nothing"
    shutil.move(tmp_path / "aside", folder)
    assert call("fork", "run-1", "--plan", "--json").document["credits"] == {"min": 0, "max": 0}
    assert call("store", "prune", "--older-than", "0", "--yes").code == 0
    assert not folder.exists()
    said = call("fork", "run-1", "--plan", "--json")
    assert said.document["credits"] == {"min": 2, "max": 2}
    for step in ("still", "other"):
        assert f"{step}: deleted by `store prune`, bought again: 1 credit\n" in said.err


@pytest.mark.parametrize(
    "fault", [f"on: {CREATE}, do: drop_after_commit", f"on: {MEDIA}, do: drop_before"]
)
def test_a_plan_of_a_fork_warns_of_what_the_run_has_paid_for_and_not_collected(
    call: Terminal, shared_sandbox: Sandbox, fault: str
) -> None:
    assert "not taken" not in call("fork", "run-1", "--plan").err
    order(shared_sandbox, fault)
    finish(shared_sandbox, SPEC, "run-2")
    order(shared_sandbox)
    said = call("fork", "run-2", "--plan").err
    assert re.search(
        r"warning: run-2 .* not taken: still \(1 credit, .*\), other \(1 credit, ", said
    )
    assert "rivya-flows resume run-2" in said


def test_a_plan_of_a_resume_says_what_is_kept_and_bought_and_changes_nothing(
    call: Terminal, shared_sandbox: Sandbox
) -> None:
    order(shared_sandbox, "on: generation, do: fail, times: 1")
    finish(shared_sandbox, SPEC, "run-2")
    order(shared_sandbox)
    before, jobs = call("store", "export", "run-2").out, bought(shared_sandbox)
    said = call("resume", "run-2", "--plan")
    assert said.code == 0
    assert "already bought" in said.out
    assert "failed, not bought again: The generation failed" in said.out
    assert "lamps: 0 credits, 1 credit spent, balance " in said.out
    assert said.out.endswith(", no budget\nbuys nothing\n")
    again = call("resume", "run-2", "--regenerate", "--plan", "--json").document
    assert (again["credits"], again["spent"]) == ({"min": 1, "max": 1}, 1)
    assert call("resume", "run-2", "--regenerate", "--budget", "1", "--plan").code == 3
    assert "the run has no 'stil'" in call("resume", "run-2", "--regenerate", "stil", "--plan").err
    assert (call("store", "export", "run-2").out, bought(shared_sandbox)) == (before, jobs)


def test_a_wrong_name_of_refused_media_says_why(call: Terminal, shared_sandbox: Sandbox) -> None:
    order(shared_sandbox, "on: generation, do: broken, how: blank, prompt: warm, times: 1")
    finish(shared_sandbox, SPEC.replace("other: {", "other: {quality: {}, "), "run-2")
    order(shared_sandbox)
    said = call("resume", "run-2", "--accept", "still", "--plan")
    assert said.err.endswith(
        "error: --accept: 'still' has no refused media\nhint: there are: *, other\n"
    )
    said = call("resume", "run-2", "--accept", "othr", "--plan")
    assert "error: --accept: the run has no 'othr'\nhint: did you mean 'other'?" in said.err
    said = call("resume", "run-2", "--accept", "other", "--regenerate", "other", "--plan")
    assert (said.code, "--accept and --regenerate both name 'other'" in said.err) == (2, True)
    assert call("resume", "run-2", "--accept", "other", "--plan").out.endswith("buys nothing\n")


def test_a_fork_that_cannot_be_is_refused(call: Terminal) -> None:
    for arguments, words in (
        ("run-9", "there is no run 'run-9' in the store"),
        ("run-1 --from stil", "--from: the run has no step 'stil'"),
        ("run-1 --from still --from other", "name one step or one item"),
        ("run-1 -i lok=cold", "unknown input 'lok'"),
        ("run-1 --label client", "label 'client': it has no value"),
        ("run-1 --sandbox", "run-1 belongs to http://127.0.0.1"),
    ):
        said = call("fork", *arguments.split(), "--plan")
        assert said.code == 2
        assert words in said.err


def test_compare_tells_both_runs_and_writes_a_page(call: Terminal, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    said = call("compare", "run-1", "run-1", "--out", page)
    assert said.code == 0
    assert "spec: equal" in said.out
    assert "still  completed  completed          1  1" in said.out
    assert page.read_text().count('src="data:image/') == 3
    assert call("compare", "run-1", "run-1", "--json").document["spec"]["equal"] is True
    assert call("compare", "run-1", "run-2").code == 2


def test_a_fork_alone_is_compared_with_its_run_on_a_page_beside_its_sheet(
    call: Terminal, opened: list[str], studio: Studio
) -> None:
    said = call("compare", "run-1")
    assert (said.code, "run-1 is no fork" in said.err) == (2, True)
    asyncio.run(studio.fork("run-1", "run-2", inputs={"look": "cold"}))
    asyncio.run(studio.execute("run-2"))
    found = call("compare", "last", "--json").document
    assert found["runs"][0]["run_id"] == found["runs"][1]["fork"]["run_id"] == "run-1"
    said = call("compare", "run-2", "--open")
    assert said.code == 0
    sheet = Path(call("open", "run-2").out.strip()).absolute()
    page = sheet.with_name("compared-with-run-1.html")
    assert said.err.strip().endswith(page.name)
    assert opened == [page.as_uri(), sheet.as_uri()]
    text = page.read_text()
    assert [*re.findall('<p class="subject" dir="auto">(.*)</p>', text)] == ["warm", "cold"]
    assert "<title>warm · cold · lamps: two runs compared" in text


def test_compare_names_whole_media_of_a_list_and_counts_the_rest(
    call: Terminal, shared_sandbox: Sandbox
) -> None:
    for number, look in ((2, "warm"), (3, "cold")):
        finish(shared_sandbox, STILLS.replace("LOOK", look), f"run-{number}")
    told = call("compare", "run-2", "run-3").out
    [line] = [line for line in told.splitlines() if "in all" in line]
    media = r" +(image \d+ × \d+ [0-9a-f]{8}(, )?)+… \(3 in all\)"
    assert re.fullmatch(f"stills{media}{media}", line)
