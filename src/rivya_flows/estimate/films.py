"""What is known of films before anything is bought: how long they will be, and what no font draws."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Any

from pydantic import JsonValue

from rivya_client.catalogue.catalogue import Model
from rivya_cut.captions import letter_count
from rivya_flows.assets import Asset
from rivya_flows.language.common_params import asked_seconds
from rivya_flows.language.cut_places import CutMedium, with_media
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull
from rivya_flows.language.final_cut import SPEECH
from rivya_flows.plans.requests import known_arguments
from rivya_flows.queue.evaluation import expand_step
from rivya_flows.queue.items import TERMINAL, Phase
from rivya_flows.queue.scope import item_scope, known_item, known_scope
from rivya_flows.queue.state import State
from rivya_flows.steps.cut import without_nulls
from rivya_flows.steps.cut_lengths import film_spans, length_problems, speech_span, start_problems
from rivya_flows.steps.cut_rules import drawn_texts
from rivya_flows.steps.cut_speech import speech_in
from rivya_flows.steps.request import named_file

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
                world = plan.world_of(planned)
                drawn = world.branding.complete_arguments(arguments)
                drawn = with_media(drawn, partial(_beside, world.files))
                left_out = world.branding.missing_characters(drawn_texts(drawn))
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


def _beside(files: Mapping[str, Asset], medium: CutMedium) -> Any:
    return named_file(medium.value, files)


def _expected_asset(model: Model | None, arguments: Mapping[str, Any]) -> dict[str, JsonValue]:
    """The asset of a purchase, as far as it is known: its kind, and how long it lasts."""
    if model is None:
        return _asset(None)
    prompt = arguments.get("prompt")
    if model.speaks and isinstance(prompt, str):
        return {**_asset(model.category, letter_count(prompt) / _SPOKEN), "about": True}
    return _asset(model.category, asked_seconds(model, arguments))


def _asset(kind: str | None, seconds: float | None = None) -> dict[str, JsonValue]:
    medium: dict[str, JsonValue] = {"kind": kind, "sha256": ""}
    return medium if seconds is None else {**medium, "duration_seconds": seconds}


def _film(arguments: Mapping[str, Any]) -> Film:
    given = without_nulls(arguments)
    certain = with_media(given, _without_estimate)
    _, span = film_spans(given)
    _, sure = film_spans(certain)
    problems = (*start_problems(certain), *length_problems(certain))
    spoken = speech_span(given)[1]
    bare = given | {"end_card": None}
    narrated = spoken > 0 and film_spans(bare)[1][1] in (inf, spoken)
    if given.get("length") is None:
        narrated = narrated and film_spans(bare | {"length": "picture"})[1][1] < inf
    else:
        narrated = narrated and given["length"] == "speech"
    wrong = tuple(one.sentence for one in problems)
    most = None if span[1] == inf else round(span[1], 2)
    return Film(round(span[0], 2), most, narrated, span != sure, wrong)


def _without_estimate(medium: CutMedium) -> Any:
    """A medium, which lasts for an unknown time if that is estimated."""
    value = medium.value
    if not isinstance(value, Mapping) or not value.get("about"):
        return value
    return {**value, "duration_seconds": None}
