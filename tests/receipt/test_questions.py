"""Questions as people see them: titles, commands, and the Markdown page."""

from __future__ import annotations

import functools
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings, strategies as st
from markdown_it import MarkdownIt

from rivya_flows.assets import Asset
from rivya_flows.questions.open_questions import read_candidates
from rivya_flows.questions.question import Answer, NextRound, Question
from rivya_flows.queue.items import Score
from rivya_flows.receipt.questions import (
    MediaLinks,
    answer_line,
    deadline_note,
    digest_of,
    questions_page,
)
from support.naive_service import NOON, NaiveService, Rehearsal, frozen
from support.samples import examples

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


FILM = """
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: push in, references: ["${{ steps.hero.asset }}"]}
"""


def asked(spec: str = SPEC) -> Rehearsal:
    run = Rehearsal(frozen(spec).model_copy(update={"budget": 40}), NaiveService())
    run.take_up()
    run.run()
    return run


def address(asset: Asset) -> str | None:
    return asset.url


LINKS = MediaLinks(address, lambda _: None)


def page(question: Question) -> str:
    return questions_page(asked().state, [question], LINKS)


def candidate(key: str, **asset: Any) -> dict[str, Any]:
    made = {"kind": "image", "url": "https://media.example/x.png", "sha256": "-", **asset}
    return {"key": key, "credits": 1, "asset": made}


def test_the_digest_of_a_form_follows_from_questions_and_choices_alone() -> None:
    digest = digest_of([HERO, BUDGET])
    assert re.fullmatch(r"[0-9a-f]{12}", digest)
    assert digest == digest_of([BUDGET, replace(HERO, deadline=NOON, text="Which?")])
    assert digest != digest_of([HERO])
    assert digest != digest_of([BUDGET, replace(HERO, choices=("studio", "street"))])


def test_titles_tell_the_items_of_a_fan_out_apart() -> None:
    assert HERO.title == "Which one?"
    assert replace(HERO, key="summer").title == "Which one? (summer)"


JUDGED = replace(HERO, deadline=NOON, on_timeout="judge")
AGAIN = replace(JUDGED, rounds_left=1)


@pytest.mark.parametrize(
    ("question", "follows"),
    [
        (replace(HERO, deadline=NOON), "the step fails"),
        (replace(HERO, deadline=NOON, on_timeout="first"), "the first one is taken"),
        (JUDGED, "the step fails"),
        (replace(JUDGED, proposal=("neon",)), "what the judge proposes is taken"),
        (AGAIN, "the candidates are bought again"),
        (replace(AGAIN, judge_error="nonsense"), "the step fails"),
    ],
)
def test_a_deadline_is_told_with_what_follows(question: Question, follows: str) -> None:
    assert deadline_note(question) == f"Open until 2026-11-25 12:00 UTC; after that {follows}."
    assert deadline_note(HERO) == ""


def test_a_page_of_questions_has_the_price_of_what_follows_and_not_the_rest_of_the_budget() -> None:
    run = asked(SPEC + FILM.removeprefix("\n"))
    shown = questions_page(run.state, run.asked[-1].questions, LINKS)
    assert shown.endswith("the run continues and buys what follows, for at most 10 credits.")


def test_candidates_have_number_key_price_picture_and_what_tells_them_apart() -> None:
    [question] = asked().asked[-1].questions
    assert page(question).split("\n\n") == [
        "### Which one?",
        "A desk lamp on an oak table",
        "**1 · studio** · 1 credit",
        "![studio](<https://media.example/stills-studio>)",
        "… studio style",
        "**2 · neon** · 1 credit",
        "![neon](<https://media.example/stills-neon>)",
        "… neon style",
        "Answer in this form, or in a terminal: `rivya-flows resume run-1 --answer hero=NUMBER`",
        "With an answer the run continues and buys nothing more.",
    ]


def test_a_judge_speaks_below_the_picture_and_its_proposal_is_marked() -> None:
    scores = [Score("a", 4, "cut off"), Score("b", 8.5, "whole\nand *lit*")]
    choices = read_candidates((candidate("a"), candidate("b")), scores, ("b",))
    shown = page(replace(HERO, choices=("a", "b"), candidates=choices, proposal=("b",)))
    assert "**1 · a** · 1 credit · 4 of 10\n" in shown
    assert "**2 · b** · 1 credit · 8.5 of 10 · **proposed by the judge**\n" in shown
    assert "> whole and \\*lit\\*" in shown
    failed = page(replace(HERO, judge_error="it <answered> nonsense"))
    assert "no scores: it &lt;answered&gt; nonsense" in failed


def test_a_later_round_says_what_was_noted_and_that_none_buys_again() -> None:
    run = asked()
    run.state.change(
        "hero", run.state.item("hero", "")._replace(round=1, notes=("warmer *light*",))
    )
    again = replace(HERO, round=1, rounds_left=2, again=NextRound(3, 3, 3), note_room=80)
    buys = "or none of these to buy 3 again for 3 credits with what you write below, at most"
    shown = questions_page(run.state, [again], LINKS)
    assert "**round 2, with the note: warmer \\*light\\***" in shown
    assert f"Pick one, {buys} 2" in shown
    assert f"Pick 2, {buys} once" in page(replace(again, count=2, rounds_left=1, round=0))


def test_keys_with_commas_are_told_apart() -> None:
    answer = Answer(("neon, 9:16", "neon, 1:1"), name="Ana", channel="form").event(HERO, NOON)
    assert answer_line(answer) == "hero: neon, 9:16; neon, 1:1, by Ana in Prefect's form"


FILM_OF_B = candidate("b", kind="video", url="https://media.example/b.mp4", duration_seconds=5.04)
SOUND_OF_B = candidate("b", kind="audio", url="https://media.example/b.mp3")
SMALL = MediaLinks(address, lambda _: "https://media.example/s")


TEXT = {"key": "a", "text": "Wake **up**"}


@pytest.mark.parametrize(
    ("links", "made", "lines"),
    [
        (SMALL, [candidate("b")],
         "| ![b](<https://media.example/s>) |\n\n**1 · b** · 1 credit · [full size](<https://media.example/x.png>)"),
        (SMALL, [TEXT, candidate("b")],
         "![b](<https://media.example/s>)\n\n[full size](<https://media.example/x.png>)"),
        (SMALL, [FILM_OF_B],
         "![b](<https://media.example/s>)\n\n[play the film, 5 s](<https://media.example/b.mp4>)"),
        (LINKS, [FILM_OF_B], "· 1 credit\n\n[play the film, 5 s](<https://media.example/b.mp4>)"),
        (LINKS, [SOUND_OF_B], "· 1 credit\n\n[play the sound](<https://media.example/b.mp3>)"),
        (LINKS, [TEXT], "> Wake \\*\\*up\\*\\*"),
        (LINKS, [{"key": "b", "json": {"line": "Go"}}], "> line: Go"),
    ],
    ids=["pictures alone", "a picture", "a film with a still", "film", "sound", "text", "fields"],
)  # fmt: skip
def test_a_candidate_is_shown_as_what_it_is(
    links: MediaLinks, made: list[dict[str, Any]], lines: str
) -> None:
    question = replace(HERO, candidates=read_candidates(made))
    assert lines in questions_page(asked().state, [question], links)


def test_a_number_that_is_the_key_of_another_candidate_is_not_shown() -> None:
    two = (candidate("0"), candidate("1"))
    shown = page(replace(HERO, choices=("0", "1"), candidates=read_candidates(two)))
    assert "**0** · 1 credit" in shown
    assert "--answer hero=KEY" in shown


def test_a_budget_is_a_sentence() -> None:
    assert page(BUDGET) == (
        "### Raise it to 8?\n\nAnswer in this form, or in a terminal:"
        " `rivya-flows resume run-1 --answer budget=yes`"
    )


def read(page: str) -> tuple[list[str], str]:
    """What a reader of Markdown finds: kinds of tokens apart from those of plain text, and the text."""
    kinds, words = [], []
    for block in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(page):
        tokens = block.children if block.children is not None else [block]
        kinds += [one.type for one in tokens if not one.type.endswith("_close")]
        words += [one.content for one in tokens if one.type in ("text", "text_special")]
    plain = ("text", "text_special", "paragraph_open", "hardbreak")
    return [one for one in kinds if one not in plain], " ".join(words)


def hostile_page(words: str) -> str:
    """A page that has these words in every place that foreign text has."""
    run = asked()
    item = run.state.item("hero", "")._replace(round=1, notes=(words,))
    state = run.state
    state.change("hero", item)
    made = (candidate(words), candidate("b"), {"key": "c", "text": words})
    question = replace(
        HERO, text=words, round=1, judge_error=words, choices=(words, "b"),
        candidates=read_candidates(made, [Score(words, 7, words)]),
    )  # fmt: skip
    return questions_page(state, [question], LINKS)


@functools.cache
def plain_page() -> tuple[list[str], str]:
    return read(hostile_page("plain"))


ATTACKS = [
    HOSTILE, "<!-- x", "&lt;b&gt; &amp;#58; &#58;", "![x](https://evil.example/p.png)", "[x]: /y", "[x][y]",
    "<https://evil.example>", "---", "===", "1. x", "- x", "> x", "    code", "```\nx", "$x$", "| a | b |\n| - | - |",
]  # fmt: skip


@pytest.mark.parametrize("words", ATTACKS)
def test_no_sign_of_foreign_text_means_anything_to_markdown(words: str) -> None:
    found, written = read(hostile_page(words))
    assert found == plain_page()[0]
    assert "".join(words.split()) in "".join(written.replace("\u2060", "").split())


@settings(max_examples=examples(60))
@given(st.text(max_size=60) | st.text("|\\*_`<>[]()!&#;~$-+=.1 \n", max_size=30))
def test_no_text_at_all_means_anything_to_markdown(words: str) -> None:
    bare = "".join(one for one in words if one.isprintable()).strip()
    assume(bare)
    found, _ = read(hostile_page(f"x{bare}x"))
    assert found == plain_page()[0]


def test_addresses_in_texts_become_no_links() -> None:
    shown = page(
        replace(HERO, text="https://evil.example ftp://e.example www.e.example a@b.example")
    )
    for link in ("https://", "ftp://", "www.e", "a@b"):
        assert link not in shown.splitlines()[0]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://x.example/a b) [c](d", "](<https://x.example/a%20b%29%20%5Bc%5D%28d>)"),
        ("https://x.example/%41?a=1&b=%20", "](<https://x.example/%41?a=1&b=%20>)"),
        ("https://x.example/a|b<c>", "](<https://x.example/a%7Cb%3Cc%3E>)"),
        ("javascript:alert(1)", "no address for a browser"),
        ("file:///etc/passwd", "no address for a browser"),
        (None, "no address for a browser"),
    ],
)
def test_an_address_stays_within_its_brackets(url: str | None, shown: str) -> None:
    assert shown in page(replace(HERO, candidates=read_candidates([candidate("a", url=url)])))
