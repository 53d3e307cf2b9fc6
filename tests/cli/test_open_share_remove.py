"""`open`, `share` and `store remove`, on runs that a studio has made."""

from __future__ import annotations

import re
import shutil
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rivya_flows.runs import retention, sheets
from rivya_flows.settings import read_settings
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, buy_from
from support.engine_runs import order
from support.finished_runs import finish

pytestmark = pytest.mark.slow

SPEC = """
version: 1
name: lamps
title: Lamps for the evening
inputs:
  look: {type: text, default: very secret brief}
  product: {type: string, default: Oak lamp}
steps:
  still: {uses: generate, with: {model: z-image, prompt: "a lamp, ${{ inputs.look }}"}}
  talk: {uses: chat, with: {model: gemini-2-5-flash-chat, message: Say it}}
outputs: {still: "${{ steps.still.asset }}", line: "${{ steps.talk.text }}"}
"""


@pytest.fixture(autouse=True)
def made(shared_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """`run-1` is in the store of the commands, and its service is theirs."""
    monkeypatch.setattr(retention, "LOOKED_UP_SECONDS", 0)
    buy_from(shared_sandbox, monkeypatch)
    finish(shared_sandbox, SPEC, "run-1")


def test_the_sheet_of_the_newest_run_is_made_if_it_is_missing_and_opened(
    call: Terminal, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = call("open")
    page = Path(said.out.strip())
    assert page.name == "contact-sheet.html"
    assert "Lamps for the evening" in page.read_text()
    assert opened == [page.absolute().as_uri()]
    assert call("receipt", "--open").code == 0
    assert opened == [page.absolute().as_uri()] * 2
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    said = call("open")
    assert (said.code, said.err) == (0, f"no browser could be opened: {said.out}")


def test_what_is_shared_is_one_file_that_says_nothing_of_how_it_was_made(call: Terminal) -> None:
    assert call("share").out.startswith("lamps-oak-lamp.html  ")
    page = Path("lamps-oak-lamp.html").read_text()
    assert "<title>Oak lamp · Lamps for the evening</title>" in page
    assert '<h1 dir="auto">Oak lamp</h1>' in page
    assert '<p class="subject" dir="auto">Lamps for the evening</p>' in page
    assert len(re.findall('<img src="data:image/', page)) == 1
    for secret in (
        "run-1",
        "secret",
        "z-image",
        "credit",
        "wallet",
        "gemini",
        "127.0.0.1",
        "task_",
    ):
        assert secret not in re.sub("base64,[A-Za-z0-9+/=]+", "", page), secret
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert call("share", "run-1").out.startswith("lamps-oak-lamp-2.html  ")
    only = call("share", "run-1", "--output", "line", "--out", "line.html", "--title", "A line")
    assert only.code == 0
    assert '<h1 dir="auto">A line</h1>' in Path("line.html").read_text()
    assert "<img" not in Path("line.html").read_text()
    assert "Oak lamp" not in Path("line.html").read_text()


def test_a_prompt_alone_names_no_page_for_a_client(
    call: Terminal, opened: list[str], shared_sandbox: Sandbox
) -> None:
    prompt = SPEC.replace("  product: {type: string, default: Oak lamp}\n", "")
    finish(shared_sandbox, prompt, "run-2")
    assert call("share", "run-2").out.startswith("lamps.html  ")
    assert "secret" not in Path("lamps.html").read_text()
    [sheet] = map(Path, call("open", "run-2").out.split())
    assert '<p class="subject" dir="auto">very secret brief</p>' in sheet.read_text()
    assert len(opened) == 1


def test_media_that_a_prune_deleted_are_taken_from_the_folder_of_the_run_and_else_shown_as_gone(
    call: Terminal, opened: list[str]
) -> None:
    folder = Path(call("open", "run-1").out.strip()).parent
    shutil.copytree(folder, "elsewhere")
    assert call("store", "prune", "--older-than", "0", "--yes").code == 0
    said = call("share", "run-1")
    assert (said.code, "as by `store prune`" in said.err) == (0, False)  # it has a text
    assert "warning: not in the page: still (deleted)" in said.err
    assert "as by `store prune`" in call("share", "run-1", "--output", "still").err
    assert call("compare", "run-1", "run-1", "--open").code == 0
    [compared] = folder.glob("compared*")
    assert "its file is not here any more" in compared.read_text()
    assert "The file is not here any more" in Path(call("open", "run-1").out.strip()).read_text()

    shutil.copytree("elsewhere", folder, dirs_exist_ok=True)
    (folder / "contact-sheet.html").unlink()
    for pages in (call("share", "run-1"), call("compare", "run-1", "run-1", "--open")):
        assert (pages.code, "deleted" in pages.err) == (0, False)
    assert "not here any more" not in compared.read_text()
    assert "not here any more" not in Path(call("open", "run-1").out.strip()).read_text()
    (folder / "still.png").write_bytes(b"another picture")
    assert "still (deleted)" in call("share", "run-1").err
    assert len(opened) == 5


def test_what_cannot_be_shared_is_refused_and_nothing_is_written(
    call: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("spec.yaml").write_text("version: 1")
    for options, words in (
        (("--output", "stil"), "did you mean 'still'?"),
        (("--out", "spec.yaml"), "spec.yaml exists and is no page"),
        (("--out", "new/page.html"), "there is no folder new"),
    ):
        said = call("share", "run-1", *options)
        assert (said.code, words in said.err) == (2, True)
    with monkeypatch.context() as patch:
        patch.setattr(sheets, "MAX_SHARED_BYTES", 10)
        said = call("share", "run-1")
    assert said.code == 2
    assert "choose with --output NAME: still 0.0 MB" in said.err
    assert Path("spec.yaml").read_text() == "version: 1"
    assert [*Path().glob("*.html"), *Path().glob("new")] == []


def test_a_page_says_what_it_replaces_and_what_to_send_where_it_is_large_for_a_mail(
    call: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = call("share", "run-1", "--out", "page.html").err
    assert not re.search("note|replaced", small)
    assert "replaced page.html" in call("share", "run-1", "--out", "page.html").err
    monkeypatch.setattr("rivya_flows.cli.results._MAILED_BYTES", 10)
    assert re.search("choose with --output NAME: still .* MB; or send", call("share", "run-1").err)
    alone = call("share", "run-1", "--output", "still").err
    assert ("--output" in alone, "send the files of" in alone) == (False, True)


def test_a_removed_run_is_gone_with_its_media_and_what_it_spent_stays(call: Terminal) -> None:
    assert call("budgets", "set", "all", "--credits", 9, "--period", "total").code == 0
    spent = call("spend", "--by", "run", "--json").document["total"]["credits"]
    assert spent
    [medium] = (call("receipt", "run-1", "--json").document["outputs"]["still"],)
    refused = call("store", "remove", "run-1")
    assert (refused.code, "asks first" in refused.err) == (2, True)
    assert "open question" not in refused.err
    [found] = call("store", "remove", "run-1", "--yes", "--json").document
    assert (found["media"], found["spent"]) == ([medium["sha256"]], spent)
    assert found["freed_bytes"] > 0
    assert not Path(medium["path"]).exists()
    assert call("runs", "--json").document == []
    said = call("receipt", "run-1").err
    assert f"run-1 was removed; its {spent} credits are in `spend`" in said
    assert call("spend", "--by", "run", "--json").document["total"]["credits"] == spent
    [pool] = call("budgets", "list", "--json").document
    assert pool["spent"] == spent


@pytest.mark.parametrize(("dies_in", "by"), [("named_media", "id"), ("_delete_folder", "folder")])
def test_a_removal_that_was_killed_is_finished_by_a_second_one(
    call: Terminal, monkeypatch: pytest.MonkeyPatch, dies_in: str, by: str
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt  # the nearest to a kill that a process survives

    spent = call("spend", "--json").document["total"]["credits"]
    receipt = call("receipt", "run-1", "--json").document
    journal = Journal(read_settings().store_url)
    row = journal.run("run-1")
    journal.close()
    assert row
    row.folder.mkdir(parents=True, exist_ok=True)
    (row.folder / "receipt.json").write_text('{"run_id": "run-1"}')
    with monkeypatch.context() as patch:
        patch.setattr(retention, dies_in, die)
        assert call("store", "remove", "run-1", "-y").code == 130
    assert row.folder.exists()
    assert call("runs", "--json").document == []
    assert "rivya-flows store remove run-1" in call("receipt", "run-1").err
    named = row.folder if by == "folder" else "run-1"
    [found] = call("store", "remove", named, "-y", "--json").document
    assert (found["status"], found["spent"]) == ("removed in part", spent)
    assert not Path(receipt["outputs"]["still"]["path"]).exists()
    assert not row.folder.exists()
    assert "was removed; its" in call("store", "remove", "run-1", "-y").err


def test_a_run_that_runs_or_is_owed_something_is_not_removed(
    call: Terminal, shared_sandbox: Sandbox
) -> None:
    order(shared_sandbox, 'on: "POST /api/v1/generations", do: drop_after_commit')
    finish(shared_sandbox, SPEC, "run-2")
    order(shared_sandbox)
    said = call("store", "remove", "run-2", "-y")
    assert (said.code, "rivya-flows resume run-2" in said.err) == (2, True)
    assert "has not collected: still (1 credit, unanswered)" in said.err
    order(shared_sandbox, 'on: "GET /media/results/*", do: status, status: 404')
    finish(shared_sandbox, SPEC, "run-3")
    order(shared_sandbox)
    said = call("store", "remove", "run-1", "run-3", "-y")
    assert (said.code, "run-3 has paid, or may have" in said.err) == (2, True)
    journal = Journal(read_settings().store_url)
    lease = Leases(journal.engine).acquire("run-1", "elsewhere:1:1")
    assert call("store", "remove", "run-1", "-y").code == 2
    Leases(journal.engine).release(lease)
    journal.close()
    assert call("receipt", "run-1").code == 0


def test_a_run_of_a_sandbox_that_was_deleted_is_given_up(
    call: Terminal, shared_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(shared_sandbox, 'on: "POST /api/v1/generations", do: drop_after_commit')
    finish(shared_sandbox, SPEC, "run-2", identity="sandbox:gone")
    order(shared_sandbox)
    monkeypatch.delenv("RIVYA_API_KEY")
    monkeypatch.delenv("RIVYA_BASE_URL")
    removing = "rivya-flows store remove run-2"
    assert (
        f"its sandbox is not in the data folder; if it was deleted: {removing}" in call("runs").out
    )
    resumed = call("resume", "run-2")
    assert (resumed.code, removing in resumed.err) == (2, True)
    said = call("store", "remove", "run-2", "-y", "--json")
    assert "and has not collected goes too: still (1 credit, unanswered)" in said.err
    assert said.document[0]["uncollected"] == ["still (1 credit, unanswered)"]
    assert call("spend", "--json").document["total"]["open"] == 0


def test_a_removal_says_that_an_open_question_goes_too_and_leaves_media_of_other_runs(
    call: Terminal, shared_sandbox: Sandbox
) -> None:
    pick = "  hero: {uses: pick, with: {from: '${{ steps.stills.items }}', mode: human}}\noutputs:"
    several = "stills: {uses: generate, foreach: [a, b],"
    spec = SPEC.replace("outputs:", pick).replace("still: {uses: generate,", several)
    spec = spec.replace("steps.still.asset", "steps.hero.asset")
    finish(shared_sandbox, spec, "run-2")
    asked = call("store", "remove", "run-2")
    assert "run-2 (lamps, suspended)" in asked.err
    assert "Its open question goes too, unanswered." in asked.err
    assert "open question" in call("store", "remove", "run-2", "-y").err
    finish(shared_sandbox, SPEC.replace("version: 1", "version: 1\ncache: spec"), "run-3")
    media = [
        call("receipt", run, "--json").document["outputs"]["still"] for run in ("run-1", "run-3")
    ]
    assert media[0]["sha256"] == media[1]["sha256"]
    call("receipt", "run-1", "--out", "kept")  # a folder that is not that of the run stays
    [gone] = call("store", "remove", "kept/run-1", "-y", "--json").document
    assert (gone["media"], gone["folder"], Path("kept/run-1").is_dir()) == ([], None, True)
    assert Path(media[1]["path"]).is_file()


def test_a_removal_names_its_run_and_says_what_its_batch_will_do(
    call: Terminal, shared_sandbox: Sandbox
) -> None:
    refused = call("store", "remove", "last", "--yes")
    assert (refused.code, "give the id of the run" in refused.err) == (2, True)
    assert "This deletes run-1 (lamps, completed)" in call("store", "remove", "last").err
    of_batch = SPEC.replace("version: 1", "version: 1\nlabels: {batch: batch-lamps-1}")
    finish(shared_sandbox, of_batch, "batch-lamps-1-desk")
    asked = call("store", "remove", "batch-lamps-1-desk")
    assert "a row of batch-lamps-1; rerunning that batch buys it again" in asked.err
    gone = call("store", "remove", "batch-lamps-1-desk", "run-1", "run-1", "-y", "--json").document
    assert [one["batch"] for one in gone] == ["batch-lamps-1", None]
    assert call("receipt", "last").code == 2, "a removed run is not the last one"


def test_a_batch_is_opened_by_its_folder_and_elsewhere_its_runs_are_named(
    call: Terminal, opened: list[str], shared_sandbox: Sandbox
) -> None:
    of_batch = SPEC.replace("version: 1", "version: 1\nlabels: {batch: batch-lamps-1}")
    for row in ("desk", "wall"):
        finish(shared_sandbox, of_batch, f"batch-lamps-1-{row}")
    for command in (("share",), ("store", "remove")):
        said = call(*command, "batch-lamps-1")
        assert said.code == 2
        assert "batch-lamps-1 is a batch of 2 runs" in said.err
        assert "rivya-flows runs --label batch=batch-lamps-1" in said.err
    Path("runs/batch-lamps-1").mkdir(parents=True)
    by_id, by_folder = call("open", "batch-lamps-1"), call("open", "runs/batch-lamps-1")
    assert by_id.out == by_folder.out != ""
    assert len(opened) == 2


def test_a_list_of_runs_says_in_which_zone_they_began(
    call: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = datetime.fromisoformat(call("runs", "--json").document[0]["started_at"])
    assert began.utcoffset() == timedelta(0)
    monkeypatch.setenv("TZ", "IST-5:30")
    time.tzset()
    try:
        listed = call("runs").out
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert "started (IST)" in listed
    assert f"{began + timedelta(hours=5, minutes=30):%Y-%m-%d %H:%M}" in listed
