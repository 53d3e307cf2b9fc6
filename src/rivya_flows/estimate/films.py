"""What is known of films before anything is bought: how long they will be, and what no font draws."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from typing import Any

from pydantic import JsonValue

from rivya_client.catalogue.catalogue import Model
from rivya_cut.fonts import missing_characters
from rivya_flows.language.common_params import asked_seconds
from rivya_flows.language.expressions.output_types import has_unknown
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull
from rivya_flows.language.expressions.values import is_number
from rivya_flows.language.final_cut import SPEECH
from rivya_flows.plans.requests import known_arguments
from rivya_flows.queue.evaluation import expand_step
from rivya_flows.queue.items import TERMINAL, Phase
from rivya_flows.queue.scope import item_scope, known_item, known_scope
from rivya_flows.queue.state import State
from rivya_flows.steps.cut_rules import (
    drawn_texts,
    length_problems,
    overlap_seconds,
    shown_seconds,
    speech_in,
    start_problems,
)

_SPOKEN = 15.0  # characters in a second
_MOST_ITEMS = 1_000  # of a plan; of a larger one the lengths of films are not worked out


@dataclass(frozen=True)
class Film:
    """What is known of one film or still, in seconds: `most` is None for an unknown length."""

    least: float = 0.0
    most: float | None = 0.0
    narrated: bool = False  # as long as its narration or `audio`, if that is longer than the clips
    about: bool = False  # a length is estimated by the characters of what is said
    wrong: tuple[str, ...] = ()
    left_out: str = ""  # characters of its texts that no font has


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
        if planned.skipped or not (kind.takes_brand or (kind.buys and kind.gives_media)):
            continue
        for item in [*given.steps[name].items.values()]:
            if item.phase in TERMINAL:
                continue
            scope: dict[str, Any] = {}
            with suppress(UsesNull, ExpressionError):
                known = known_item(given, planned, item)
                scope = item_scope(given, planned, known, known_scope(given, planned))
            arguments, _ = known_arguments(planned.step, scope)
            if kind.takes_brand:
                drawn = plan.world_of(planned).branding.complete_arguments(arguments)
                left_out = missing_characters("".join(drawn_texts(drawn)))
                film = _film(drawn) if kind.media == "video" else Film()
                found[name, item.key] = replace(film, left_out=left_out)
                lasts = kind.media == "video" and film.least == film.most  # a picture does not
                asset = _asset(kind.media, film.least if lasts else None)
                asset |= {"about": True} if film.about else {}
                if kind.media == "video" and speech_in(drawn).speaks:
                    asset[SPEECH] = {}
            else:
                asset = _expected_asset(plan.catalogue.get(str(arguments.get("model"))), arguments)
            outputs: dict[str, JsonValue] = {"asset": asset, "assets": [asset]}
            given.change(name, item._replace(phase=Phase.COMPLETED, outputs=outputs))
    return found


def _expected_asset(model: Model | None, arguments: Mapping[str, Any]) -> dict[str, JsonValue]:
    """The asset of a purchase, as far as it is known: its kind, and how long it lasts."""
    if model is None:
        return _asset(None)
    prompt = arguments.get("prompt")
    if model.speaks and isinstance(prompt, str):
        return {**_asset(model.category, len(prompt) / _SPOKEN), "about": True}
    return _asset(model.category, asked_seconds(model, arguments))


def _asset(kind: str | None, seconds: float | None = None) -> dict[str, JsonValue]:
    return {"kind": kind} if seconds is None else {"kind": kind, "duration_seconds": seconds}


def _film(given: Mapping[str, Any]) -> Film:
    least, most = picture = _picture(given)
    problems = (*start_problems(given), *length_problems(given))
    lead, audio, clips = given.get("narration"), given.get("audio"), given.get("clips")
    if lead is None and audio is not None and not _speaks_surely(clips):
        lead = audio[0] if isinstance(audio, list | tuple) and audio else audio
        lead = {} if speech_in({"clips": clips}).speaks else lead  # only the run knows which leads
    spoken = _length(lead.get("duration_seconds") if isinstance(lead, Mapping) else None)
    length = given.get("length")
    if length == "speech" and lead is None:
        length = "picture"  # its clips are the speech
    if length == "speech":
        least, most = spoken
    elif length is None and lead is not None:
        least, most = map(max, picture, spoken)
    narrated = length in (None, "speech") and lead is not None
    narrated = narrated and (inf in (spoken[1], picture[1]) or most == spoken[1])
    if (card := given.get("end_card")) is not None:
        card_length = _length(card.get("seconds", 2.0) if isinstance(card, Mapping) else 2.0)
        least, most = least + card_length[0], most + card_length[1]
    if length not in (None, "speech", "picture"):
        least, most = _length(length)
    about = narrated and isinstance(lead, Mapping) and bool(lead.get("about"))
    about = about or (length in (None, "picture") and _is_about(clips))
    wrong = tuple(one.sentence for one in problems)
    return Film(round(least, 2), None if most == inf else round(most, 2), narrated, about, wrong)


def _speaks_surely(clips: Any) -> bool:
    """Whether a clip speaks, whatever is not known yet."""
    return any(
        speech_in({"clips": one}).speaks
        and (not has_unknown(one) or (isinstance(one, Mapping) and one.get("speaks") is True))
        for one in (clips if isinstance(clips, list | tuple) else [clips])
    )


def _is_about(clips: Any) -> bool:
    """Whether the length of a clip is estimated."""
    media = [
        one.get("media", one) if isinstance(one, Mapping) else None
        for one in (clips if isinstance(clips, list | tuple) else [clips])
    ]
    return any(isinstance(one, Mapping) and one.get("about") for one in media)


def _length(seconds: Any) -> tuple[float, float]:
    """The least and greatest of a length that may be unknown."""
    return (float(seconds), float(seconds)) if is_number(seconds) else (0.0, inf)


def _picture(given: Mapping[str, Any]) -> tuple[float, float]:
    """The least and greatest length of the clips."""
    clips = given.get("clips")
    clips = clips if isinstance(clips, list | tuple) else [clips]
    seconds = [shown_seconds(one) for one in clips]
    lengths = [_length(one if one is None else max(0.0, one)) for one in seconds]
    overlap = overlap_seconds(given.get("transition"))
    # An overlap takes at most half of a clip.
    taken = sum(
        min(5.0 if overlap is None else overlap, one / 2, other / 2)
        for (_, one), (_, other) in pairwise(lengths)
    )
    least, most = sum(one for one, _ in lengths), sum(one for _, one in lengths)
    return max(0.0, least - taken), most if overlap is None else most - taken
