"""Open questions as a page in Markdown: candidates side by side, with key, prompt and price.

Keys and prompts come from people and from answers of models, so none of their characters may mean
anything to Markdown, to HTML or to a table.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rivya_flows.planning.questions.form import title, until
from rivya_flows.planning.queue.actions import Question
from rivya_flows.planning.queue.state import State

Address = Callable[[Mapping[str, Any]], str | None]
"""Gives where a browser finds an asset; None if nowhere."""

# Pictures side by side: what the dialog, which is narrow, has room for.
_ACROSS, _WIDE_ACROSS = 4, 2
_WORDS = 160  # characters of a prompt that help to tell two pictures apart
_WORTH = 20  # characters that are worth a line of their own
_LINKS = {"video": "play the film", "audio": "play the sound"}
_BEGINS_LIST = re.compile(r"^(\d*)([-.])")
_BREAKS_LINKS = re.compile(r"(?i)(?<=http)(?=s?:)|(?<=www)(?=\.)|(?=@)")


def questions_page(state: State, questions: Sequence[Question], address: Address) -> str:
    """All questions, one below the other.

    Args:
        state: Of the run; tells the prompts.
        questions: Those that are open.
        address: Of an asset.
    """
    return "\n\n".join("\n\n".join(_parts(state, one, address)) for one in questions)


def as_text(text: str) -> str:
    """Text that Markdown shows as it is, on one line.

    Signs become character references, which no Markdown construct is made of. Addresses are
    broken by spaces without width, since pages make links of plain ones.
    """
    line = " ".join(_BREAKS_LINKS.sub("\u200b", text).split())
    shown = "".join(_shown(sign) for sign in line)
    return _BEGINS_LIST.sub(lambda found: f"{found[1]}&#{ord(found[2])};", shown)


def _shown(sign: str) -> str:
    if sign.isalnum() or sign in " ,.;?'-\u200b" or (ord(sign) > 127 and sign.isprintable()):
        return sign
    # Half a surrogate pair and the like cannot be written at all.
    return f"&#{ord(sign)};" if sign.isprintable() else "\ufffd"


def _parts(state: State, question: Question, address: Address) -> Iterator[str]:
    yield f"### {as_text(title(question))}"
    if limit := until(question):
        yield f"*{limit}*"
    same, tails = _told_apart([_prompt(state, one) for one in question.candidates])
    if same:
        yield as_text(same)
    across = _across(question.candidates)
    for first in range(0, len(question.candidates), across):
        row = slice(first, first + across)
        yield _table(question.candidates[row], tails[row], address)


def _across(candidates: Sequence[Mapping[str, Any]]) -> int:
    """How many stand in a row: rows of one length, so that pictures have one size."""
    wide = any(_side(one, "width") > _side(one, "height") for one in candidates)
    rows = math.ceil(len(candidates) / (_WIDE_ACROSS if wide else _ACROSS))
    return math.ceil(len(candidates) / max(rows, 1)) or 1


def _side(candidate: Mapping[str, Any], name: str) -> float:
    told = candidate["asset"].get(name)  # as an expression may have written it
    return told if isinstance(told, int | float) else 0


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
    asset: Mapping[str, Any] = candidate["asset"]
    found = address(asset)
    if found is None or not found.startswith(("http://", "https://")):
        return "no address for a browser"
    # All that could end the address, or the cell that it stands in.
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
    """What a candidate was made from, by the item that made it; "" where that is not known."""
    task_id, digest = candidate.get("task_id"), candidate["asset"].get("sha256")
    for _, item in state.each():
        made = item.outputs or {}
        same = task_id and made.get("task_id") == task_id
        if same or (digest and (made.get("asset") or {}).get("sha256") == digest):
            prompt = item.request.arguments.get("prompt") if item.request else None
            if prompt is not None:
                return str(prompt)
    return ""


def _told_apart(prompts: Sequence[str]) -> tuple[str, list[str]]:
    """What all prompts begin with, and how each goes on: what pictures differ in is at the end."""
    pairs = zip(min(prompts), max(prompts), strict=False) if len(prompts) > 1 else ()
    shared = "".join(one for one, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    if any(prompt != shared for prompt in prompts):
        shared = shared[: shared.rfind(" ") + 1]  # not in the middle of a word
    if len(shared) < _WORTH:
        return "", [_short(prompt) for prompt in prompts]
    tails = [prompt.removeprefix(shared) for prompt in prompts]
    return _short(shared.strip(" ,")), [f"… {_short(tail)}" if tail else "" for tail in tails]


def _short(prompt: str) -> str:
    return prompt if len(prompt) <= _WORDS else prompt[: _WORDS - 1].rstrip() + "…"
