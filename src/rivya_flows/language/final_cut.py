"""The models of `compose` and `layout` in a spec, made of those of `rivya_cut`."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from functools import reduce
from operator import or_
from pathlib import Path as FilePath
from types import GenericAlias, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
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
    Overlay,
    Sound,
    Transcript,
    Transition,
)
from rivya_cut.fields import DrawnText
from rivya_cut.subtitles import Cue
from rivya_flows.language.cut_places import CUT, Slot
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
from rivya_flows.language.syntax.media_references import kind_of
from rivya_flows.language.syntax.tree import Path
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
    more: str = "",
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
        more: What the docstring says of a field that a spec has besides.
        **instead: Types of fields that are others in a spec, or their types and defaults.
    """
    _, _, attributes = inspect.cleandoc(plain.__doc__ or "").partition("\n\n")
    documented = sorted(plain.model_fields, key=lambda one: attributes.find(f"\n    {one}:"))
    fields: dict[str, Any] = {}
    for key in documented:
        info = plain.model_fields[key]
        default: Any = ... if info.is_required() else info.default
        if key in instead:
            made = instead.pop(key)
            fields[key] = made if isinstance(made, tuple) else (made, default)
        elif key not in without:
            kind = _of_spec(info.annotation, {FilePath: Value, **(parts or {})})
            marks = [] if kind is Value else [*info.metadata]
            if isinstance(default, tuple | BaseModel):
                kind, default = kind if kind is Value else kind | None, None
            if kind is not Value and key not in literal:
                texts = [ComputableText(one) for one in marks if isinstance(one, DrawnText)]
                marks += texts or [COMPUTABLE]
            marks += [takes[written]] if takes and (written := info.alias or key) in takes else []
            if info.alias:
                default = Field(default, alias=info.alias)
            fields[key] = (annotate(kind, *marks), default)
    docstring = f"{about}\n\n{attributes}{more}".replace("this file", "the spec")
    fields |= instead
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


TransitionWith = computable(
    Transition,
    "TransitionWith",
    "How one clip of `compose` follows the other. Only its kind: write that without a map.",
)
SoundWith = computable(
    Sound, "SoundWith", "A sound of a film of `compose`. Only its medium: write that without a map."
)
_CAPTION_FIELDS: Mapping[str, Any] = {
    "file": str | None,
    "cues": SkipJsonSchema[Cues],
    "estimated": SkipJsonSchema[Flag],
    "language": Annotated[Language | None, COMPUTABLE],
}
TranscriptWith = computable(
    Transcript,
    "TranscriptWith",
    "What is said in a clip of `compose`: `text` or `file`. Only its text: write that without a map.",
    **_CAPTION_FIELDS,
)
CaptionsWith = computable(
    Captions,
    "CaptionsWith",
    "Captions of `compose`: `text`, `file`, or without both what its clips say. Only their text: write\n"
    "that without a map. The `captions` of another `compose` have their times.",
    **_CAPTION_FIELDS,
)
OverlayWith = computable(
    Overlay,
    "OverlayWith",
    "A picture, a video or a text over a film or an image: `media` or `text`, not both.",
)
EndCardWith = computable(
    EndCard,
    "EndCardWith",
    "A card at the end of a film: at least one of `title`, `line` and `image`, of the brand if the\n"
    "step has none; `true` is all of the brand's.",
)
ClipWith = computable(
    Clip,
    "ClipWith",
    "A clip of `compose`, with what belongs to it. Only its media: write them without a map.",
    parts={
        Transition: TransitionWith,
        Sound: SoundWith,
        Transcript: TranscriptWith,
        Overlay: OverlayWith,
    },
    more="\n    zip: Lists by keys of a clip, all of one length: a clip for each place of them, in order. An item of a\n"
    "        step stands for its asset.",
    media=(Value, None),
    cues=SkipJsonSchema[Cues],
    zip=(dict[str, Value] | None, None),
)

MODEL_OF: Mapping[Any, type[SpecModel]] = {
    Clip: ClipWith,
    Transition: TransitionWith,
    Sound: SoundWith,
    Transcript: TranscriptWith,
    Captions: CaptionsWith,
    Overlay: OverlayWith,
    EndCard: EndCardWith,
}
"""The model of each part in a spec, by its plain model."""

PART_OF_SPEC: Mapping[Any, Any] = {
    **MODEL_OF,
    EndCard: annotate(EndCardWith, BeforeValidator(_of_the_brand)),
}
"""What is written in a spec for each part, by its plain model."""

CUT_PARTS: Mapping[str, type[SpecModel]] = {
    key: MODEL_OF[model]
    for key, slot in CUT.fields.items()
    if (model := (slot.member or slot).model) in MODEL_OF
}
"""The models of the arguments that are maps, or lists of maps."""


def part_at(path: Path) -> type[SpecModel] | None:
    """The model of the map at a place of the arguments of a cut; None if there is none."""
    slot: Slot | None = CUT
    for key in path:
        slot = slot and (slot.fields.get(key) if isinstance(key, str) else slot.member)
    while slot is not None and slot.member is not None:
        slot = slot.member
    return MODEL_OF.get(slot.model) if slot is not None else None


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


def medium_kind(medium: Any) -> str | None:
    """Kind of a medium: of an asset, or by the extension of a path or URL; None if not known."""
    if isinstance(medium, Mapping):
        kind = medium.get("kind")
        return kind if isinstance(kind, str) else None
    return kind_of(medium) if isinstance(medium, str) and not is_later(medium) else None
