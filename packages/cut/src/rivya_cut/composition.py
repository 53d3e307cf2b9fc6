"""The models of a cut: what a composition or a layout is made of, as `cut.yaml` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict

from rivya_cut.fields import (
    LIST,
    SECONDS,
    Colour,
    DrawnText,
    FilmLength,
    Flag,
    Media,
    Medium,
    Number,
)
from rivya_cut.subtitles import MAX_SUBTITLES, Cue, in_order
from rivya_cut.terms import (
    CaptionPosition,
    CaptionStyle,
    Extra,
    Font,
    Format,
    Motion,
    Position,
    Reframe,
    TransitionKind,
)

MAX_CLIPS = 100
MAX_OVERLAYS = 20
MAX_FORMATS = 6
MAX_COLOURS = 8
MAX_CAPTION_TEXT = 20_000
MAX_OVERLAY_TEXT = 200
MAX_CARD_TEXT = 120
MAX_TRANSITION = 5
MAX_SECONDS = 3_600
"""Of the film, as a place or a length in it."""


def is_medium_map(value: Mapping[str, Any]) -> bool:
    """Whether a map is one medium, such as an asset or `{url: …}`."""
    return bool(value.keys() & {"sha256", "url", "file_id", "path"})


def _clip_of(value: Any) -> Any:
    """A clip as a map, where only its media are written."""
    is_map = isinstance(value, dict) and not is_medium_map(value)
    return value if is_map or isinstance(value, BaseModel | list) else {"media": value}


def _alone(key: str) -> BeforeValidator:
    """Takes a text or a medium alone for a map with it at this key."""

    def as_map(value: Any) -> Any:
        is_medium = isinstance(value, Mapping) and is_medium_map(value)
        return {key: value} if is_medium or isinstance(value, str | Path) else value

    return BeforeValidator(as_map)


_Place = Annotated[Number, Field(ge=0, le=MAX_SECONDS), SECONDS]
Cues = Annotated[tuple[Cue, ...], Field(max_length=MAX_SUBTITLES), AfterValidator(in_order)]
_Length = Annotated[Number, Field(gt=0, le=MAX_SECONDS), SECONDS]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Clip(_Part):
    """A clip on the timeline. Only its media: write them without a map.

    Attributes:
        media: A video or an image.
        seconds: How long it is shown, as `2s` or a number of seconds; left out, a video to its end
            and an image for 3 s, or longer where the film is.
        start: Second of the video at which the clip begins.
        motion: Movement of the camera over the picture.
        speaks: Whether its own sound is speech, which music gives way to and captions are timed by;
            left out, where that is known of its video.
        cues: What is said in it, by the times of its video; one that is `burned_in` is in its
            picture already.
    """

    media: Medium
    seconds: _Length | None = None
    start: _Place = 0.0
    motion: Motion = "none"
    speaks: Flag | None = None
    cues: Cues = ()


class Transition(_Part):
    """How one clip follows the other. Only its kind: write that without a map.

    Attributes:
        kind: `cut` takes no time; `fade` and `slide` overlap both clips.
        seconds: How long both clips are seen.
    """

    kind: TransitionKind = "cut"
    seconds: Annotated[Number, Field(ge=0.05, le=MAX_TRANSITION), SECONDS] = 0.4


class Music(_Part):
    """Music under the whole film. Only its audio: write that without a map.

    Attributes:
        audio: The music; it is repeated or cut to the length of the film.
        level: Its loudness where the film has no speech, in LUFS.
        duck: Whether it is 12 dB under the speech.
    """

    audio: Medium
    level: Annotated[Number, Field(ge=-60, le=-5)] = -20.0
    duck: Flag = True


class Captions(_Part):
    """Captions that are drawn into the picture: `text`, `file` or `cues`; without one, what the
    clips know is said in them. Only their text: write that without a map.

    Attributes:
        text: What is said, timed by the pauses of the speech.
        file: A subtitle file beside this file, SRT or WebVTT, with its own times.
        cues: Captions with their times, as a subtitle file has them.
        estimated: Whether these times are estimates.
        language: Language of the text, such as `hi` or `en-GB`.
        position: Where they are.
        style: `plain` has an outline, `plate` a dark plate under the text, `none` is not drawn.
    """

    text: Annotated[str | None, DrawnText(MAX_CAPTION_TEXT)] = None
    file: Medium | None = None
    cues: Cues = ()
    estimated: Flag = False
    language: str | None = None
    position: CaptionPosition = "bottom"
    style: CaptionStyle = "plain"


class Overlay(_Part):
    """An image or a text over a film or an image: `image` or `text`, not both.

    Attributes:
        image: An image, such as a logo.
        text: One or two lines of text.
        position: Where it is, inside the safe area.
        width: Share of the width of the frame; left out, 0.18 for an image, as needed for a text.
        start: Second of the film at which it appears.
        seconds: How long it is shown; left out, until the end card or the end.
    """

    image: Medium | None = None
    text: Annotated[str | None, DrawnText(MAX_OVERLAY_TEXT)] = None
    position: Position = "top-right"
    width: Annotated[Number, Field(gt=0, le=1)] | None = None
    start: _Place = 0.0
    seconds: _Length | None = None


class EndCard(_Part):
    """A card at the end of a film: at least one of `title`, `line` and `image`.

    Attributes:
        title: Large text.
        line: Smaller text under it.
        image: An image, such as a logo.
        seconds: How long it is shown.
    """

    title: Annotated[str | None, DrawnText(MAX_CARD_TEXT)] = None
    line: Annotated[str | None, DrawnText(MAX_CARD_TEXT)] = None
    image: Medium | None = None
    seconds: Annotated[Number, Field(gt=0, le=60), SECONDS] = 2.0


class Look(_Part):
    """How text and cards are drawn.

    Attributes:
        colours: Up to 8, as `#rgb` or `#rrggbb`, the main one first; left out, neutral ones.
        font: Family of drawn text; scripts that it lacks take Noto.
    """

    colours: Annotated[tuple[Colour, ...], Field(max_length=MAX_COLOURS)] = ()
    font: Font = "poppins"


Overlays = Annotated[tuple[Overlay, ...], Field(max_length=MAX_OVERLAYS)]
Formats = Annotated[tuple[Format, ...], Field(max_length=MAX_FORMATS)]
Shrink = Annotated[int, Strict(), Field(ge=1, le=64)]


class Composition(_Part):
    """A film, rendered once for each format.

    Attributes:
        clips: Videos and images in order, one or a list, or maps with `media`.
        narration: The speech: it sets the level, and the film is at least as long. Without it,
            clips that speak are the speech.
        music: Music under the whole film.
        audio: One audio or a list: the first leads, the others play under it. With `narration`,
            or clips that speak, all of them play under that.
        transition: How one clip follows the other.
        captions: What is said, as text in the picture.
        overlays: Images and texts over the film, the first at the bottom.
        end_card: A card after the last clip.
        formats: One film for each; left out, one film in the size of the first clip.
        reframe: How media fill a frame of another shape: `crop` cuts edges off, `pad` adds bars,
            `blur` fills with a blurred copy of their edges.
        extras: What else to make: a `poster`, a short `gif`, the captions as an `srt` file, and
            each film `clean`, without captions.
        loudness: Loudness of the result, in LUFS.
        length: How long the film is: as the `speech`, as the `picture`, or a time, with the end
            card; left out, as the longer of both.
        look: Colours and font of texts and cards.
        shrink: Divides width and height of the formats, for a quick look.
    """

    clips: Annotated[
        tuple[Annotated[Clip, BeforeValidator(_clip_of)], ...], Field(max_length=MAX_CLIPS), LIST
    ] = ()
    narration: Medium | None = None
    music: Annotated[Music, _alone("audio")] | None = None
    audio: Media = ()
    transition: Annotated[Transition, _alone("kind")] = Transition()
    captions: Annotated[Captions, _alone("text")] | None = None
    overlays: Overlays = ()
    end_card: EndCard | None = None
    formats: Formats = ()
    reframe: Reframe = "crop"
    extras: tuple[Extra, ...] = ()
    loudness: Annotated[Number, Field(ge=-40, le=-5)] = -16.0
    length: FilmLength | None = None
    look: Look = Look()
    shrink: Shrink = 1


class Layout(_Part):
    """An image with pictures and text over it, once for each format.

    Attributes:
        image: The image.
        overlays: Images and texts over it, the first at the bottom; `start` and `seconds` have no
            effect.
        formats: One picture for each; left out, one picture in the size of the image.
        reframe: How the image fills a frame of another shape: `crop` cuts edges off, `pad` adds
            bars, `blur` fills with a blurred copy of its edges.
        look: Colours and font of texts.
        shrink: Divides width and height of the formats, for a quick look.
    """

    image: Medium
    overlays: Overlays = ()
    formats: Formats = ()
    reframe: Reframe = "crop"
    look: Look = Look()
    shrink: Shrink = 1
