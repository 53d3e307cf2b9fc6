"""The models of `compose` and `layout` in a spec, made of those of `rivya_cut`, and the media in them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from types import GenericAlias, UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    create_model,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from rivya_cut.composition import (
    Captions,
    Clip,
    Cues,
    EndCard,
    Music,
    Overlay,
    Transition,
    is_medium_map,
)
from rivya_cut.durations import DurationError, seconds_of
from rivya_cut.fields import DrawnText
from rivya_cut.subtitles import Cue
from rivya_flows.language.expressions.inference import TEXTS
from rivya_flows.language.expressions.output_types import Unknown
from rivya_flows.language.expressions.values import as_text, is_number
from rivya_flows.language.field_types import (
    COMPUTABLE,
    Computable,
    Flag,
    SpecModel,
    Takes,
    Value,
    is_later,
)
from rivya_flows.language.request_checks import is_language, language_hint
from rivya_flows.language.wording import preview


@dataclass(frozen=True)
class ComputableText(Computable):
    """Marks a drawn text, or an expression that gives one."""

    drawn: DrawnText

    def check_value(
        self, value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        if is_later(value, info):
            if isinstance(value, Unknown) and value.least > self.drawn.limit:
                raise self.drawn.too_long(f"over {value.least:,}")
            return value
        return validate(as_text(value) if info.context and is_number(value) else value)


def computable(
    plain: type[BaseModel],
    name: str,
    about: str,
    *,
    parts: Mapping[Any, Any] | None = None,
    takes: Mapping[str, Takes] | None = None,
    literal: Collection[str] = (),
    without: Collection[str] = (),
    **instead: Any,
) -> type[SpecModel]:
    """The model of a map in a spec, of the plain model of the same thing.

    Its fields also take expressions, any value where the plain model has the path of a file, and None
    where it has a default of several values.

    Args:
        about: First paragraph of its docstring; the attributes are those of the plain model.
        parts: Types of a spec by those of the plain model, such as of the maps inside.
        literal: Fields that take no expression.
        without: Fields that are no keys of a spec.
        **instead: Types of fields that are others in a spec.
    """
    fields: dict[str, Any] = {}
    for key, info in plain.model_fields.items():
        default: Any = ... if info.is_required() else info.default
        if key in instead:
            fields[key] = (instead[key], default)
        elif key not in without:
            kind = _of_spec(info.annotation, {Path: Value, **(parts or {})})
            marks = [] if kind is Value else [*info.metadata]
            if isinstance(default, tuple | BaseModel):
                kind, default = kind if kind is Value else kind | None, None
            if kind is not Value and key not in literal:
                texts = [ComputableText(one) for one in marks if isinstance(one, DrawnText)]
                marks += texts or [COMPUTABLE]
            marks += [takes[key]] if takes and key in takes else []
            fields[key] = (annotate(kind, *marks), default)
    _, _, attributes = inspect.cleandoc(plain.__doc__ or "").partition("\n\n")
    docstring = f"{about}\n\n{attributes}".replace("this file", "the spec")
    return create_model(name, __base__=SpecModel, __module__=__name__, __doc__=docstring, **fields)


def annotate(kind: Any, *marks: Any) -> Any:
    """The type with marks."""
    return Annotated[kind, *marks] if marks else kind


def _of_spec(plain: Any, parts: Mapping[Any, Any]) -> Any:
    """The type of a field of a spec, of that of the plain model."""
    if plain in parts:
        return parts[plain]
    origin, inside = get_origin(plain), get_args(plain)
    if origin not in (Annotated, Union, UnionType, tuple):
        return plain
    made = [one if one is ... else _of_spec(one, parts) for one in inside]
    if Value in made:
        return Value
    if origin is Annotated:
        return annotate(*made)
    if origin is tuple:
        return GenericAlias(tuple, (annotate(made[0], COMPUTABLE), ...))
    return reduce(or_, made)


def _language(text: str) -> str:
    if not is_language(text):
        raise ValueError(f"{preview(text)} is no language; {language_hint(text)}")
    return text


Language = Annotated[str, AfterValidator(_language)]
"""A code such as ``hi`` or ``en-GB``."""


def _of_the_brand(value: Any) -> Any:
    return {} if value is True else value


ClipWith = computable(
    Clip,
    "ClipWith",
    "A clip of `compose`. Only its media: write them without a map.",
    cues=SkipJsonSchema[Cues],
)
TransitionWith = computable(
    Transition,
    "TransitionWith",
    "How one clip of `compose` follows the other. Only its kind: write that without a map.",
)
MusicWith = computable(
    Music, "MusicWith", "Music under a film of `compose`. Only its audio: write that without a map."
)
CaptionsWith = computable(
    Captions,
    "CaptionsWith",
    "Captions of `compose`: `text`, `file`, or without both what the clips of `compose` steps know is\n"
    "said in them. Only their text: write that without a map. The `captions` of another `compose`\n"
    "have their times.",
    file=str | None,
    cues=SkipJsonSchema[Cues],
    estimated=SkipJsonSchema[Flag],
    language=Annotated[Language | None, COMPUTABLE],
)
OverlayWith = computable(
    Overlay,
    "OverlayWith",
    "An image or a text over a film or an image: `image` or `text`, not both.",
)
EndCardWith = computable(
    EndCard,
    "EndCardWith",
    "A card at the end of a film: at least one of `title`, `line` and `image`, of the brand if the\n"
    "step has none; `true` is all of the brand's.",
)

PART_OF_SPEC: Mapping[Any, Any] = {
    Clip: ClipWith,
    Transition: TransitionWith,
    Music: MusicWith,
    Captions: CaptionsWith,
    Overlay: OverlayWith,
    EndCard: annotate(EndCardWith, BeforeValidator(_of_the_brand)),
}
"""The model of each part in a spec, by its plain model."""

CUT_PARTS: Mapping[str, type[SpecModel]] = {
    "clips": ClipWith,
    "transition": TransitionWith,
    "music": MusicWith,
    "captions": CaptionsWith,
    "overlays": OverlayWith,
    "end_card": EndCardWith,
}
"""Arguments that are maps, or lists of maps."""

SHORT: Mapping[str, str] = {"transition": "kind", "music": "audio", "captions": "text"}
"""What a text or a medium alone stands for in these parts."""

MEDIUM_IN: Mapping[str, str] = {
    "clips": "media",
    "music": "audio",
    "overlays": "image",
    "end_card": "image",
}
"""The key of the medium in each part that has one."""

MEDIA_KINDS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("audio",): ("audio",),
    ("clips",): ("image", "video"),
    ("narration",): ("audio",),
    ("image",): ("image",),
    ("clips", "media"): ("image", "video"),
    ("music", "audio"): ("audio",),
    ("overlays", "image"): ("image",),
    ("end_card", "image"): ("image",),
}
"""The kinds of media at each place of `compose` and `layout`; indexes of lists left out."""


SPEECH = "speech"
"""The key of an asset of a film in which somebody speaks: a map with the `cues` of what is said, if that is
known. A film that this one is a clip of has them too."""

_CUES: TypeAdapter[tuple[Cue, ...]] = TypeAdapter(Cues)


def known_cues(medium: Any) -> list[dict[str, Any]] | None:
    """What is said in a medium, as far as it is known; None if no speech in it is known.

    An asset may be of any origin, so cues that are wrong count as unknown.
    """
    speech = medium.get(SPEECH) if isinstance(medium, Mapping) else None
    if not isinstance(speech, Mapping) or medium.get("kind") != "video":
        return None
    try:
        cues = _CUES.validate_python(speech.get("cues", ()))
        return [{name: one for name, one in asdict(cue).items() if name != "words"} for cue in cues]
    except ValidationError:
        return []


class CutMedium(NamedTuple):
    """A medium in the arguments of `compose` or `layout`, its path from these, and what it may be.

    Its value is an asset, a text, an expression, or a map with `url` or `file_id`; never None.
    """

    path: tuple[str | int, ...]
    value: Any
    kinds: tuple[str, ...]


def is_medium(value: Any) -> bool:
    """Whether a value is one medium as a map, such as an asset or `{url: …}`."""
    return isinstance(value, Mapping) and is_medium_map(value)


def whole_forms(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a `compose` or `layout` without short forms: one clip is a list, a list of clips
    among clips is its clips, a text or a medium alone is a map, and `2s` is a number of seconds.
    """
    made = dict(arguments)
    for key, value in arguments.items():
        shape = value.shape.kind if isinstance(value, Unknown) else None
        is_text = isinstance(value, str) and (key == "captions" or "${{" not in value)
        is_one = is_text or not isinstance(value, list | tuple | str | Unknown | None)
        if key == "clips" and (is_one or shape in ("asset", "text", "map")):
            made[key] = [value]
        elif key == "clips" and isinstance(value, list | tuple):
            made[key] = [
                clip for one in value for clip in (one if isinstance(one, list | tuple) else (one,))
            ]
        elif key in SHORT and (
            shape in TEXTS or is_text or (key == "music" and (shape == "asset" or is_medium(value)))
        ):
            made[key] = {SHORT[key]: value}
        if key in CUT_PARTS:
            held = made[key]
            made[key] = (
                [*map(_with_times, held)] if isinstance(held, list | tuple) else _with_times(held)
            )
    changed: dict[str, Any] = _with_times(made)
    return changed


def _with_times(part: Any) -> Any:
    """A part with its times as numbers; a wrong one, which its model reports, stays."""
    made = dict(part) if isinstance(part, Mapping) else part
    for key in ("start", "seconds", "length") if isinstance(part, Mapping) else ():
        with suppress(DurationError):
            made |= {key: seconds_of(part[key])} if key in part else {}
    return made


def media_in(arguments: Mapping[str, Any]) -> Iterator[CutMedium]:
    """All media in the arguments of a `compose` or `layout`, in their order; no whole expressions
    for `clips`, `overlays`, `music` and `end_card`.
    """
    for key, held in arguments.items():
        if key not in CUT_PARTS and (key,) not in MEDIA_KINDS:
            continue
        members = list(enumerate(held)) if isinstance(held, list | tuple) else [(None, held)]
        for index, one in members:
            path: tuple[str | int, ...] = (key,) if index is None else (key, index)
            bare = key == "clips" and is_medium(one)
            if isinstance(one, Mapping) and key in MEDIUM_IN and not bare:
                path, one = (*path, MEDIUM_IN[key]), one.get(MEDIUM_IN[key])
            elif key in CUT_PARTS and (key != "clips" or index is None):
                continue
            if one is not None:
                place = tuple(step for step in path if isinstance(step, str))
                yield CutMedium(path, one, MEDIA_KINDS[place])


def with_media(arguments: Mapping[str, Any], change: Callable[[CutMedium], Any]) -> dict[str, Any]:
    """A copy of the arguments with what `change` gives for each of `media_in`, called in their order."""
    held = {place[0] for place in MEDIA_KINDS}
    made: Any = {key: deepcopy(one) if key in held else one for key, one in arguments.items()}
    for one in media_in(arguments):
        *holders, last = one.path
        holder = made
        for step in holders:
            holder = holder[step]
        holder[last] = change(one)
    found: dict[str, Any] = made
    return found
