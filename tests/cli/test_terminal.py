"""Questions as the terminal asks them."""

from __future__ import annotations

from dataclasses import replace

from rivya_flows.cli.terminal import question_lines
from rivya_flows.planning.queue.actions import Question
from support.naive_service import NOON

HERO = Question("hero", "", "Which one?", ("studio", "neon"))


def test_a_form_says_until_when_it_is_open_and_what_follows() -> None:
    due = replace(HERO, deadline=NOON, on_timeout="first")
    assert question_lines(due, {}) == [
        "Which one?",
        "Open until 2026-11-25 12:00 UTC; after that the first one is taken.",
        "  1  studio",
        "  2  neon",
    ]
    assert question_lines(HERO, {})[1] == "  1  studio"


def test_the_numbers_of_many_choices_are_aligned() -> None:
    many = replace(HERO, choices=tuple("abcdefghij"))
    assert (question_lines(many, {})[1], question_lines(many, {})[10]) == ("   1  a", "  10  j")


def test_form_numbers_the_choices_and_names_their_files() -> None:
    candidates = tuple(
        {"key": key, "asset": {"sha256": key, "path": f"/store/{key}"}} for key in ("a", "bcd")
    )
    question = Question("hero", "", "Which one?", ("a", "bcd"), candidates)
    assert question_lines(question, {"a": "/run/hero.png"}) == [
        "Which one?",
        "  1  a    /run/hero.png",
        "  2  bcd  /store/bcd",
    ]
