"""What is known of films before anything is bought: how long they will be, and what no font draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from pydantic import JsonValue

from rivya_client.catalogue.catalogue import Model
from rivya_cut.fonts import missing_characters
from rivya_cut.terms import STILL_SECONDS
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull
from rivya_flows.language.expressions.values import is_number
from rivya_flows.plans.plan import PlannedStep
from rivya_flows.plans.requests import known_arguments
from rivya_flows.queue.evaluation import expand_step
from rivya_flows.queue.items import TERMINAL, ItemState, Phase
from rivya_flows.queue.scope import known_scope, known_variables
from rivya_flows.queue.state import State
from rivya_flows.steps.cut_rules import (
    drawn_texts,
    length_problems,
    overlap_seconds,
    shown_seconds,
    start_problems,
)

_SPOKEN = 15.0  # characters in a second
_MOST_ITEMS = 1_000  # of a plan; of a larger one the lengths of films are not worked out


@dataclass(frozen=True)
class Film:
    """What is known of one film or still.

    Attributes:
        least: Its length in seconds; the least one, where `most` differs. 0 of a still.
        most: The greatest length; None if a clip or the narration has a length that is not known.
        narrated: Whether it lasts as long as its narration, or `audio`, if that is longer than the clips.
        about: Whether a length is estimated by the characters of what is said.
        wrong: Clips of which nothing is left or too short for their transitions, and overlays never seen.
        left_out: Characters of its texts that no font has.
    """

    least: float = 0.0
    most: float | None = 0.0
    narrated: bool = False
    about: bool = False
    wrong: tuple[str, ...] = ()
    left_out: str = ""


def films(state: State) -> dict[tuple[str, str], Film]:
    """What is known of the films and stills of a rehearsed state, by step and item."""
    plan = state.plan
    if not any(planned.kind.takes_brand for planned in plan.steps.values()):
        return {}
    if sum(len(step.items) for step in state.steps.values()) > _MOST_ITEMS:
        return {}
    found: dict[tuple[str, str], Film] = {}
    given = state.copy()  # with media as long as they are asked to be
    for name, planned in plan.steps.items():
        if planned.itemwise is not None:
            expand_step(given, name)
        kind = planned.kind
        is_film = kind.media == "video"
        is_bought = kind.buys and kind.gives_media
        if planned.skipped or not (kind.takes_brand or is_bought):
            continue
        for item in [*given.steps[name].items.values()]:
            if item.phase in TERMINAL:
                continue
            arguments = _arguments(given, planned, item)
            if kind.takes_brand:
                drawn = plan.branding_of(planned).drawn(arguments)
                left_out = missing_characters("".join(drawn_texts(drawn)))
                film = _film(drawn) if is_film else Film()
                found[name, item.key] = replace(film, left_out=left_out)
                asset = _asset(kind.media, film.least if film.least == film.most else None)
            else:
                asset = _bought(plan.catalogue.get(str(arguments.get("model"))), arguments)
            outputs: dict[str, JsonValue] = {"asset": asset, "assets": [asset]}
            given.change(name, item._replace(phase=Phase.COMPLETED, outputs=outputs))
    return found


def _arguments(state: State, planned: PlannedStep, item: ItemState) -> dict[str, Any]:
    try:
        scope = {**known_scope(state, planned), **known_variables(state, planned, item)}
    except (UsesNull, ExpressionError):
        scope = {}
    return known_arguments(planned.step, scope)[0]


def _bought(model: Model | None, arguments: Mapping[str, Any]) -> dict[str, JsonValue]:
    """What a purchase gives, as far as it is known: the kind of its medium, and how long it lasts."""
    if model is None:
        return _asset(None)
    params, prompt = arguments.get("params"), arguments.get("prompt")
    if model.speaks and isinstance(prompt, str):
        return {**_asset(model.category, len(prompt) / _SPOKEN), "about": True}
    asked = None
    for key in ("duration", "duration_seconds"):
        if (param := model.param(key)) is not None:
            written = params.get(key) if isinstance(params, Mapping) else None
            asked = param.default if written is None else written
    known = is_number(asked) or (isinstance(asked, str) and asked.isdecimal())
    return _asset(model.category, float(str(asked)) if known else None)


def _asset(kind: str | None, seconds: float | None = None) -> dict[str, JsonValue]:
    return {"kind": kind} if seconds is None else {"kind": kind, "duration_seconds": seconds}


def _film(given: Mapping[str, Any]) -> Film:
    least, most = _picture(given)
    problems = (*start_problems(given), *length_problems(given))
    wrong = tuple(one.sentence for one in problems)
    lead = given.get("narration")
    if lead is None and (audio := given.get("audio")) is not None:
        lead = audio[0] if isinstance(audio, list | tuple) and audio else audio
    spoken, picture = _seconds(lead), most
    if lead is None:
        pass
    elif "images" in given:
        least, most = spoken or 0.0, spoken
    elif given.get("fit") == "cut" and "clips" not in given:
        least = 0.0 if spoken is None else min(least, spoken)
        most = min((one for one in (spoken, most) if one is not None), default=None)
    else:
        least = max(least, spoken or 0.0)
        most = None if most is None or spoken is None else max(most, spoken)
    narrated = lead is not None and None in (spoken, picture, most)
    narrated = narrated or (lead is not None and most == spoken)
    if (card := given.get("end_card")) is not None:
        shown = card.get("seconds", 2.0) if isinstance(card, Mapping) else 2.0
        least, most = _plus((least, most), float(shown) if is_number(shown) else None)
    about = narrated and isinstance(lead, Mapping) and bool(lead.get("about"))
    most = most if most is None else round(most, 2)
    return Film(round(least, 2), most, narrated, about, wrong)


def _seconds(medium: Any) -> float | None:
    seconds = medium.get("duration_seconds") if isinstance(medium, Mapping) else None
    return float(seconds) if is_number(seconds) else None


def _picture(given: Mapping[str, Any]) -> tuple[float, float | None]:
    """The least and greatest length of the clips."""
    if (images := given.get("images")) is not None:
        count = len(images) if isinstance(images, list | tuple) else None
        return (0.0, None) if count is None else (count * STILL_SECONDS, count * STILL_SECONDS)
    clips = given.get("clips", given.get("video"))
    clips = clips if isinstance(clips, list | tuple) else [clips]
    shown = [shown_seconds(one) for one in clips]
    lengths = [None if one is None else max(0.0, one) for one in shown]
    overlap = overlap_seconds(given.get("transition"))
    found: tuple[float, float | None] = (0.0, 0.0)
    for length in lengths:
        found = _plus(found, length)
    for one, other in pairwise(lengths):
        # An overlap takes at most half of a clip.
        halves = [x / 2 for x in (one, other) if x is not None]
        taken = min([5.0 if overlap is None else overlap, *halves])
        found = (
            found[0] - taken,
            found[1] if found[1] is None or overlap is None else found[1] - taken,
        )
    return max(0.0, found[0]), found[1]


def _plus(found: tuple[float, float | None], seconds: float | None) -> tuple[float, float | None]:
    least, most = found
    if seconds is None:
        return least, None
    return least + seconds, None if most is None else most + seconds
