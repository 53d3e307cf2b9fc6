"""Media in words: what is seen on each, and how it is called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from os.path import commonprefix
from typing import Any

from rivya_flows.assets import MediaKind, as_asset, rendered_as
from rivya_flows.media.line_breaks import graphemes
from rivya_flows.media.receipt_values import maps_in

Items = Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]
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
        kind: Of the medium.
        step: Id of the step that made it; "" of a given file.
        name: Its key and format; "" without.
        prompt: What was asked for; a long one is cut between words.
    """
    of_step = f"{_KIND_WORDS[kind]} of step {step}" if step else _KIND_WORDS[kind]
    whose = ", ".join(filter(None, [of_step, name]))
    return ": ".join(filter(None, [whose, _shortened(" ".join(prompt.split()))]))


def alts_of(items: Items) -> dict[str, str]:
    """What is seen on each medium of a receipt, by hash, as the first item that has it says."""
    found: dict[str, str] = {}
    common = shared_ending(
        (str(step.get("id")), item["prompt"])
        for step, item in items
        if isinstance(item.get("prompt"), str) and _is_seen(item)
    )
    for step, item in items:
        prompt = str(item.get("prompt") or "").removesuffix(common)
        rendered = rendered_as(item)
        for value in maps_in(item, "assets"):
            if asset := as_asset(value):
                parts = [str(item.get("key") or ""), *rendered.get(asset.sha256, ())]
                name = ", ".join(FORMAT_WORDS.get(one, one) for one in parts if one)
                text = alt_text(asset.kind, str(step.get("id") or ""), name, prompt)
                found.setdefault(asset.sha256, text)
    return found


def captions_of(items: Items) -> dict[str, str]:
    """The step, key and price of each medium of a receipt, by hash."""
    found: dict[str, str] = {}
    for step, item in items:
        credits = item.get("credits")
        known = isinstance(credits, int | float)
        price = f"{credits:,} {'credit' if credits == 1 else 'credits'}" if known else ""
        rendered = rendered_as(item)
        for value in maps_in(item, "assets"):
            if asset := as_asset(value):
                words = [FORMAT_WORDS.get(one, one) for one in rendered.get(asset.sha256, ())]
                parts = [str(step.get("id") or ""), str(item.get("key") or ""), *words, price]
                found.setdefault(asset.sha256, " · ".join(filter(None, parts)))
    return found


def shared_ending(prompts: Iterable[tuple[str, str]]) -> str:
    """What the prompts of all steps end with, as the words of a brand do; "" of one step alone.

    Args:
        prompts: Each with its step.

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


def _is_seen(item: Mapping[str, Any]) -> bool:
    """A sound has no look, so a brand says nothing of it."""
    return any(
        (asset := as_asset(one)) and asset.kind != "audio" for one in maps_in(item, "assets")
    )


def _shortened(text: str) -> str:
    letters = graphemes(text[:_MAX_CODES])
    if len(text) <= _MAX_CODES and len(letters) <= _MAX_PROMPT:
        return text
    kept = "".join(letters[: _MAX_PROMPT - 1])
    words, _, rest = kept.rpartition(" ")
    # Some scripts have no spaces.
    whole = words if len(rest) < _MAX_PROMPT // 2 else kept
    return f"{whole.rstrip(' ,.;:')}…"
