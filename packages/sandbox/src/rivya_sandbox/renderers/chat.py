"""Answers of the simulated chat models: rules, not a language model, and they say so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rivya_sandbox.renderers import copywriting
from rivya_sandbox.renderers.brief import Brief, understand
from rivya_sandbox.renderers.conversation import parse_message
from rivya_sandbox.renderers.rating import Scale, reviews_of, scale_of
from rivya_sandbox.renderers.review import Review
from rivya_sandbox.renderers.schema import fit_to
from rivya_sandbox.renderers.shape import Question, count_asked, fill

_NOTE = "[Sandbox answer: written by simple rules, not by a language model.]"
_MOST = 10  # texts of a kind in an answer without a shape
# Texts that a message can ask for, their name in the answer, and their writer.
_ASKED = (
    ("headline", "Headline", copywriting.headline),
    ("tagline", "Tagline", copywriting.tagline),
    ("slogan", "Slogan", copywriting.tagline),
    ("caption", "Caption", copywriting.caption),
    ("subject line", "Subject line", copywriting.subject_line),
    ("description", "Description", copywriting.description),
    ("hashtag", "Hashtag", copywriting.keyword),
    ("summar", "Summary", copywriting.summary),
    ("शीर्षक", "शीर्षक", copywriting.headline),
    ("टैगलाइन", "टैगलाइन", copywriting.tagline),
    ("कैप्शन", "कैप्शन", copywriting.caption),
)


def reply(message: str, history: Sequence[tuple[str, str]], pictures: Sequence[Path] = ()) -> str:
    """The answer to one message of a session.

    Args:
        message: As sent. If it holds an instruction, the answer is one JSON object of the
            shape or the JSON Schema that follows it, filled with copy for the product of the message and with
            judgements of its candidates.
        history: ``(role, content)`` of earlier turns, oldest first. What the message lacks
            (product, language) comes from the latest earlier user message that has it.
        pictures: Files of the attached images, which may be damaged.

    Returns:
        Equal answers for equal arguments.
    """
    asked = parse_message(message, history)
    brief = understand(asked.text, asked.earlier, tuple(_names(asked.shape)))
    reviews = reviews_of(asked.text, pictures)
    if asked.shape is None:
        scale = scale_of(asked.text)
        return _write_scores(reviews, scale) if scale else _short_answer(brief, asked.text)
    question = Question(brief, asked.text, reviews, counted=bool(pictures) or len(reviews) > 1)
    answer = fill(asked.shape, question)
    if asked.schema is not None:
        answer = fit_to(asked.schema, answer)
    return json.dumps(answer, ensure_ascii=False)


def _names(shape: Any) -> Iterator[str]:
    """All names of a shape, outermost first."""
    if isinstance(shape, dict):
        yield from shape
    for inner in shape.values() if isinstance(shape, dict) else shape or ():
        if isinstance(inner, dict | list):
            yield from _names(inner)


def _write_scores(reviews: Sequence[Review], scale: Scale) -> str:
    """A score with its reason for each candidate."""
    lines = [
        f"{number}. {scale.score(review.merit):g} of {scale.high}: {review.reason}"
        for number, review in enumerate(reviews, 1)
    ]
    return "\n".join([_NOTE, *lines])


def _short_answer(brief: Brief, message: str = "") -> str:
    """Copy without a schema; its first line names the sandbox.

    Texts that `message` asks for by name ("three headlines", "a caption") come first.
    """
    if not brief.named:
        return (
            f"{_NOTE}\nThese rules write advertising copy and know nothing else. Name a product and "
            "say what is good about it, for example: a tagline for Aurora desk lamp: warm light, oak."
        )
    lowered = message.lower()
    asked = [
        f"{title}: {text}"
        for name, title, write in _ASKED
        if name in lowered
        for text in _several(write, brief, count_asked((name,), message) or 1)
    ]
    usual = [
        f"Headline: {copywriting.headline(brief)}",
        f"Shot: {copywriting.shot(brief)}",
        f"Narration: {copywriting.narration(brief)}",
        f"Call to action: {copywriting.call_to_action(brief)}",
    ]
    return "\n".join(dict.fromkeys([_NOTE, *asked, *usual]))


def _several(write: Callable[[Brief, int], str], brief: Brief, count: int) -> list[str]:
    """A number of texts that differ as far as the details of the brief allow."""
    return list(dict.fromkeys(write(brief, index) for index in range(min(count, _MOST))))
