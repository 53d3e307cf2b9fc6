"""Questions as the terminal asks them."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from rivya_flows.cli.terminal import confirmer, question_lines
from rivya_flows.questions.open_questions import read_candidates
from rivya_flows.questions.question import NextRound, Question
from rivya_flows.queue.items import Score
from support.naive_service import NOON

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


def test_the_numbers_of_many_choices_are_aligned() -> None:
    many = replace(HERO, choices=tuple("abcdefghij"))
    assert (question_lines(many, {})[1], question_lines(many, {})[10]) == ("   1  a", "  10  j")


def test_form_numbers_the_choices_and_names_their_files() -> None:
    candidates: Any = tuple(
        {"key": key, "asset": {"sha256": key, "path": f"/store/{key}"}} for key in ("a", "bcd")
    )
    question = Question("hero", "", "Which one?", ("a", "bcd"), read_candidates(candidates))
    assert question_lines(question, {"a": "/run/hero.png"}) == [
        "Which one?",
        "  1  a    /run/hero.png",
        "  2  bcd  /store/bcd",
    ]


def test_a_long_key_does_not_move_the_files_of_all_others() -> None:
    long = "k" * 300
    candidates: Any = tuple(
        {"key": key, "asset": {"path": f"/store/{key[0]}"}} for key in ("a", long)
    )
    question = replace(HERO, choices=("a", long), candidates=read_candidates(candidates))
    assert question_lines(question, {})[1:] == [
        f"  1  {'a':<40}  /store/a",
        f"  2  {long}  /store/k",
    ]


def test_numbers_that_are_keys_of_other_choices_are_not_shown() -> None:
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
import asyncio, sys, webbrowser
from pathlib import Path
from types import SimpleNamespace
from rivya_flows.cli.interrupts import Interrupts
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
                        again=NextRound(3, 3, 3), note_room=int(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        print(await handler(question, report))

asyncio.run(ask())
"""


def run_at_terminal(
    code: str, typed: bytes, *arguments: object, **environment: str
) -> tuple[str, str]:
    """What a program with a person at its terminal prints, and what the terminal shows."""
    ours, theirs = pty.openpty()
    os.write(ours, typed)
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env=os.environ | environment,
        timeout=240,
        check=True,
    )
    os.close(theirs)
    with os.fdopen(ours, "rb") as terminal:
        return done.stdout, " ".join(terminal.read1().decode().split())


def answered(typed: bytes, times: int = 1, room: int = 20) -> tuple[list[str], str]:
    """The answers to a question that is asked so often, and what the terminal showed."""
    printed, shown = run_at_terminal(ASK, typed, room, times, TERM="dumb")
    return printed.splitlines(), shown


NOTE = "none buys 3 again for 3 credits; a note for the next round (Enter for none, Ctrl-D to go back):"


def test_none_at_a_terminal_asks_for_the_note_before_it_buys() -> None:
    noted, bare, back = b"none\nwarmer light\n", b"None:\n\n", b"none\n\x04neon\n"
    long = b"none\n" + b"long note, " * 4 + b"\n" + b"none: warmer\n"
    said, shown = answered(noted + bare + back + long, times=4)
    assert said == ["none: warmer light", "none", "neon", "none: warmer"]
    assert shown.count(NOTE) == 4
    assert "write at most 20" in shown
    said, shown = answered(b"none\n", room=0)
    assert (said, NOTE in shown) == (["none"], False)


def test_open_at_a_terminal_shows_the_contact_sheet_and_asks_on() -> None:
    said, shown = answered(b"open\nstudio\n")
    assert said == ["file:///run/contact-sheet.html", "studio"]
    assert shown.count("answer, or open to see them:") == 2


CONFIRM = """
import asyncio, os
from rivya_flows.cli.terminal import confirmer
confirm = confirmer(yes=False, as_json=False)
print(*(asyncio.run(confirm("This buys.")) for _ in range(5)))
print(confirmer(yes=False, as_json=True))
os.environ["CI"] = "true"
print(confirmer(yes=False, as_json=False))
"""


def test_a_person_confirms_a_purchase_with_y_and_nobody_is_asked_for_json_or_in_ci() -> None:
    printed, shown = run_at_terminal(CONFIRM, b"y\nYES\nno\n\n\x04", CI="")
    assert shown.count("This buys. Go on? [y/N]") == 5
    assert printed == "True True False False False\nNone\nNone\n"


async def test_without_a_person_only_yes_confirms_and_says_what_it_buys(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert confirmer(yes=False, as_json=False) is None
    agree = confirmer(yes=True, as_json=True)
    assert agree is not None
    assert await agree("This buys.")
    assert capsys.readouterr().err == "This buys.\n"
