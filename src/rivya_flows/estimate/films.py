"""What is known of films before anything is bought: how long they will be, and what no font draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from pydantic import JsonValue

from rivya_client.catalogue.catalogue import Model
from rivya_cut.composition import MAX_TRANSITION
from rivya_cut.platforms import too_long
from rivya_flows.language.common_params import asked_seconds
from rivya_flows.language.cut_places import each_of
from rivya_flows.language.expressions.output_types import has_unknown
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull
from rivya_flows.language.final_cut import SPEECH
from rivya_flows.plans.requests import known_arguments
from rivya_flows.queue.evaluation import expand_step
from rivya_flows.queue.items import TERMINAL, Phase
from rivya_flows.queue.scope import item_scope, known_item, known_scope
from rivya_flows.queue.state import State
from rivya_flows.steps.cut_lengths import (
    Span,
    beat_spans,
    length_problems,
    longest,
    narration_span,
    overlaps_in,
    shown_seconds,
    sound_span,
    span_of,
    start_problems,
)
from rivya_flows.steps.cut_rules import drawn_texts, platforms_in
from rivya_flows.steps.cut_speech import clip_speech, is_speech, sounds_in, speech_in

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
                left_out = plan.world_of(planned).branding.missing_characters(drawn_texts(drawn))
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
    medium: dict[str, JsonValue] = {"kind": kind, "sha256": ""}
    return medium if seconds is None else {**medium, "duration_seconds": seconds}


def _film(given: Mapping[str, Any]) -> Film:
    problems = (*start_problems(given), *length_problems(given))
    clips, length = each_of(given.get("clips")), given.get("length")
    *begins, picture = _begins(given)
    sounds = [one for one in (given.get("narration"), *sounds_in(given)) if one is not None]
    leading = [*filter(is_speech, sounds)]
    over_all = longest((0.0, 0.0), *map(sound_span, leading))
    speech = longest(over_all, *_speech_ends(given, begins))
    least, most = picture
    if length is None:
        least, most = longest(picture, over_all)
    elif length == "speech" and speech[1] > 0:
        least, most = speech
    narrated = bool(leading) and length in (None, "speech") and most in (inf, over_all[1])
    about = narrated and any(map(_is_estimated, leading))
    about = about or any(_is_estimated(part) for one in clips for part in (one, _narration(one)))
    if (card := given.get("end_card")) is not None:
        card_length = span_of(card.get("seconds", 2.0) if isinstance(card, Mapping) else 2.0)
        least, most = least + card_length[0], most + card_length[1]
    if length not in (None, "speech", "picture"):
        (least, most), about = span_of(length), False
    wrong = (*(one.sentence for one in problems), *too_long(platforms_in(given), least))
    return Film(round(least, 2), None if most == inf else round(most, 2), narrated, about, wrong)


def _begins(given: Mapping[str, Any]) -> list[Span]:
    """When each clip begins, and after them when the last one ends."""
    found, lengths = [(0.0, 0.0)], beat_spans(given)
    after = [*lengths[1:], (0.0, 0.0)]
    for length, later, overlap in zip(lengths, after, [*overlaps_in(given), 0.0], strict=False):
        # An overlap takes at most half of a clip.
        most = min(MAX_TRANSITION if overlap is None else overlap, length[0] / 2, later[0] / 2)
        least = min(0.0 if overlap is None else overlap, length[1] / 2, later[1] / 2)
        begin = found[-1]
        found.append((max(0.0, begin[0] + length[0] - most), begin[1] + length[1] - least))
    return found


def _speech_ends(given: Mapping[str, Any], begins: Sequence[Span]) -> Iterator[Span]:
    """When the speech of each clip ends that has one, or may have."""
    overlaps = [0.0, *overlaps_in(given)]
    for clip, begin, overlap in zip(each_of(given.get("clips")), begins, overlaps, strict=False):
        least, most = span_of(shown_seconds(clip))
        if _narration(clip) is not None:
            least, most = narration_span(clip, overlap)
        elif not clip_speech(clip).speaks:
            continue
        elif has_unknown(clip) and not (isinstance(clip, Mapping) and clip.get("speaks") is True):
            least = -begin[0]
        yield begin[0] + least, begin[1] + most


def _narration(clip: Any) -> Any:
    return clip.get("narration") if isinstance(clip, Mapping) else None


def _is_estimated(part: Any) -> bool:
    """Whether the length of a medium of a part, or of one of its media, is estimated."""
    media = each_of(part.get("media") if isinstance(part, Mapping) else None)
    return any(isinstance(one, Mapping) and bool(one.get("about")) for one in media)
