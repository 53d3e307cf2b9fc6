"""`run`, `resume`, `receipt`, `store`: real runs against the sandbox, under a real Prefect server."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
import os
import pty
import re
import shlex
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
from rivya_sandbox.service.admin import set_faults
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Said, Terminal, bought, buy_from, started, stopped
from support.composed_media import still
from support.outsiders import REVIEW

pytestmark = pytest.mark.prefect

STILLS = """
version: 1
name: pictures
budget: {credits: 3}
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "A lamp, ${{ matrix.style }}"}
"""
PICKED = f"""{STILLS}
  hero:
    uses: pick
    with:
      from: ${{{{ steps.stills.items }}}}
      mode: human
      none: {{rounds: 1}}
      question: Which one?
"""
LARGER = "uses: generate, with: {model: nano-banana-2, prompt: Larger, references: "
VOICES = """
version: 1
name: voices
budget: {credits: 17, on_unfit: pause}
steps:
  voices:
    uses: generate
    foreach: [one, two]
    with:
      model: elevenlabs-turbo-2-5
      prompt: "${{ item }}: LONG"
      params: {voice: TX3LPaxmHKxFdv7VOQHJ}
""".replace("LONG", "A long tale. " * 100)
"""Each costs twice its base price of 6, which is known when the first one is bought."""
VOICE = "elevenlabs-turbo-2-5"
ONE = """
version: 1
name: one
steps:
  picture: {uses: generate, with: {model: z-image, prompt: A lamp}}
outputs:
  picture: ${{ steps.picture.asset }}
"""
FAILS = "faults: [{on: generation, do: fail, times: 1}]"
STALLS = "faults: [{on: generation, do: stall, times: 1}]"
GONE = 'faults: [{on: "GET /media/results/*", do: status, status: 410, times: 1}]'


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


def named(said: Said, end: str) -> list[str]:
    """The arguments of the command in the line that ends so."""
    line = next(line for line in said.err.splitlines() if line.endswith(end))
    return shlex.split(line[line.index("rivya-flows ") :])[1:]


def test_run_leaves_outputs_receipt_and_true_credits(
    call: Terminal, service: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    assert call("receipt", folder, "--json").document["credits"]["spent"] == 1
    assert "completed: picture" in call("receipt", done["run_id"]).out
    again = tmp_path / "again" / folder.name
    shown = call("receipt", done["run_id"], "--out", again.parent, "--json").document
    assert shown["outputs"]["picture"]["path"] == str(again / "picture.png")
    assert (again / "contact-sheet.html").is_file()
    journal = [json.loads(line) for line in call("store", "export", folder).out.splitlines()]
    assert [entry["seq"] for entry in journal] == list(range(1, len(journal) + 1))
    assert [entry["event"]["kind"] for entry in journal[-2:]] == ["run.ended", "service.asked"]
    resumed = call("resume", folder, "--budget", 1)
    assert resumed.code == 0
    assert "already completed, so --budget changes nothing" in resumed.err
    assert bought(service) == {"z-image": 1}
    monkeypatch.setenv("RIVYA_BASE_URL", "http://127.0.0.1:9")
    elsewhere = call("resume", folder)
    assert (elsewhere.code, f"belongs to {service.base_url}" in elsewhere.err) == (2, True)


def test_a_real_wallet_is_charged_only_with_yes_or_a_cap(
    call: Terminal, service: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVYA_FLOWS_LIVE", "true")
    spec = written(tmp_path, ONE)
    said = call("run", spec, "--json")
    assert said.code == 3
    assert "Nothing was bought" in said.document["error"]["message"]
    with pytest.raises(NotConfirmedError, match="not confirmed"):
        rf.run(spec)
    assert bought(service) == {}
    confirmed = shlex.split(said.document["next"])[1:-1]
    assert confirmed == ["run", str(spec), "--json"]
    for option in (["--yes"], ["--budget", "5"]):
        said = call("run", spec, *option)
        assert said.code == 0
        assert f"the key rvya_sk_…{service.api_key[-4:]} (wallet: " in said.err
    assert "At most 1 credit (budget 5).\n" in said.err
    assert bought(service) == {"z-image": 2}
    done = rf.run(spec, yes=True)
    assert (done.status, done.document["credits"]["budget"]) == ("completed", 1)


def test_a_run_that_waits_for_reviewers_says_what_is_not_there_yet_and_who_may_answer(
    call: Terminal, tmp_path: Path
) -> None:
    said = call("run", written(tmp_path, REVIEW), "--out", tmp_path)
    assert re.search(r"^  still +not yet$", said.out, re.MULTILINE)
    [approve] = re.findall(
        r"^rivya-flows resume .* --answer sign_off=approve --by NAME$", said.err, re.MULTILINE
    )
    [sheet] = tmp_path.glob("*/contact-sheet.html")
    assert f'data-blank="{approve}"' in sheet.read_text()


def test_an_answer_that_is_no_choice_or_too_dear_buys_nothing_and_the_next_one_counts(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    first = call("run", written(tmp_path, PICKED))
    assert first.code == 0
    assert "suspended: 2 of 2 stills" in first.out
    *resumed, answer = named(first, "--answer hero=neon")
    assert call(*resumed, "hero=noir").code == 2
    dear = call(*resumed, "hero=none: warmer")
    assert dear.code == 3
    assert "over the budget: at least 4 credits, and the budget is 3" in dear.err
    assert bought(service) == {"z-image": 2}
    assert call(*resumed, "hero=none: warmer", "--budget", 4).code == 0
    assert "hero waits for an answer: Which one?" in call("receipt", "last").out
    said = call(*resumed, answer, "--by", "Ana", "--json")
    assert said.code == 0
    assert "hero: neon, by Ana with --answer\n" in said.err
    assert (said.document["status"], said.document["credits"]["spent"]) == ("completed", 4)
    assert bought(service) == {"z-image": 4}


def test_a_late_answer_counts_after_the_run_has_completed_without_it(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    spec = f"""{STILLS.replace("budget: {credits: 3}", "")}
  heroes:
    uses: pick
    foreach: [x, y]
    allow_failures: 1
    with: {{from: "${{{{ steps.stills.items }}}}", mode: human, timeout: 1s, on_timeout: fail}}
  large: {{foreach: "${{{{ steps.heroes.items }}}}", {LARGER}["${{{{ item.asset }}}}"]}}}}
"""
    run_id = call("run", written(tmp_path, spec), "--json").document["run_id"]
    time.sleep(1)  # the deadline passes
    for answer, spent in (("heroes[x]=neon", 7), ("heroes[y]=studio", 12)):
        said = call("resume", run_id, "--answer", answer, "--json").document
        assert (said["status"], said["credits"]["spent"]) == ("completed", spent)
    assert "already completed" in call("resume", run_id, "--answer", "heroes[y]=studio").err
    assert bought(service) == {"z-image": 2, "nano-banana-2": 2}


def test_a_budget_that_is_too_small_is_a_question_and_exits_3_until_it_is_answered(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    spec = VOICES.replace("credits: 17", "credits: 25").replace("two]", "two, three, four]")
    first = call("run", written(tmp_path, spec))
    assert (first.code, "Raise the budget to 36?" in first.err) == (3, True)
    raised = named(first, "--answer budget=yes")
    run_id = raised[1]
    said = call("resume", run_id)
    assert said.code == 3
    assert "error: over the budget: at least 36 credits, and the budget is 25" in said.err
    assert "give --budget 36 or more, or agree to '2 voices need 12 credits;" in said.err
    assert "Raise the budget to 36?' with --answer budget=yes; nothing was bought" in said.err
    assert bought(service) == {VOICE: 2}
    said = call(*raised)
    assert (said.code, "Raise the budget to 48?" in said.err) == (3, True)
    asked: list[str] = []

    async def ask(question: Question, _report: object) -> Answer:
        asked.append(question.text)
        return Answer(("yes",))

    caller = Caller(read_settings(), PlainRunner(), ask=ask)
    asyncio.run(resume(run_id, ResumeOptions(), caller))
    assert ["Raise the budget to 48?" in one for one in asked] == [True]
    assert bought(service) == {VOICE: 4}


def test_a_budget_that_is_not_raised_ends_the_run_with_what_it_has(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    first = call("run", written(tmp_path, VOICES))
    said = call(*named(first, "--answer budget=no"), "--json")
    assert (said.code, said.document["status"]) == (3, "failed")
    assert bought(service) == {VOICE: 1}
    assert "resume, which buys what is left for at least 12 credits, with: " in said.err
    again = named(said, " --budget 24")
    assert shlex.split(said.document["next"])[1:] == again
    assert call(*again).code == 0
    assert bought(service) == {VOICE: 2}


def test_a_resume_that_cannot_pay_the_rest_collects_paid_results(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    set_faults(service.data, GONE)
    spec = VOICES.replace(", on_unfit: pause", "")
    run_id = call("run", written(tmp_path, spec), "--json").document["run_id"]
    said = call("resume", run_id)
    assert said.code == 3
    assert "collecting paid results, buying nothing new" in said.err
    assert "voices[one] done" in said.err
    assert "nothing was bought" in call("resume", run_id).err
    assert bought(service) == {VOICE: 1}
    assert call("resume", run_id, "--budget", 24).code == 0
    assert bought(service) == {VOICE: 2}


def test_allowed_failures_are_collected_for_free_and_bought_with_more_budget(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    set_faults(service.data, GONE)
    spec = VOICES.replace("17, on_unfit: pause", "25, on_unfit: go_on").replace(
        "two]", "two, three]"
    )
    allowed = spec.replace("    foreach", "    allow_failures: 2\n    foreach")
    said = call("run", written(tmp_path, allowed), "--json")
    run_id = said.document["run_id"]
    assert (said.code, said.document["status"]) == (0, "completed")
    assert f"collect paid results with: rivya-flows resume {run_id}" in said.err
    said = call("resume", run_id)
    assert (said.code, bought(service)) == (0, {VOICE: 2})
    assert "completed: 2 of 3 voices" in said.out, "with the one that could not be fetched"
    assert "already completed" in call("resume", run_id).err
    said = call("resume", run_id, "--budget", 36, "--json")
    assert (said.code, said.document["credits"]["spent"]) == (0, 36)


def test_a_failed_job_exits_1_and_is_bought_again_only_when_asked(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    set_faults(service.data, FAILS)
    said = call("run", written(tmp_path, ONE))
    assert said.code == 1
    assert "resume, which buys picture again for 1 credit, with: " in said.err
    again = named(said, " --regenerate picture")
    run_id = again[1]
    assert call("resume", run_id).code == 1
    planned = call("resume", run_id, "--plan").err
    assert "failed, and not bought again without --regenerate: picture" in planned
    assert "not bought again" not in call(*again, "--plan").err
    assert call("resume", run_id, "--regenerate", "pictures").code == 2
    assert call("resume", run_id, "--regenerate").code == 0
    said = call(*again)
    assert (said.code, bought(service)) == (0, {"z-image": 2})
    assert "no job of picture failed; buying nothing again" in said.err


def test_what_a_prune_deleted_comes_from_the_folder_of_the_run_or_nothing_is_bought(
    call: Terminal, service: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rivya_flows.runs.retention.LOOKED_UP_SECONDS", 0)
    spec = f"""{ONE.partition("outputs")[0]}
  larger: {{{LARGER}["${{{{ steps.picture.asset }}}}"]}}}}
  other: {{uses: generate, with: {{model: z-image, prompt: A table}}}}
  poster:
    uses: layout
    with: {{image: "${{{{ steps.larger.asset }}}}", overlays: [{{media: "${{{{ steps.other.asset }}}}"}}]}}
"""
    set_faults(service.data, FAILS.replace("do:", "model: nano-banana-2, do:"))
    assert call("run", written(tmp_path, spec)).code == 1
    [run] = (tmp_path / "runs").iterdir()
    assert call("store", "prune", "--older-than", "0", "--yes").code == 0
    before, moved = bought(service), run.rename(tmp_path / "moved")
    again = ("resume", moved, "--regenerate", "larger")
    said = call("resume", run.name, *again[2:])
    assert said.code == 2
    # The second is read by a step that was skipped because the first failed.
    assert "media that the rest of the run needs are not in the store: picture, other;" in said.err
    assert f"put the folder of the run back: runs/{run.name}; or see what they" in said.err
    assert f"cost again: rivya-flows fork {run.name} --plan" in said.err
    media = read_settings().data / "assets"
    assert call(*again, "--plan").code == 0
    assert not [one for one in media.rglob("*") if one.is_file()], "a plan writes nothing"
    assert bought(service) == before
    assert call(*again).code == 0
    assert bought(service)["z-image"] == 2
    assert [*moved.glob("media/poster*")]
    assert not run.exists()


def test_a_resume_elsewhere_takes_a_file_of_the_spec_from_its_folder_or_names_that(
    call: Terminal, service: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rivya_flows.runs.retention.LOOKED_UP_SECONDS", 0)
    (tmp_path / "specs").mkdir()
    lamp = still(tmp_path / "specs" / "lamp.png", (64, 64))
    made = "model: nano-banana-2, references: [lamp.png]"
    written(tmp_path / "specs", ONE.replace("model: z-image", made))
    set_faults(service.data, FAILS)
    assert call("run", "specs/spec.yaml").code == 1
    assert call("store", "prune", "--older-than", "0", "--yes").code == 0
    monkeypatch.chdir(tmp_path.parent)
    planned = ("resume", "last", "--regenerate", "--plan")
    assert call(*planned).code == 0
    lamp.unlink()
    said = call(*planned)
    assert said.code == 2
    assert f"put lamp.png back, unchanged, in {tmp_path.name}/specs; or set" in said.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_stopped_run_goes_on_and_buys_nothing_twice(
    call: Terminal, service: Sandbox, tmp_path: Path, number: signal.Signals
) -> None:
    set_faults(service.data, STALLS)
    process = started("run", written(tmp_path, ONE))
    _, told = stopped(process, "picture bought", number)
    [run_id] = [line.split()[1][:-1] for line in told.splitlines() if line[:4] == "run "]
    if number is not signal.SIGKILL:
        assert process.returncode == 130
        assert "still running: picture (1 credit, task_" in told
        assert "paid for: resume collects it at no extra price" in told
        assert f"resume with: rivya-flows resume {run_id}" in told
    assert "1 held" in call("receipt", run_id).out
    set_faults(service.data, "")
    said = call("resume", run_id, "--json")
    assert (said.code, said.document["credits"]["spent"]) == (0, 1)
    assert bought(service) == {"z-image": 1}


def test_dead_prefect_server_is_told_before_anything_is_bought(
    service: Sandbox, tmp_path: Path
) -> None:
    dead = "http://127.0.0.1:9/api"
    process = started("run", written(tmp_path, ONE), PREFECT_API_URL=dead)
    _, told = process.communicate(timeout=240)
    assert process.returncode == 2
    assert "\nnothing was bought\nresume with: " in told
    assert f"error: no Prefect server answers at {dead}\nhint: " in told
    assert bought(service) == {}


def test_person_at_a_terminal_sees_the_files_rejects_all_and_picks_two_of_what_comes(
    call: Terminal, service: Sandbox, tmp_path: Path
) -> None:
    spec = PICKED.replace("credits: 3", "credits: 9").replace("human", "human\n      count: 2")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "rivya_flows.cli.main"),
            *("run", written(tmp_path, spec), "--json"),
        ],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "200"},
    )
    os.close(theirs)
    try:
        asked = _until(ours, "see them: ")
        assert "Pick 2, with commas" in asked
        # A terminal shows paths from the current folder, as links.
        assert re.search(r"1  studio  \x1b\]8;;file://[^\x1b]+\x1b\\runs/run-", asked)
        os.write(ours, b"noir\n")
        assert "there is no choice 'noir'" in _until(ours, "see them: ")
        os.write(ours, b"none: warmer light\n")
        by = f"by {getpass.getuser()} in the terminal"
        _until(ours, f"hero: none of these (warmer light), {by}")
        assert "stills, round 2" in _until(ours, "see them: ")  # a row of the table
        os.write(ours, b"none: colder\n")
        assert "cannot be bought again any more" in _until(ours, "see them: ")
        os.write(ours, b"neon, 1\n")
        _until(ours, f"hero: neon, studio, {by}")
        _until(ours, "there is no such word")
        out, _ = process.communicate(timeout=240)
        assert (process.returncode, json.loads(out)["status"]) == (0, "completed")
        said = call("receipt", json.loads(out)["run_id"]).out
        assert f"hero: neon, studio, picked {by}" in said
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
