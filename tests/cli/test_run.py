"""`run`, `resume`, `receipt`, `store`: real runs against the sandbox, under a real Prefect server."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import rivya_flows as rf
from rivya_flows.engine.loop import PlainRunner
from rivya_flows.errors import NotConfirmedError
from rivya_flows.questions.question import Answer, Question
from rivya_flows.runs.execution import Caller
from rivya_flows.runs.resume import ResumeOptions, resume
from rivya_flows.settings import read_settings
from rivya_sandbox.service.admin import add_credits, set_faults
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, bought, buy_from, started, stopped
from support.composed_media import still

pytestmark = pytest.mark.prefect

PICTURES = """
version: 1
name: pictures
inputs:
  styles: {type: list, of: string, default: [studio, neon]}
budget: {credits: 20}
steps:
  stills:
    uses: generate
    matrix: {style: "${{ inputs.styles }}"}
    with: {model: z-image, prompt: "A lamp, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human, question: Which one?}
  large:
    uses: generate
    with:
      model: nano-banana-2
      prompt: The same, larger
      references: ["${{ steps.hero.asset }}"]
outputs:
  large: ${{ steps.large.asset }}
"""
VOICES = """
version: 1
name: voices
budget: {credits: 17, on_exceed: pause}
steps:
  voices:
    uses: generate
    foreach: [one, two]
    with:
      model: elevenlabs-turbo-2-5
      prompt: "${{ item }}: LONG"
      params: {voice: TX3LPaxmHKxFdv7VOQHJ}
"""
TIMES = """
version: 1
name: times
budget: {credits: 2, on_exceed: pause}
steps:
  ideas:
    uses: chat
    with:
      model: gemini-2-5-flash-chat
      message: Name three times of a day
      expect: {times: [string]}
  stills:
    uses: generate
    foreach: ${{ steps.ideas.json.times }}
    with: {model: z-image, prompt: "A lamp at ${{ item }}"}
"""
LARGER = """
    uses: generate
    with: {model: nano-banana-2, prompt: Larger, references: ["${{ steps.picture.asset }}"]}
"""
OTHER = """
    uses: generate
    with: {model: z-image, prompt: A table}
"""
POSTER = """
    uses: layout
    with:
      image: ${{ steps.larger.asset }}
      overlays: [{image: "${{ steps.other.asset }}"}]
"""
ONE = """
version: 1
name: one
steps:
  picture:
    uses: generate
    with: {model: z-image, prompt: A lamp}
outputs:
  picture: ${{ steps.picture.asset }}
"""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox of plain media as the service, with 100 credits."""
    with running(tmp_path / "sandbox", credits=100) as sandbox:
        buy_from(sandbox, monkeypatch)
        yield sandbox


def written(folder: Path, text: str) -> Path:
    path = folder / "spec.yaml"
    path.write_text(text)
    return path


def test_run_leaves_outputs_receipt_and_true_credits(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    said = call("run", written(tmp_path, ONE), "--json")
    assert said.code == 0
    done = said.document
    assert said.err.splitlines()[:2] == [
        f"using {service.base_url}",
        f"run {done['run_id']}: one, 1 credit, balance 100",
    ]
    assert done["status"] == "completed"
    assert done["credits"] == {"before": 100, "after": 99, "spent": 1, "saved": 0}
    folder = tmp_path / "runs" / done["run_id"]
    assert done["outputs"]["picture"]["path"] == str(folder / "picture.png")
    for path in (folder / "picture.png", Path(done["receipt"]), Path(done["report"])):
        assert path.is_file()
    receipt = call("receipt", folder, "--json").document
    assert receipt["credits"]["spent"] == 1
    assert "completed: picture" in call("receipt", done["run_id"]).out
    shown = call("receipt", done["run_id"], "--out", tmp_path / "again", "--json").document
    assert (
        Path(shown["outputs"]["picture"]["path"])
        == tmp_path / "again" / folder.name / "picture.png"
    )
    assert (tmp_path / "again" / folder.name / "contact-sheet.html").is_file()
    journal = [json.loads(line) for line in call("store", "export", folder).out.splitlines()]
    assert [entry["seq"] for entry in journal] == list(range(1, len(journal) + 1))
    assert [entry["event"]["kind"] for entry in journal[-2:]] == ["run.ended", "service.asked"]
    again = call("resume", folder)
    assert again.code == 0
    assert "already completed" in again.err
    assert bought(service) == {"z-image": 1}


def test_a_real_wallet_is_charged_only_with_yes_or_a_cap(
    call: Terminal, service: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVYA_FLOWS_LIVE", "true")
    spec = written(tmp_path, ONE)
    said = call("run", spec, "--json")
    assert said.code == 3
    assert "Nothing was bought" in said.document["error"]["message"]
    assert bought(service) == {}
    for option in (["--yes"], ["--budget", "5"]):
        said = call("run", spec, *option)
        assert said.code == 0
        assert f"the key rvya_sk_…{service.api_key[-4:]} (wallet: " in said.err
    assert "At most 1 credit (budget 5).\n" in said.err
    assert bought(service) == {"z-image": 2}
    with pytest.raises(NotConfirmedError, match="not confirmed"):
        rf.run(spec)
    done = rf.run(spec, yes=True)
    assert (done.status, done.document["credits"]["budget"]) == ("completed", 1)


def test_a_quote_is_run_once_for_at_most_its_credits(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    quote = tmp_path / "quote.json"
    assert call("plan", written(tmp_path, ONE), "--out", quote).code == 0
    done = call("run", "--quote", quote, "--json")
    assert (done.code, done.document["status"]) == (0, "completed")
    run_id = done.document["run_id"]
    assert f"run {run_id}: one, 1 credit, balance 100, budget 1" in done.err
    assert "warning" not in done.err
    again = call("run", "--quote", quote)
    assert again.code == 3
    assert f"error: the quote was used by {run_id}; nothing was bought" in again.err
    assert bought(service) == {"z-image": 1}


def test_unanswered_pick_suspends_and_an_answer_goes_on(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    first = call("run", written(tmp_path, PICTURES))
    assert first.code == 0
    assert "suspended: 2 of 2 stills" in first.out
    line = next(line for line in first.err.splitlines() if line.endswith("--answer hero=neon"))
    arguments = line.removeprefix("rivya-flows ").split()
    assert call(*arguments[:-1], "hero=noir").code == 2
    said = call(*arguments, "--by", "Ana", "--json")
    assert said.code == 0
    assert "hero: neon, by Ana with --answer\n" in said.err
    assert said.document["status"] == "completed"
    assert said.document["credits"]["spent"] == 7
    assert bought(service) == {"z-image": 2, "nano-banana-2": 1}


def test_what_an_answer_buys_is_priced_before_it_counts(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    stills, _, _ = PICTURES.partition("  large:")
    asking = "mode: human, none: {rounds: 1}, question: Which one?"
    spec = stills.replace("credits: 20", "credits: 3").replace(
        "mode: human, question: Which one?", asking
    )
    run_id = call("run", written(tmp_path, spec), "--json").document["run_id"]
    said = call("resume", run_id, "--answer", "hero=none: warmer")
    assert (said.code, bought(service)) == (3, {"z-image": 2})
    assert "over the budget: at least 4 credits, and the budget is 3" in said.err
    said = call("resume", run_id, "--answer", "hero=none: warmer", "--budget", 4)
    assert "hero waits for an answer: Which one?" in call("receipt", run_id).out
    assert bought(service) == {"z-image": 4}
    assert call("resume", run_id, "--answer", "hero=neon").code == 0


def test_a_late_answer_counts_after_the_run_has_completed_without_it(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    stills, _, _ = PICTURES.partition("  hero:")
    spec = f"""{stills}
  heroes:
    uses: pick
    foreach: [x, y]
    allow_failures: 1
    with: {{from: "${{{{ steps.stills.items }}}}", mode: human, timeout: 1s, on_timeout: fail}}
  large:
    uses: generate
    foreach: ${{{{ steps.heroes.items }}}}
    with: {{model: nano-banana-2, prompt: Larger, references: ["${{{{ item.asset }}}}"]}}
"""
    run_id = call("run", written(tmp_path, spec), "--json").document["run_id"]
    time.sleep(1)  # the deadline passes
    said = call("resume", run_id, "--answer", "heroes[x]=neon", "--json")
    assert (said.document["status"], said.document["credits"]["spent"]) == ("completed", 7)
    said = call("resume", run_id, "--answer", "heroes[y]=studio", "--json")
    assert (said.document["status"], said.document["credits"]["spent"]) == ("completed", 12)
    assert bought(service) == {"z-image": 2, "nano-banana-2": 2}
    assert "already completed" in call("resume", run_id, "--answer", "heroes[y]=studio").err


def test_question_about_the_budget_exits_3_and_can_be_answered(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    # Each costs twice its base price of 6, which is known when the first one is bought.
    spec = written(tmp_path, VOICES.replace("LONG", "A long tale. " * 100))
    said = call("run", spec)
    assert said.code == 3
    assert "Raise the budget to 24?" in said.err
    line = next(line for line in said.err.splitlines() if line.endswith("--answer budget=yes"))
    run_id = line.split()[2]
    said = call("resume", run_id)
    assert said.code == 3
    assert "error: over the budget: at least 24 credits, and the budget is 17" in said.err
    assert "give --budget 24 or more, or agree to 'voices needs 12 credits;" in said.err
    assert "Raise the budget to 24?' with --answer budget=yes; nothing was bought" in said.err
    assert bought(service) == {"elevenlabs-turbo-2-5": 1}
    assert call("resume", run_id, "--answer", "budget=yes").code == 0
    assert bought(service) == {"elevenlabs-turbo-2-5": 2}


def test_a_run_whose_budget_was_raised_goes_on_and_asks_for_what_was_not_certain(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    voices = VOICES.replace("LONG", "A long tale. " * 100).replace("credits: 17", "credits: 23")
    title = """
  title: {uses: chat, needs: [voices], with: {model: gemini-2-5-flash-chat, message: A title}}
  pictures:
    uses: generate
    foreach: [one, two]
    with: {model: nano-banana-2, prompt: "${{ item }} ${{ steps.title.text }}"}
"""
    run_id = call("run", written(tmp_path, voices + title), "--json").document["run_id"]
    for budget in (25, 35):
        said = call("resume", run_id, "--answer", "budget=yes")
        assert (said.code, f"Raise the budget to {budget}?" in said.err) == (3, True)
    assert call("resume", run_id, "--answer", "budget=yes").code == 0
    assert bought(service)["nano-banana-2"] == 2


def test_a_run_that_waits_for_more_budget_asks_again_where_somebody_is_there(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    run_id = call("run", written(tmp_path, TIMES), "--json").document["run_id"]
    said = call("resume", run_id)
    assert (said.code, "hint: give --budget 4 or more, or agree to " in said.err) == (3, True)
    asked: list[str] = []

    async def ask(question: Question, _report: object) -> Answer:
        asked.append(question.text)
        return Answer(("yes",))

    caller = Caller(read_settings(), PlainRunner(), ask=ask)
    asyncio.run(resume(run_id, ResumeOptions(), caller))
    assert ["Raise the budget to 4?" in one for one in asked] == [True]
    assert bought(service)["z-image"] == 3


def test_allowed_failures_can_be_bought_again_after_the_run_is_completed(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = VOICES.replace("LONG", "A long tale. " * 100).replace(", on_exceed: pause", "")
    spec = written(tmp_path, long.replace("foreach", "allow_failures: 1\n    foreach"))
    gone = 'faults: [{on: "GET /media/results/*", do: status, status: 410, times: 1}]'
    with running(tmp_path / "sandbox", faults=gone) as sandbox:
        buy_from(sandbox, monkeypatch)
        said = call("run", spec, "--budget", 30, "--json")
        statuses = [one["status"] for one in said.document["steps"][0]["items"]]
        assert sorted(statuses) == ["completed", "failed"]
        run_id = said.document["run_id"]
        assert f"collect paid results with: rivya-flows resume {run_id}" in said.err
        said = call("resume", run_id)
        assert (said.code, bought(sandbox)) == (0, {"elevenlabs-turbo-2-5": 2})
        assert "completed: 2 of 2 voices" in said.out, "the one that could not be fetched"
        assert "already completed" in call("resume", run_id, "--budget", 1).err

        said = call("run", spec, "--json")
        assert (said.code, said.document["credits"]["spent"]) == (0, 12)
        assert "already completed" in call("resume", said.document["run_id"]).err
        said = call("resume", said.document["run_id"], "--budget", 24, "--json")
        assert (said.code, said.document["credits"]["spent"]) == (0, 24)


def test_budget_that_is_not_raised_ends_the_run_with_what_it_has(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    voices = VOICES.replace("LONG", "A long tale. " * 100).replace("two]", "two, six]")
    said = call("run", written(tmp_path, voices.replace("credits: 17", "credits: 20")))
    line = next(line for line in said.err.splitlines() if line.endswith("--answer budget=no"))
    said = call("resume", line.split()[2], "--answer", "budget=no", "--json")
    assert (said.code, said.document["status"]) == (3, "failed")
    assert bought(service) == {"elevenlabs-turbo-2-5": 1}
    line = next(line for line in said.err.splitlines() if line.startswith("resume, "))
    assert line.startswith("resume, which buys what is left for at least 24 credits, with: ")
    assert line.endswith(" --budget 36")
    assert call("resume", line.split()[-3], "--budget", 36).code == 0
    assert bought(service) == {"elevenlabs-turbo-2-5": 3}


def test_a_resume_that_cannot_pay_the_rest_collects_paid_results(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stills, _, _ = PICTURES.partition("  hero:")
    spec = written(tmp_path, stills.replace("    with:", "    max_parallel: 1\n    with:"))
    stall = "faults: [{on: generation, do: stall, times: 1}]"
    with running(tmp_path / "sandbox", faults=stall) as sandbox:
        buy_from(sandbox, monkeypatch)
        _, told = stopped(started("run", spec), "stills[studio] bought", signal.SIGKILL)
        set_faults(sandbox.data, "")
        [run_id] = [line.split()[1][:-1] for line in told.splitlines() if line[:4] == "run "]
        said = call("resume", run_id, "--budget", 1)
        assert said.code == 3
        assert "collecting paid results, buying nothing new" in said.err
        assert "stills[studio] done" in said.err
        assert "nothing was bought" in call("resume", run_id, "--budget", 1).err
        assert bought(sandbox) == {"z-image": 1}
        assert call("resume", run_id, "--budget", 2).code == 0
        assert bought(sandbox) == {"z-image": 2}


def test_run_without_credits_exits_3_and_goes_on_with_new_ones(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = '[{on: "POST /api/v1/generations", do: status, status: 402, times: 1}]'
    with running(tmp_path / "sandbox", credits=1, faults=f"faults: {fault}") as sandbox:
        buy_from(sandbox, monkeypatch)
        said = call("run", written(tmp_path, ONE))
        assert said.code == 3
        run_id = next(iter((tmp_path / "runs").iterdir())).name
        assert f"resume with: rivya-flows resume {run_id}" in said.err
        add_credits(sandbox.data, 5)
        assert call("resume", run_id).code == 0


def test_a_failed_job_exits_1_and_is_bought_again_only_when_asked(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = "faults: [{on: generation, do: fail, times: 1}]"
    with running(tmp_path / "sandbox", credits=10, faults=fault) as sandbox:
        buy_from(sandbox, monkeypatch)
        said = call("run", written(tmp_path, ONE))
        assert said.code == 1
        line = next(line for line in said.err.splitlines() if line.startswith("resume, "))
        assert line.startswith("resume, which buys picture again for 1 credit, with: ")
        assert line.endswith(" --regenerate picture")
        run_id = line.split()[-3]
        assert call("resume", run_id).code == 1
        planned = call("resume", run_id, "--plan").err
        assert "failed, and not bought again without --regenerate: picture" in planned
        planned = call("resume", run_id, "--plan", "--regenerate", "picture").err
        assert "not bought again" not in planned
        assert call("resume", run_id, "--regenerate", "pictures").code == 2
        assert call("resume", run_id, "--regenerate").code == 0
        said = call("resume", run_id, "--regenerate", "picture")
        assert (said.code, bought(sandbox)) == (0, {"z-image": 2})
        assert "no job of picture failed; buying nothing again" in said.err


def test_what_a_prune_deleted_comes_from_the_folder_of_the_run_or_nothing_is_bought(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rivya_flows.runs.retention.LOOKED_UP_SECONDS", 0)
    spec = ONE.replace("outputs:", f"  larger:{LARGER}  other:{OTHER}  poster:{POSTER}outputs:")
    fault = "faults: [{on: generation, model: nano-banana-2, do: fail, times: 3}]"
    with running(tmp_path / "sandbox", credits=90, faults=fault) as sandbox:
        buy_from(sandbox, monkeypatch)
        assert call("run", written(tmp_path, spec)).code == 1
        [run] = (tmp_path / "runs").iterdir()
        again = ("resume", run.name, "--regenerate", "larger")

        def prune() -> None:
            assert call("store", "prune", "--older-than", "0", "--yes").code == 0

        prune()
        before, moved = bought(sandbox), run.rename(tmp_path / "moved")
        said = call(*again)
        assert said.code == 2
        # The second is read by a step that was skipped because the first failed.
        assert (
            "media that the rest of the run needs are not in the store: picture, other;" in said.err
        )
        assert f"put the folder of the run back: runs/{run.name}; or see what they" in said.err
        assert f"cost again: rivya-flows fork {run.name} --plan" in said.err
        assert bought(sandbox) == before
        assert not run.exists()
        set_faults(sandbox.data, "faults: []")
        media = read_settings().data / "assets"
        assert call("resume", moved, "--regenerate", "larger", "--plan").code == 0
        assert not [one for one in media.rglob("*") if one.is_file()], "a plan writes nothing"
        assert call("resume", moved, "--regenerate", "larger").code == 0
        assert bought(sandbox)["z-image"] == 2
        assert [*moved.glob("media/poster*")]
        assert not run.exists()


def test_a_resume_elsewhere_takes_a_file_of_the_spec_from_its_folder_or_names_that(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rivya_flows.runs.retention.LOOKED_UP_SECONDS", 0)
    (tmp_path / "specs").mkdir()
    still(tmp_path / "specs" / "lamp.png", (64, 64))
    made = "model: nano-banana-2, references: [lamp.png]"
    written(tmp_path / "specs", ONE.replace("model: z-image", made))
    fault = "faults: [{on: generation, do: fail, times: 1}]"
    with running(tmp_path / "sandbox", credits=90, faults=fault) as sandbox:
        buy_from(sandbox, monkeypatch)
        assert call("run", "specs/spec.yaml").code == 1
        assert call("store", "prune", "--older-than", "0", "--yes").code == 0
        monkeypatch.chdir(tmp_path.parent)
        assert call("resume", "last", "--regenerate", "--plan").code == 0
        (tmp_path / "specs" / "lamp.png").unlink()
        said = call("resume", "last", "--regenerate", "--plan")
        assert said.code == 2
        assert f"put lamp.png back, unchanged, in {tmp_path.name}/specs; or set" in said.err


def test_run_of_another_service_is_refused(
    call: Terminal, service: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = call("run", written(tmp_path, ONE), "--json").document
    monkeypatch.setenv("RIVYA_BASE_URL", "http://127.0.0.1:9")
    said = call("resume", done["run_id"])
    assert said.code == 2
    assert f"belongs to {service.base_url}" in said.err


def test_output_folder_that_cannot_be_made_stops_before_anything_is_bought(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    said = call("run", written(tmp_path, ONE), "--out", tmp_path / "file" / "out")
    assert said.code == 2
    assert "nothing was bought" in said.err
    assert bought(service) == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_run_goes_on_and_buys_nothing_twice(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    stall = "faults: [{on: generation, do: stall, times: 1}]"
    with running(tmp_path / "sandbox", faults=stall) as sandbox:
        buy_from(sandbox, monkeypatch)
        process = started("run", written(tmp_path, ONE))
        _, told = stopped(process, "picture bought", number)
        [run_id] = [line.split()[1][:-1] for line in told.splitlines() if line[:4] == "run "]
        if number is not signal.SIGKILL:
            assert process.returncode == 130
            assert "still running: picture (1 credit, task_" in told
            assert "paid for: resume collects it at no extra price" in told
            assert f"resume with: rivya-flows resume {run_id}" in told
        assert "1 held" in call("receipt", run_id).out
        set_faults(sandbox.data, "")
        said = call("resume", run_id, "--json")
        assert said.code == 0
        assert said.document["credits"]["spent"] == 1
        assert bought(sandbox) == {"z-image": 1}


def test_dead_prefect_server_is_told_before_anything_is_bought(
    service: Sandbox, tmp_path: Path
) -> None:
    dead = "http://127.0.0.1:9/api"
    process = started("run", written(tmp_path, ONE), PREFECT_API_URL=dead)
    _, told = process.communicate(timeout=240)
    assert process.returncode == 2
    assert "\nnothing was bought\nresume with: " in told
    assert f"error: PREFECT_API_URL: no Prefect server answers at {dead}/\nhint: " in told
    assert bought(service) == {}


def test_person_at_a_terminal_is_asked_with_the_files_to_look_at(
    service: Sandbox, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rivya_flows.cli.main", "run", written(tmp_path, PICTURES)],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "200"},
    )
    os.close(theirs)
    try:
        asked = _until(ours, "see them: ")
        # A terminal shows paths from the current folder, as links.
        assert re.search(r"1  studio  \x1b\]8;;file://[^\x1b]+\x1b\\runs/run-", asked)
        os.write(ours, b"noir\n")
        assert "there is no choice 'noir'; one of: studio, neon" in _until(ours, "see them: ")
        os.write(ours, b"2\n")
        _until(ours, f"hero: neon, by {getpass.getuser()} in the terminal")
        _until(ours, "there is no such word")
        out, _ = process.communicate(timeout=240)
        assert "completed: 2 of 2 stills, hero, large" in out
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()
        os.close(ours)


def test_person_at_a_terminal_rejects_all_and_picks_two_of_what_comes(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    spec = PICTURES.replace("mode: human", "mode: human, count: 2, none: {rounds: 1}")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "rivya_flows.cli.main"),
            *("run", written(tmp_path, spec), "--by", "Ana", "--json"),
        ],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "200"},
    )
    os.close(theirs)
    try:
        assert "Pick 2, with commas" in _until(ours, "see them: ")
        os.write(ours, b"none: warmer light\n")
        _until(ours, "hero: none of these (warmer light), by Ana in the terminal")
        assert "stills, round 2" in _until(ours, "see them: ")  # a row of the table
        os.write(ours, b"none: colder\n")
        assert "cannot be bought again any more" in _until(ours, "see them: ")
        os.write(ours, b"neon, 1\n")
        _until(ours, "hero: neon, studio, by Ana in the terminal")
        _until(ours, "there is no such word")
        out, _ = process.communicate(timeout=240)
        said = call("receipt", json.loads(out)["run_id"]).out
        assert "hero: neon, studio, picked by Ana in the terminal" in said
        assert bought(service)["z-image"] == 4
    finally:
        process.kill()
        process.communicate()
        os.close(ours)


def _until(terminal: int, word: str) -> str:
    """What the terminal shows until a word comes, or until the other end is closed."""
    shown = ""
    with contextlib.suppress(OSError):
        while word not in shown:
            shown += os.read(terminal, 65536).decode(errors="replace")
    return shown
