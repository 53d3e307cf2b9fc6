"""Media in words: what is seen on each, and how it is called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from os.path import commonprefix

from rivya_client.mime_types import MediaKind
from rivya_cut.line_breaks import graphemes
from rivya_flows.plans.names import label
from rivya_flows.receipt.model import Item, Step

Items = Sequence[tuple[Step, Item]]
"""The items of a receipt, each after its step."""

FORMAT_WORDS = {"clean": "without captions", "poster": "Poster", "gif": "GIF"}
"""Formats of a film that are called otherwise than in a receipt."""

_KIND_WORDS: dict[MediaKind, str] = {"image": "Picture", "video": "Film", "audio": "Sound"}
_MAX_PROMPT = 160  # characters of one that say what is seen
_MAX_CODES = 10 * _MAX_PROMPT  # a character may be several code points
_PART = re.compile(r"[,.;] ")


def alt_text(kind: MediaKind, step: str = "", name: str = "", prompt: str = "") -> str:
    """What a medium shows, for those who do not see it.

    Args:
        name: Its key and format; "" without.
    """
    of_step = f"{_KIND_WORDS[kind]} of step {step}" if step else _KIND_WORDS[kind]
    whose = ", ".join(filter(None, [of_step, name]))
    return ": ".join(filter(None, [whose, _shortened(" ".join(prompt.split()))]))


@dataclass
class Description:
    """How a page calls a medium.

    Attributes:
        name: Key and format of the first item that has it.
        alt: What is seen on it, as that item says.
        caption: Step, key, format and price of that item.
        names: What the items that made it call it: key and format of each.
        picked: The picks that chose it.
        rendered: It is a format of a film or still.
    """

    name: str
    alt: str
    caption: str
    names: dict[str, None] = field(default_factory=dict)
    picked: dict[str, None] = field(default_factory=dict)
    rendered: bool = False


def described(items: Items) -> dict[str, Description]:
    """Each medium of the items of a receipt, by hash."""
    found: dict[str, Description] = {}
    common = shared_ending(
        (step.id, item.prompt)
        for step, item in items
        # A sound has no look, so a brand says nothing of it.
        if item.prompt is not None and any(one.kind != "audio" for one in item.media)
    )
    for step, item in items:
        price = f"{item.credits:,} {'credit' if item.credits == 1 else 'credits'}"
        prompt = (item.prompt or "").removesuffix(common)
        for asset in item.media:
            formats = item.formats.get(asset.sha256, ())
            words = [*filter(None, [item.key, *(FORMAT_WORDS.get(one, one) for one in formats)])]
            name = " · ".join(words)
            alt = alt_text(asset.kind, step.id, ", ".join(words), prompt)
            caption = " · ".join([step.id, *words, price])
            one = found.setdefault(asset.sha256, Description(name, alt, caption))
            if name and step.uses != "pick":
                one.names[name] = None
    for step, item in items:
        for sha256 in item.formats.keys() & found.keys():
            found[sha256].rendered = True
        for candidate in item.choice.candidates if item.choice else ():
            if candidate.picked and candidate.sha256 in found:
                found[candidate.sha256].picked[label(step.id, item.key)] = None
    return found


def shared_ending(prompts: Iterable[tuple[str, str]]) -> str:
    """What the prompts of all steps end with, as the words of a brand do; "" of one step alone.

    Returns:
        It begins where a part of a sentence ends.
    """
    pairs = list(prompts)
    if len({step for step, _ in pairs}) < 2:
        return ""
    backwards = [prompt[::-1] for _, prompt in pairs]
    ending = commonprefix(backwards)[::-1]  # noqa: RUF071  # texts, no paths
    begin = _PART.search(ending)
    return ending[begin.start() :] if begin else ""


def _shortened(text: str) -> str:
    letters = graphemes(text[:_MAX_CODES])
    if len(text) <= _MAX_CODES and len(letters) <= _MAX_PROMPT:
        return text
    kept = "".join(letters[: _MAX_PROMPT - 1])
    words, _, rest = kept.rpartition(" ")
    # Some scripts have no spaces.
    whole = words if len(rest) < _MAX_PROMPT // 2 else kept
    return f"{whole.rstrip(' ,.;:')}…"
