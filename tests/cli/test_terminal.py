"""What the terminal asks, and what a person reads at the end of a run."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.cli.session import confirmer
from rivya_flows.cli.terminal import answer_commands, end, question_lines, with_spec_here
from rivya_flows.questions.open_questions import read_candidates
from rivya_flows.questions.question import NextRound, Question
from rivya_flows.queue.events import PurchaseIntended, PurchaseUnanswered, Stamped
from rivya_flows.queue.items import Score
from rivya_flows.receipt.continuing import resume_options
from rivya_flows.receipt.report import RunReport, write_report
from rivya_flows.receipt.summary import sentence
from rivya_flows.store.assets import AssetStore
from support.naive_service import NOON, NaiveService, Rehearsal, frozen
from support.receipts import parsed
from support.screens import Screens

HERO = Question("hero", "", "Which one?", ("studio", "neon"))


@pytest.fixture
def kolkata(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("kolkata")
def test_a_form_says_in_local_time_until_when_it_is_open_and_what_follows() -> None:
    noon = datetime(2199, 11, 25, 12, tzinfo=UTC)
    opened, *choices = question_lines(replace(HERO, deadline=noon, on_timeout="first"), {})[1:]
    assert re.fullmatch(
        r"Open until 2199-11-25 17:30 IST, in \d+ days; after that the first one is taken\.", opened
    )
    past = question_lines(replace(HERO, deadline=NOON), {})[1]
    assert re.search("2026-11-25 17:30 IST, .+ ago; after", past)
    assert choices == ["  1  studio", "  2  neon"]
    assert question_lines(HERO, {})[1] == "  1  studio"


def test_form_numbers_the_choices_and_names_their_files() -> None:
    def form(*keys: str) -> list[str]:
        assets = {key: {"kind": "image", "sha256": key, "path": f"/store/{key[0]}"} for key in keys}
        candidates: Any = [{"key": key, "asset": asset} for key, asset in assets.items()]
        question = replace(HERO, choices=keys, candidates=read_candidates(candidates))
        return question_lines(question, {"a": "/run/hero.png"} if "bcd" in keys else {})

    assert form("a", "bcd") == ["Which one?", "  1  a    /run/hero.png", "  2  bcd  /store/b"]
    long = "k" * 300
    assert form("a", long)[1:] == [f"  1  {'a':<40}  /store/a", f"  2  {long}  /store/k"]
    many = question_lines(replace(HERO, choices=tuple("abcdefghij")), {})
    assert (many[1], many[10]) == ("   1  a", "  10  j")
    # A number that is the key of another choice is not shown.
    assert question_lines(replace(HERO, choices=("0", "1")), {})[1:] == ["    0", "    1"]


def test_what_a_judge_says_is_below_each_choice_on_one_line() -> None:
    scores = [Score("studio", 7.5, "clear\x1b[2J\nlabel"), Score("neon", 3, "")]
    made: Any = [{"key": key, "asset": {"kind": "image"}} for key in HERO.choices]
    question = replace(HERO, candidates=read_candidates(made, scores, ("studio",)))
    assert question_lines(question, {})[1:] == [
        "  1  studio",
        r"     7.5 of 10, proposed: clear\x1b[2J\nlabel",
        "  2  neon",
        "     3 of 10",
    ]
    failed = replace(HERO, judge_error="it gave no usable scores")
    assert question_lines(failed, {})[-1] == "no scores: it gave no usable scores"


def test_a_candidate_that_is_a_text_is_shown_with_its_words() -> None:
    said: Any = {"key": "studio", "json": {"slogan": "Light\x1b[2J,\nquietly", "score": 7}}
    long = {"key": "neon", "text": "word " * 100}
    shown = question_lines(replace(HERO, candidates=read_candidates((said, long))), {})[1:]
    assert shown[:3] == [
        "  1  studio",
        r"     score: 7 / slogan: Light\x1b[2J, / quietly",
        "  2  neon",
    ]
    assert (len(shown[3].strip()), shown[3][-1]) == (300, "…")


def test_it_says_how_to_answer_with_more_than_a_key() -> None:
    again = NextRound(3, 3, 6)
    question = replace(HERO, count=2, rounds_left=2, again=again, note_room=80)
    assert question_lines(question, {})[-1] == (
        "Pick 2, with commas between them, or none: NOTE to buy 3 again for 3–6 credits with the note,"
        " at most 2 times more."
    )
    assert question_lines(replace(HERO, round=1), {})[1] == "round 2"
    question = replace(HERO, rounds_left=1, again=again, note_room=0)
    assert (
        question_lines(question, {})[-1]
        == "Pick one, or none to buy 3 again for 3–6 credits, at most once more."
    )


ASK = """
import asyncio, webbrowser
from pathlib import Path
from types import SimpleNamespace
from rivya_flows.cli.session import Interrupts
from rivya_flows.cli.terminal import at_terminal
from rivya_flows.runs.execution import Caller
from rivya_flows.questions.open_questions import read_candidates
from rivya_flows.questions.question import NextRound, Question

webbrowser.open = lambda address: print(address) or True

async def report():
    return SimpleNamespace(sheet_path=Path("/run/contact-sheet.html"), media_paths={})

async def ask():
    handler = at_terminal(Caller(None, None), Interrupts(asyncio.current_task()), "ana").ask
    candidates = read_candidates([{"key": one, "text": one} for one in ("studio", "neon")])
    question = Question("hero", "", "Which one?", ("studio", "neon"), candidates, rounds_left=1,
                        again=NextRound(3, 3, 3), note_room=ROOM)
    for _ in range(TIMES):
        print(await handler(question, report))

asyncio.run(ask())
"""
NOTE = "none buys 3 again for 3 credits; a note for the next round (Enter for none, Ctrl-D to go back):"


def answered(
    screens: Screens, typed: bytes, times: int = 1, room: int = 20
) -> tuple[list[str], str]:
    """The answers to a question that is asked so often, and what the terminal showed."""
    code = ASK.replace("ROOM", str(room)).replace("TIMES", str(times))
    screen = screens(code, typed=typed, piped=True, TERM="dumb")
    return screen.printed.splitlines(), " ".join(screen.shown.split())


def test_none_at_a_terminal_asks_for_the_note_before_it_buys(screens: Screens) -> None:
    noted, bare, back = b"none\nwarmer light\n", b"None:\n\n", b"none\n\x04neon\n"
    long = b"none\n" + b"long note, " * 4 + b"\n" + b"none: warmer\n"
    answers, shown = answered(screens, noted + bare + back + long, times=4)
    assert answers == ["none: warmer light", "none", "neon", "none: warmer"]
    assert shown.count(NOTE) == 4
    assert "write at most 20" in shown
    answers, shown = answered(screens, b"none\n", room=0)
    assert (answers, NOTE in shown) == (["none"], False)


def test_open_at_a_terminal_shows_the_contact_sheet_and_asks_on(screens: Screens) -> None:
    answers, shown = answered(screens, b"open\nstudio\n")
    assert answers == ["file:///run/contact-sheet.html", "studio"]
    assert shown.count("answer, or open to see them:") == 2


CONFIRM = """
import asyncio, os
from rivya_flows.cli.session import confirmer
confirm = confirmer(yes=False, as_json=False)
print(*(asyncio.run(confirm("This buys.")) for _ in range(5)))
print(confirmer(yes=False, as_json=True))
os.environ["CI"] = "true"
print(confirmer(yes=False, as_json=False))
"""


def test_a_person_confirms_a_purchase_with_y_and_nobody_is_asked_for_json_or_in_ci(
    screens: Screens,
) -> None:
    screen = screens(CONFIRM, typed=b"y\nYES\nno\n\n\x04", piped=True, CI="")
    assert " ".join(screen.shown.split()).count("This buys. Go on? [y/N]") == 5
    assert screen.printed == "True True False False False\nNone\nNone\n"


async def test_without_a_person_only_yes_confirms_and_says_what_it_buys(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert confirmer(yes=False, as_json=False) is None
    agree = confirmer(yes=True, as_json=True)
    assert agree is not None
    assert await agree("This buys.")
    assert capsys.readouterr().err == "This buys.\n"


SPEC = """
version: 1
name: texts
inputs:
  words: {type: list, of: string}
steps:
  talk:
    uses: chat
    foreach: ${{ inputs.words }}
    with: {model: gemini-2-5-flash-chat, message: "${{ item }}"}
outputs:
  lines: ${{ inputs.words }}
"""


def ended(rehearsal: Rehearsal, folder: Path) -> RunReport:
    """The report of a rehearsal."""
    entries = [Stamped(n, NOON.timestamp() + n, one) for n, one in enumerate(rehearsal.journal, 1)]
    store = AssetStore((folder / "assets").as_uri(), folder / "copies")
    return write_report(entries, folder / "run", store)


@pytest.mark.parametrize(("count", "last"), [(12, "word 11"), (13, "and 2 more")])
def test_of_very_many_outputs_the_first_are_listed_and_the_rest_counted(
    count: int, last: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rehearsal = Rehearsal(frozen(SPEC, words=[f"word {n}" for n in range(count)]), NaiveService())
    rehearsal.take_up()
    rehearsal.run()
    report = ended(rehearsal, tmp_path)
    assert end(report, as_json=False, open_sheet=False) == 0
    lines = [
        line[16:]
        for line in capsys.readouterr().out.splitlines()
        if line[2:16].strip() in ("", "lines")
    ]
    listed = [line for line in lines if line]
    assert (listed[0], listed[-1], len(listed)) == ("word 0", last, 12)


def test_after_a_wrong_output_the_spec_is_mended_and_not_the_run_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = SPEC.replace(
        "lines: ${{ inputs.words }}", "lines: ${{ steps.talk.by[steps.talk.items[0].text].text }}"
    )
    rehearsal = Rehearsal(frozen(wrong, words=["one"]), NaiveService())
    rehearsal.take_up()
    rehearsal.run()
    report = ended(rehearsal, tmp_path)
    assert end(report, as_json=False, open_sheet=False) == 1
    told = capsys.readouterr()
    assert "output lines failed: steps.talk.by has no " in told.out
    assert f"rivya-flows fork {report.run_id} --spec spec.yaml" in told.err
    assert "resume with" not in told.err
    assert "output lines &mdash; steps.talk.by has no" in report.sheet_path.read_text()


def test_a_purchase_without_an_answer_may_be_paid_and_does_not_count_as_running(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rehearsal = Rehearsal(frozen(SPEC, words=["one"]), NaiveService())
    rehearsal.take_up()
    while not isinstance(rehearsal.journal[-1], PurchaseIntended):
        rehearsal.advance(0)
    [(step, item)] = rehearsal.state.each()
    rehearsal.feed(PurchaseUnanswered(step=step, key=item.key, n=1, reason="no answer"))
    report = ended(rehearsal, tmp_path)
    end(report, as_json=False, open_sheet=False)
    told = capsys.readouterr().err
    assert "still running" not in told
    assert (
        "may be paid: talk[one] (1 credit, unanswered); resume asks the service, and buys "
        "nothing twice" in told
    )


def test_each_choice_has_a_command_that_answers_and_is_quoted_for_the_shell() -> None:
    def answers(key: str, *choices: str) -> list[str]:
        lines = answer_commands("run-1", [Question("hero", key, "?", choices)])
        return [line.removeprefix("rivya-flows resume run-1 --answer ") for line in lines]

    assert answers("", "studio", "neon") == ["hero=studio", "hero=neon"]
    assert answers("a b", "it's") == ["""'hero[a b]=it'"'"'s'"""]
    many = answers("", *(f"lamp, {number}" for number in range(13)))
    assert many == ["'hero=lamp, 0'  # or another of the 13"]


def test_many_failed_jobs_of_a_step_are_bought_again_with_one_option() -> None:
    def options(status: str, count: int, code: str = "job_failed") -> str:
        items = [{"key": f"s {number}", "code": code} for number in range(count)]
        steps = [{"id": "stills", "items": items}]
        return resume_options(parsed({"status": status, "steps": steps}))

    assert options("failed", 1) == " --regenerate 'stills[s 0]'"
    assert options("failed", 4) == " --regenerate stills"
    assert options("failed", 1, "unexpected_answer") == " --regenerate 'stills[s 0]'"
    assert options("cancelled", 1) == options("cancelled", 4) == ""


def test_another_budget_is_no_advice_about_a_pool() -> None:
    def refused(*pools: str | None) -> dict[str, Any]:
        items = [{"key": "", "code": "over_budget", "pool": pool} for pool in pools]
        return {"status": "failed", "steps": [{"id": "stills", "items": items}]}

    assert resume_options(parsed(refused("acme"))) == ""
    assert resume_options(parsed(refused("acme", None))) == " --budget N"
    priced = refused(None) | {"credits": {"enough": 41}}
    assert resume_options(parsed(priced)) == " --budget 41"


def ended_in(status: str, **steps: list[str]) -> dict[str, Any]:
    """A receipt with a status for each item of each step."""
    return {
        "status": status,
        "credits": {"spent": 4, "saved": 0},
        "steps": [
            {"id": step, "status": items[0], "items": [{"status": one} for one in items]}
            for step, items in steps.items()
        ],
    }


def test_the_sentence_of_a_run_says_what_failed_and_counts_what_was_allowed_to() -> None:
    def words(status: str, **steps: list[str]) -> str:
        return sentence(parsed(ended_in(status, **steps)))

    stills, one = ["completed"] * 4, ["completed", "failed"]
    told = words("failed", stills=stills, film=["failed"], spot=["skipped"])
    assert told == "film; done: 4 of 4 stills; 4 credits"
    many = words("failed", **{step: ["failed", "completed"] for step in "abcde"})
    assert many.startswith("a, b, c and 2 more; done: ")
    assert words("failed", stills=one, film=["failed"]) == "film; done: 1 of 2 stills; 4 credits"
    assert words("completed", stills=one) == "1 of 2 stills; 4 credits"


def test_the_path_of_a_spec_is_that_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shop" / "runs" / "run-1"
    receipt = parsed({"spec": {"file": "specs/film.yaml"}})
    (tmp_path / "shop" / "specs").mkdir(parents=True)
    (tmp_path / "shop" / "specs" / "film.yaml").touch()
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    found = with_spec_here(receipt, folder).spec.file
    assert found == "../shop/specs/film.yaml"
    assert with_spec_here(receipt, None) is receipt
