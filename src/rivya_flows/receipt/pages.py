"""Renders the pages of this package, and the values of a receipt in them as text for people."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import jinja2
from markupsafe import Markup

from rivya_client.catalogue.snapshot import voice_name
from rivya_client.mime_types import suffix_of
from rivya_client.printable import one_line
from rivya_cut.fonts import MAX_PAGE_BYTES, with_fonts
from rivya_flows.plans.names import is_round, label
from rivya_flows.questions.open_questions import utc_minute
from rivya_flows.receipt.continuing import plain_reason
from rivya_flows.receipt.model import Item, iso
from rivya_flows.receipt.phrases import measures, model_of, seconds_text
from rivya_flows.receipt.questions import (
    are_numbered,
    deadline_effect,
    note_place,
    readable,
    round_note,
    tally,
)
from rivya_flows.receipt.summary import manner, score_text

_RATIO = re.compile(r"([1-9]\d{0,3}):([1-9]\d{0,3})", re.ASCII)
_MAX_INDENTED_LENGTH, _MAX_INDENTED_DEPTH = 200_000, 16
"""Characters and depth of a JSON text that is shown indented; others are shown as they are."""


def value_text(value: Any) -> str:
    """A value for people: text as it is, JSON indented, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, str):
        if len(value) > _MAX_INDENTED_LENGTH:
            return value
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            return value
        # Each level indents all below it: depth multiplies the length.
        indented = isinstance(parsed, dict | list) and _is_flat(parsed)
        return value_text(parsed) if indented else value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, Mapping) and isinstance(value.get("path") or value.get("url"), str):
        return str(value.get("path") or value.get("url"))
    if isinstance(value, list | tuple) and all(isinstance(member, str) for member in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _is_flat(value: Any) -> bool:
    level = [value]
    for _ in range(_MAX_INDENTED_DEPTH):
        held = [one.values() if isinstance(one, dict) else one for one in level]
        level = [part for parts in held for part in parts if isinstance(part, dict | list)]
        if not level:
            return True
    return False


def moment_text(at: datetime) -> str:
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def render(name: str, view: Mapping[str, Any], *, beside_media: int = 0) -> str:
    """A page of this package, with the fonts of its scripts; so many of its bytes are media."""
    return with_fonts(render_part(name, view), MAX_PAGE_BYTES + beside_media)


def render_part(name: str, view: Mapping[str, Any]) -> str:
    """A part of a page, or a page whose part has its fonts."""
    return _template(name).render(view)


@functools.cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rivya_flows", "receipt"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _FILTERS
    environment.globals |= _FUNCTIONS
    environment.tests["round"] = is_round
    return environment.get_template(name)


def _credits(value: Any) -> str:
    """A number with separators; a dash for what is missing."""
    return f"{value:,}" if isinstance(value, int | float) else Markup("&ndash;")


def _sha256(script: str) -> str:
    """The hash by which a Content-Security-Policy allows a script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


_CHOICES = {
    "approve": "Approve",
    "changes": "Ask for changes",
    "end": "End the round with these changes",
    "yes": "Yes",
    "no": "No",
}


def _choice_words(choice: str) -> str:
    return _CHOICES.get(choice, choice)


def _ratio_of(item: Item) -> str:
    """The shape that was asked for, such as ``9 / 16``; "" if no parameter says it."""
    asked = [_RATIO.fullmatch(one) for one in (item.params or {}).values() if isinstance(one, str)]
    return next((f"{one[1]} / {one[2]}" for one in asked if one), "")


_FUNCTIONS = {
    "are_numbered": are_numbered,
    "choice_words": _choice_words,
    "deadline_effect": deadline_effect,
    "label": label,
    "ratio_of": _ratio_of,
    "note_place": note_place,
    "round_note": round_note,
    "tally": tally,
}
_FILTERS = {
    "credits": _credits,
    "iso": iso,
    "line": one_line,
    "manner": manner,
    "measures": measures,
    "minute": utc_minute,
    "model": model_of,
    "moment": moment_text,
    "plain": plain_reason,
    "readable": readable,
    "score": score_text,
    "seconds": seconds_text,
    "sha256": _sha256,
    "suffix": suffix_of,
    "text": value_text,
    "voice": voice_name,
}
