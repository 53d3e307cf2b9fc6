"""Questions as people see them: field names, titles, commands, and the Markdown page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from rivya_flows.planning.questions.presentation import (
    as_text,
    deadline_note,
    digest_of,
    form_fields,
    questions_page,
    title,
)
from rivya_flows.planning.queue.actions import Question
from support.naive_service import NOON, NaiveService, Rehearsal, frozen

SPEC = """
version: 1
name: launch
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "A desk lamp on an oak table, ${{ matrix.style }} style"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human, question: Which one?}
"""
HERO = Question("hero", "", "Which one?", ("studio", "neon"))
BUDGET = Question("$budget", "8", "Raise it to 8?", ("yes", "no"))
HOSTILE = (
    "a|b\\|c](javascript:alert(1)) <img src=x onerror=alert(1)> `x` **y** _z_ ~~q~~\n\n# h\n| 1 |"
)


def asked() -> Rehearsal:
    run = Rehearsal(frozen(SPEC), NaiveService())
    run.take_up()
    run.run()
    return run


def address(asset: Mapping[str, Any]) -> str | None:
    found: str | None = asset["url"]
    return found


def page(question: Question) -> str:
    return questions_page(asked().state, [question], address)


def candidate(key: str, **asset: Any) -> dict[str, Any]:
    made = {"kind": "image", "url": "https://media.example/x.png", "sha256": "-", **asset}
    return {"key": key, "credits": 1, "asset": made}


def test_a_field_is_called_as_its_step_and_the_budget_as_people_say() -> None:
    asked = [HERO, replace(HERO, step="stills", key="neon, 9:16"), BUDGET]
    assert list(form_fields(asked)) == ["hero", "stills_neon_9_16", "budget"]


def test_the_digest_of_a_form_follows_from_questions_and_choices_alone() -> None:
    digest = digest_of([HERO, BUDGET])
    assert re.fullmatch(r"[0-9a-f]{12}", digest)
    assert digest == digest_of([BUDGET, replace(HERO, deadline=NOON, text="Which?")])
    assert digest != digest_of([HERO])
    assert digest != digest_of([BUDGET, replace(HERO, choices=("studio", "street"))])


def test_titles_tell_the_items_of_a_fan_out_apart() -> None:
    assert title(HERO) == "Which one?"
    assert title(replace(HERO, key="summer")) == "Which one? (summer)"
    assert title(BUDGET) == "Raise it to 8?"


def test_a_deadline_is_told_with_what_follows() -> None:
    assert deadline_note(HERO) == ""
    due = replace(HERO, deadline=NOON)
    assert deadline_note(due) == "Open until 2026-11-25 12:00 UTC; after that the pick fails."
    assert deadline_note(replace(due, on_timeout="first")).endswith(
        "after that the first one is taken."
    )


def test_candidates_stand_side_by_side_with_what_tells_them_apart() -> None:
    [question] = asked().asked[-1].questions
    assert page(question).splitlines() == [
        "### Which one?",
        "",
        "A desk lamp on an oak table",
        "",
        "| **studio** | **neon** |",
        "| :-: | :-: |",
        "| ![studio](https://media.example/stills-studio) "
        "| ![neon](https://media.example/stills-neon) |",
        "| … studio style, 1 credit | … neon style, 1 credit |",
    ]


@pytest.mark.parametrize(
    ("count", "shape", "rows"),
    [
        (4, {}, [4]),
        (5, {}, [3, 2]),
        (6, {}, [3, 3]),
        (8, {"width": 768, "height": 1344}, [4, 4]),
        (4, {"width": 1344, "height": 768}, [2, 2]),
        (1, {"width": 1344, "height": 768}, [1]),
    ],
)
def test_many_candidates_make_rows_that_are_alike(
    count: int, shape: dict[str, Any], rows: list[int]
) -> None:
    many = replace(HERO, candidates=tuple(candidate(str(one), **shape) for one in range(count)))
    shown = [line for line in page(many).splitlines() if line.startswith("| **")]
    assert [row.count("**") // 2 for row in shown] == rows


def test_films_and_sounds_are_links() -> None:
    film = candidate("a", kind="video", url="https://media.example/a.mp4", duration_seconds=5.04)
    sound = candidate("b", kind="audio", url="https://media.example/b.mp3")
    shown = page(replace(HERO, candidates=(film, sound)))
    assert "[play the film, 5 s](https://media.example/a.mp4)" in shown
    assert "[play the sound](https://media.example/b.mp3)" in shown
    assert "![" not in shown


def test_a_budget_is_a_sentence() -> None:
    assert page(BUDGET) == "### Raise it to 8?"


def test_no_sign_of_a_key_or_prompt_means_anything_to_markdown() -> None:
    shown = page(replace(HERO, candidates=(candidate(HOSTILE), candidate("b"))))
    [header, rule, media, _] = [line for line in shown.splitlines() if line.startswith("|")]
    assert all(line.count("|") == 3 for line in (header, rule, media))
    assert not re.search(r"[<>`_~\\]", shown)
    assert "javascript&#58;alert" in shown
    assert shown.count("**") == 4
    assert shown.count("](") == 2


def test_text_becomes_no_link_and_survives_odd_signs() -> None:
    assert as_text("see https://evil.example or www.evil.example") == (
        "see http\u200bs&#58;&#47;&#47;evil.example or www\u200b.evil.example"
    )
    assert as_text("a@b.example") == "a\u200b&#64;b.example"
    assert as_text("1. oak") == "1&#46; oak"
    assert as_text("- oak. No - 2.5") == "&#45; oak. No - 2.5"
    assert as_text("दीपक ✨ – ok") == "दीपक ✨ – ok"
    assert as_text("\ud83d \u202e \x00") == "\ufffd \ufffd \ufffd"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://x.example/a b) [c](d", "](https://x.example/a%20b%29%20%5Bc%5D%28d)"),
        ("https://x.example/%41?a=1&b=%20", "](https://x.example/%41?a=1&b=%20)"),
        ("https://x.example/a|b<c>", "](https://x.example/a%7Cb%3Cc%3E)"),
        ("javascript:alert(1)", "no address for a browser"),
        ("file:///etc/passwd", "no address for a browser"),
        (None, "no address for a browser"),
    ],
)
def test_an_address_stays_within_its_brackets(url: str | None, shown: str) -> None:
    assert shown in page(replace(HERO, candidates=(candidate("a", url=url),)))
