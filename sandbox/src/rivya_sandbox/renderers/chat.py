"""Answers of the simulated chat models: rules, not a language model, and they say so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rivya_sandbox.renderers import copywriting
from rivya_sandbox.renderers.brief import Brief, understand
from rivya_sandbox.renderers.shape import fill

SHAPE_INSTRUCTION = "Answer with one JSON object and nothing else, of this shape: "

_NOTE = "[Sandbox answer: written by simple rules, not by a language model.]"
_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10}
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
        message: As sent. If it holds `SHAPE_INSTRUCTION`, the answer is one JSON object of the
            schema that follows it (names with ``string integer number boolean``, ``[type]`` or a
            nested map), filled with copy for the product of the message.
        history: ``(role, content)`` of earlier turns, oldest first. What the message lacks
            (product, language) comes from the latest earlier user message that has it.
        pictures: Of attached images; what cannot be read as one is left out.

    Returns:
        Equal answers for equal arguments.
    """
    text, shape = _parted(message)
    earlier = [_parted(content)[0] for role, content in history if role == "user"]
    brief = understand(text, earlier, tuple(shape or ()))
    if shape is not None:
        return json.dumps(fill(shape, brief), ensure_ascii=False)
    return _short_answer(brief, text)


def _parted(message: str) -> tuple[str, dict[str, Any] | None]:
    """The message without the instruction, and the requested schema."""
    text, found, rest = message.rpartition(SHAPE_INSTRUCTION)
    if not found:
        return message, None
    try:
        shape, _ = json.JSONDecoder().raw_decode(rest.strip())
    except (ValueError, RecursionError):
        return message, None
    return text.strip(), shape if isinstance(shape, dict) else None


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
        for text in _several(write, brief, _count_before(name, lowered))
    ]
    usual = [
        f"Headline: {copywriting.headline(brief)}",
        f"Shot: {copywriting.shot(brief)}",
        f"Narration: {copywriting.narration(brief)}",
        f"Call to action: {copywriting.call_to_action(brief)}",
    ]
    return "\n".join(dict.fromkeys([_NOTE, *asked, *usual]))


def _count_before(name: str, text: str) -> int:
    found = re.search(rf"\b({'|'.join(_COUNTS)}|\d{{1,2}})\s+(?:\w+\s+)?{name}", text)
    number = found[1] if found else ""
    return min(_COUNTS.get(number) or (int(number) if number.isdecimal() else 1), 10)


def _several(write: Callable[[Brief, int], str], brief: Brief, count: int) -> list[str]:
    """A number of texts that differ as far as the details of the brief allow."""
    return list(dict.fromkeys(write(brief, index) for index in range(max(1, count))))
