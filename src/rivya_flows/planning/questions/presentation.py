"""Open questions as people see them: titles, form fields, commands, and a page in Markdown.

Keys and prompts come from people and from models, so the page escapes every character that
Markdown, HTML or a table would interpret.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rivya_flows.planning.names import digest
from rivya_flows.planning.questions.open_questions import (
    choices_of,
    name_of,
    utc_minute,
    writable,
)
from rivya_flows.planning.queue.actions import Question
from rivya_flows.planning.queue.events import AnswerGiven, Channel
from rivya_flows.planning.queue.reducer import BUDGET
from rivya_flows.planning.queue.state import State

Address = Callable[[Mapping[str, Any]], str | None]
"""Gives the URL at which a browser finds an asset, or None."""

# Pictures in a row of Prefect's dialog, which is narrow.
_ACROSS, _WIDE_ACROSS = 4, 2
_MAX_PROMPT = 160  # characters of a prompt that are shown
_MIN_SHARED = 20  # characters of a shared beginning that get a line of their own
_LINKS = {"video": "play the film", "audio": "play the sound"}
_AT_DEADLINE = {
    "first": "the first one is taken",
    "judge": "the judge decides",
    "fail": "the pick fails",
}
_BEGINS_LIST = re.compile(r"^(\d*)([-.])")
_BREAKS_LINKS = re.compile(r"(?i)(?<=http)(?=s?:)|(?<=www)(?=\.)|(?=@)")


def title(question: Question) -> str:
    """The text above the choices; an item of a fan-out adds its key."""
    asks_often = question.key and question.step != BUDGET
    return writable(f"{question.text} ({question.key})" if asks_often else question.text)


def deadline_note(question: Question) -> str:
    """The deadline and what happens at it, as a sentence; "" without one."""
    if question.deadline is None:
        return ""
    first = (
        "the first one is taken" if question.count == 1 else f"the first {question.count} are taken"
    )
    judged = "what the judge proposes is taken" if question.proposal else "the pick fails"
    then = {"first": first, "judge": judged, "fail": "the pick fails"}[question.on_timeout]
    return f"Open until {utc_minute(question.deadline)}; after that {then}."


def how_to_answer(question: Question) -> str:
    """What may be answered beside one key, as a sentence; "" if nothing."""
    parts = [f"Pick {question.count}, with commas between them"] if question.count > 1 else []
    if question.rounds_left:
        times = "once more" if question.rounds_left == 1 else f"{question.rounds_left} times more"
        note = ": what should be different" if question.note_room else ""
        parts.append(f"none{note} buys them again, at most {times}")
    return "; ".join(parts)[:1].upper() + "; ".join(parts)[1:] + "." if parts else ""


def answer_line(answer: AnswerGiven) -> str:
    """An answer as a log line: ``hero: neon, by Ana in the form``."""
    told = ", ".join(answer.picked) or answer.answer
    if answer.none:
        told = "none of these" + (f" ({answer.note})" if answer.note else "")
    by = answer.by
    if by.channel == "deadline":
        return f"{name_of(answer)}: {told}, after its deadline"
    return f"{name_of(answer)}: {told}, {_BY[by.channel].format(by.name or 'someone')}"


_BY: Mapping[Channel, str] = {
    "terminal": "by {} in a terminal",
    "command": "by {} with a command",
    "form": "by {} in the form",
    "python": "by {} in Python",
    "deadline": "after its deadline",
}


def form_fields(questions: Sequence[Question], taken: Container[str] = ()) -> dict[str, Question]:
    """The questions by their field names, unique and not `taken`, which come from `name_of`."""
    named: dict[str, Question] = {}
    for question in questions:
        stem = re.sub(r"[^a-z0-9]+", "_", name_of(question).lower()).strip("_") or "pick"
        name, number = stem, 1
        while name in named or name in taken:
            number += 1
            name = f"{stem}_{number}"
        named[name] = question
    return named


def digest_of(questions: Sequence[Question]) -> str:
    """A digest of 12 hex digits that depends on the questions and their choices alone."""
    asked = sorted([one.step, writable(one.key), list(choices_of(one))] for one in questions)
    return digest(asked)[:12]


def questions_page(state: State, questions: Sequence[Question], address: Address) -> str:
    """All questions in Markdown: candidates side by side, with key, prompt and price."""
    return "\n\n".join("\n\n".join(_parts(state, one, address)) for one in questions)


def as_text(text: str) -> str:
    """The text on one line, escaped so that Markdown shows it literally.

    Punctuation becomes character references, which no Markdown construct uses. Zero-width spaces
    break URLs, since pages turn plain ones into links.
    """
    line = " ".join(_BREAKS_LINKS.sub("\u200b", text).split())
    shown = "".join(_escaped(sign) for sign in line)
    return _BEGINS_LIST.sub(lambda found: f"{found[1]}&#{ord(found[2])};", shown)


def _escaped(sign: str) -> str:
    if sign.isalnum() or sign in " ,.;?'-\u200b" or (ord(sign) > 127 and sign.isprintable()):
        return sign
    # A lone surrogate and other unprintable characters cannot be encoded.
    return f"&#{ord(sign)};" if sign.isprintable() else "\ufffd"


def _parts(state: State, question: Question, address: Address) -> Iterator[str]:
    yield f"### {as_text(title(question))}"
    if limit := deadline_note(question):
        yield f"*{limit}*"
    same, tails = _split_shared([_prompt(state, one) for one in question.candidates])
    if same:
        yield as_text(same)
    across = _across(question.candidates)
    for first in range(0, len(question.candidates), across):
        row = slice(first, first + across)
        yield _table(question.candidates[row], tails[row], address)


def _across(candidates: Sequence[Mapping[str, Any]]) -> int:
    """Candidates in a row: rows have about one length, so that pictures have one size."""
    wide = any(_side(one, "width") > _side(one, "height") for one in candidates)
    rows = math.ceil(len(candidates) / (_WIDE_ACROSS if wide else _ACROSS))
    return math.ceil(len(candidates) / max(rows, 1)) or 1


def _side(candidate: Mapping[str, Any], name: str) -> float:
    size = (candidate.get("asset") or {}).get(name)  # an expression may have put anything here
    return size if isinstance(size, int | float) else 0


def _table(row: Sequence[Mapping[str, Any]], tails: Sequence[str], address: Address) -> str:
    lines = [
        [f"**{as_text(str(one.get('key')))}**" for one in row],
        [":-:"] * len(row),
        [_medium(one, address) for one in row],
    ]
    captions = zip([as_text(tail) for tail in tails], [_price(one) for one in row], strict=True)
    lines.append([", ".join(part for part in parts if part) for parts in captions])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _medium(candidate: Mapping[str, Any], address: Address) -> str:
    asset: Mapping[str, Any] | None = candidate.get("asset")
    if not asset:
        return as_text(_short(str(candidate.get("text") or candidate.get("json"))))
    found = address(asset)
    if found is None or not found.startswith(("http://", "https://")):
        return "no address for a browser"
    # Escapes whatever could end the address or its table cell.
    safe = quote(found, safe=":/?#@!$&*+,;=%-._~")
    if asset.get("kind") in _LINKS:
        seconds = asset.get("duration_seconds")
        length = f", {seconds:.0f} s" if isinstance(seconds, int | float) else ""
        return f"[{_LINKS[asset['kind']]}{length}]({safe})"
    return f"![{as_text(str(candidate.get('key')))}]({safe})"


def _price(candidate: Mapping[str, Any]) -> str:
    credits = candidate.get("credits")
    if not isinstance(credits, int):
        return ""
    return "1 credit" if credits == 1 else f"{credits} credits"


def _prompt(state: State, candidate: Mapping[str, Any]) -> str:
    """The prompt of the item that made a candidate; "" where that is not known."""
    task_id, sha256 = candidate.get("task_id"), (candidate.get("asset") or {}).get("sha256")
    for _, item in state.each():
        made = item.outputs or {}
        same = task_id and made.get("task_id") == task_id
        if same or (sha256 and (made.get("asset") or {}).get("sha256") == sha256):
            prompt = item.request.arguments.get("prompt") if item.request else None
            if prompt is not None:
                return str(prompt)
    return ""


def _split_shared(prompts: Sequence[str]) -> tuple[str, list[str]]:
    """The beginning that all prompts share, and the rest of each."""
    pairs = zip(min(prompts), max(prompts), strict=False) if len(prompts) > 1 else ()
    shared = "".join(one for one, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    if any(prompt != shared for prompt in prompts):
        shared = shared[: shared.rfind(" ") + 1]  # never split a word
    if len(shared) < _MIN_SHARED:
        return "", [_short(prompt) for prompt in prompts]
    tails = [prompt.removeprefix(shared) for prompt in prompts]
    return _short(shared.strip(" ,")), [f"… {_short(tail)}" if tail else "" for tail in tails]


def _short(prompt: str) -> str:
    return prompt if len(prompt) <= _MAX_PROMPT else prompt[: _MAX_PROMPT - 1].rstrip() + "…"
