"""The parts of `compose` and `layout`: clips, captions, overlays, and the media in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field, ValidationInfo, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from rivya_flows.language.cut_terms import (
    CaptionPosition,
    CaptionStyle,
    Motion,
    Position,
    TransitionKind,
)
from rivya_flows.language.expressions.output_types import Unknown
from rivya_flows.language.expressions.values import as_text, is_number
from rivya_flows.language.field_types import (
    COMPUTABLE,
    Computable,
    Flag,
    Number,
    SpecModel,
    Value,
    is_later,
)
from rivya_flows.language.request_checks import is_language, language_hint
from rivya_flows.language.subtitles import MAX_SUBTITLE_CHARACTERS, MAX_SUBTITLES
from rivya_flows.language.wording import shown

MAX_CLIPS = 100
MAX_OVERLAYS = 20
MAX_FORMATS = 6
MAX_CAPTION_TEXT = 20_000
MAX_OVERLAY_TEXT = 200
MAX_CARD_TEXT = 120
MAX_TRANSITION = 5
MAX_SECONDS = 3_600
"""Of the film, as a place or a length in it."""


@dataclass(frozen=True)
class DrawnText(Computable):
    """Marks a text that is drawn into a picture, or an expression that gives one.

    Attributes:
        limit: In characters.
    """

    limit: int

    def checked(
        self, value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        if is_later(value, info):
            if isinstance(value, Unknown) and value.least > self.limit:
                raise ValueError(self._too_long(f"over {value.least:,}"))
            return value
        text = validate(as_text(value) if info.context and is_number(value) else value)
        if text is None:
            return None
        if not text.strip():
            raise ValueError("the text is empty; write it, or remove the key")
        if len(text) > self.limit:
            raise ValueError(self._too_long(f"{len(text):,}"))
        return text

    def _too_long(self, count: str) -> str:
        return f"the text has {count} characters; shorten it to at most {self.limit:,}"


def _language(text: str) -> str:
    if not is_language(text):
        raise ValueError(f"{shown(text)} is no language; {language_hint(text)}")
    return text


Language = Annotated[str, AfterValidator(_language)]
"""A code such as ``hi`` or ``en-GB``."""

_Place = Annotated[Number, Field(ge=0, le=MAX_SECONDS)]
_Length = Annotated[Number, Field(gt=0, le=MAX_SECONDS)]
_Start = Annotated[_Place, COMPUTABLE]
_Shown = Annotated[_Length | None, COMPUTABLE]


class ClipWith(SpecModel):
    """A clip of `compose`. Only its media: write them without a map.

    Attributes:
        media: A video or an image.
        seconds: How long it is shown; left out, a video to its end and an image for 3 s.
        start: Second of the video at which the clip begins.
        motion: Movement of the camera over the picture.
    """

    media: Value
    seconds: _Shown = None
    start: _Start = 0.0
    motion: Annotated[Motion, COMPUTABLE] = "none"

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        is_map = isinstance(value, dict) and not is_medium_map(value)
        return value if is_map or isinstance(value, ClipWith) else {"media": value}


def is_medium_map(value: Mapping[str, Any]) -> bool:
    """Whether a map is one medium, such as an asset or `{url: …}`."""
    return bool(value.keys() & {"sha256", "url", "file_id", "path"})


class TransitionWith(SpecModel):
    """How one clip of `compose` follows the other.

    Attributes:
        kind: `cut` takes no time; `fade` and `slide` overlap both clips.
        seconds: How long both clips are seen.
    """

    kind: Annotated[TransitionKind, COMPUTABLE] = "cut"
    seconds: Annotated[Annotated[Number, Field(ge=0.05, le=MAX_TRANSITION)], COMPUTABLE] = 0.4


class MusicWith(SpecModel):
    """Music under a film of `compose`.

    Attributes:
        audio: The music; it is repeated or cut to the length of the film.
        level: Its loudness where nobody speaks, in LUFS.
        duck: Whether it is 12 dB under the speech.
    """

    audio: Value
    level: Annotated[Annotated[Number, Field(ge=-60, le=-5)], COMPUTABLE] = -20.0
    duck: Annotated[Flag, COMPUTABLE] = True


class CueWith(SpecModel):
    """One caption of a subtitle file, in seconds of the film."""

    start: _Place
    end: _Place
    text: Annotated[str, DrawnText(MAX_SUBTITLE_CHARACTERS)]


class CaptionsWith(SpecModel):
    """Captions of `compose`. They need `text` or `file`.

    Attributes:
        text: What is said, timed by the pauses of the narration, or of the first audio.
        file: A subtitle file beside the spec, SRT or WebVTT, with its own times.
        cues: What the file says; not a key of a spec.
        language: Language of the text, such as `hi` or `en-GB`.
        position: Where they are.
        style: `plain` has an outline, `plate` a dark plate under the text.
    """

    text: Annotated[str | None, DrawnText(MAX_CAPTION_TEXT)] = None
    file: str | None = None
    cues: SkipJsonSchema[Annotated[tuple[CueWith, ...], Field(max_length=MAX_SUBTITLES)]] = ()
    language: Annotated[Language | None, COMPUTABLE] = None
    position: Annotated[CaptionPosition, COMPUTABLE] = "bottom"
    style: Annotated[CaptionStyle, COMPUTABLE] = "plain"

    @model_validator(mode="after")
    def _in_turn(self) -> CaptionsWith:
        end = 0.0
        for number, cue in enumerate(self.cues, 1):  # an answer may give any, all at one time too
            if not end <= cue.start < cue.end:
                raise ValueError(
                    f"cue {number} overlaps the one before it, or ends before it begins"
                )
            end = cue.end
        return self


class OverlayWith(SpecModel):
    """An image or a text over a film or an image: `image` or `text`, not both.

    Attributes:
        image: An image, such as a logo.
        text: One or two lines of text.
        position: Where it is, inside the safe area.
        width: Share of the width of the frame; left out, 0.18 for an image, as needed for a text.
        start: Second of the film at which it appears.
        seconds: How long it is shown; left out, until the end card or the end.
    """

    image: Value = None
    text: Annotated[str | None, DrawnText(MAX_OVERLAY_TEXT)] = None
    position: Annotated[Position, COMPUTABLE] = "top-right"
    width: Annotated[Annotated[Number, Field(gt=0, le=1)] | None, COMPUTABLE] = None
    start: _Start = 0.0
    seconds: _Shown = None


class EndCardWith(SpecModel):
    """A card at the end of a film: at least one of `title`, `line` and `image`, of the brand if the
    step has none; `true` is all of the brand's.

    Attributes:
        title: Large text.
        line: Smaller text under it.
        image: An image, such as a logo.
        seconds: How long it is shown.
    """

    title: Annotated[str | None, DrawnText(MAX_CARD_TEXT)] = None
    line: Annotated[str | None, DrawnText(MAX_CARD_TEXT)] = None
    image: Value = None
    seconds: Annotated[Annotated[Number, Field(gt=0, le=60)], COMPUTABLE] = 2.0

    @model_validator(mode="before")
    @classmethod
    def _of_the_brand(cls, value: Any) -> Any:
        return {} if value is True else value


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
