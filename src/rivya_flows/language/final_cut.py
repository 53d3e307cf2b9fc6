"""The parts of `compose` and `layout` in a spec, and the media in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator
from pydantic.json_schema import SkipJsonSchema

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
from rivya_flows.language.computable import annotated, computable
from rivya_flows.language.field_types import COMPUTABLE, SpecModel
from rivya_flows.language.request_checks import is_language, language_hint
from rivya_flows.language.wording import shown


def _language(text: str) -> str:
    if not is_language(text):
        raise ValueError(f"{shown(text)} is no language; {language_hint(text)}")
    return text


Language = Annotated[str, AfterValidator(_language)]
"""A code such as ``hi`` or ``en-GB``."""


def _of_the_brand(value: Any) -> Any:
    return {} if value is True else value


ClipWith = computable(
    Clip, "ClipWith", "A clip of `compose`. Only its media: write them without a map."
)
TransitionWith = computable(
    Transition, "TransitionWith", "How one clip of `compose` follows the other."
)
MusicWith = computable(Music, "MusicWith", "Music under a film of `compose`.")
CaptionsWith = computable(
    Captions,
    "CaptionsWith",
    "Captions of `compose`. They need `text` or `file`.",
    file=str | None,
    cues=SkipJsonSchema[Cues],
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
    EndCard: annotated(EndCardWith, BeforeValidator(_of_the_brand)),
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

MEDIUM_IN: Mapping[str, str] = {
    "clips": "media",
    "music": "audio",
    "overlays": "image",
    "end_card": "image",
}
"""The key of the medium in each part that has one."""

MEDIA_KINDS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("video",): ("video",),
    ("images",): ("image",),
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


class CutMedium(NamedTuple):
    """A medium in the arguments of `compose` or `layout`.

    Attributes:
        path: Where it is, from the arguments.
        value: An asset, a text, an expression, or a map with `url` or `file_id`; never None.
        kinds: Kinds of media that may be there.
    """

    path: tuple[str | int, ...]
    value: Any
    kinds: tuple[str, ...]


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
            bare = key == "clips" and isinstance(one, Mapping) and is_medium_map(one)
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
