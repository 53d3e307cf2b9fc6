"""The models of a cut: what a composition or a layout is made of, as `cut.yaml` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, Strict
from pydantic_core.core_schema import CoreSchema, no_info_before_validator_function

from rivya_cut.fields import (
    LIST,
    SECONDS,
    Audible,
    Colour,
    DrawnText,
    FilmLength,
    Flag,
    Medium,
    Number,
    Picture,
    Still,
)
from rivya_cut.subtitles import MAX_SUBTITLES, Cue, in_order
from rivya_cut.terms import (
    CaptionPosition,
    CaptionStyle,
    Codec,
    Extra,
    Font,
    Format,
    Motion,
    Platform,
    Position,
    Reframe,
    Role,
    Split,
    TextMotion,
    TransitionKind,
)

MAX_CLIPS = 100
MAX_OVERLAYS = 20
MAX_SOUNDS = 100
MAX_SPLIT = 9
MAX_POSTERS = 10
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


@dataclass(frozen=True)
class Alone:
    """Marks a map for which a text or a medium alone stands, at this key; what a map lacks is by default."""

    key: str
    defaults: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return no_info_before_validator_function(self.as_map, handler(source))

    def as_map(self, value: Any) -> Any:
        if isinstance(value, BaseModel | list | None) or (
            self.key != "media" and type(value) is not str
        ):
            return value
        is_map = isinstance(value, Mapping) and not is_medium_map(value)
        return {**self.defaults, **(value if is_map else {self.key: value})}


_Place = Annotated[Number, Field(ge=0, le=MAX_SECONDS), SECONDS]
Cues = Annotated[tuple[Cue, ...], Field(max_length=MAX_SUBTITLES), AfterValidator(in_order)]
_Length = Annotated[Number, Field(gt=0, le=MAX_SECONDS), SECONDS]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Transition(_Part):
    """How one clip follows the other. Only its kind: write that without a map.

    Attributes:
        kind: `cut` takes no time; the others overlap both clips: `fade` blends them, `slide` moves the
            new one over the old one, `push` moves both, `wipe` uncovers the new one from the left, `zoom`
            moves into it.
        seconds: How long both clips are seen.
    """

    kind: TransitionKind = "cut"
    seconds: Annotated[Number, Field(ge=0.05, le=MAX_TRANSITION), SECONDS] = 0.4


class Sound(_Part):
    """A sound of the film. Only its medium: write that without a map.

    Attributes:
        media: A sound, or a video for its sound.
        role: `speech` leads: captions are timed by it, and the film is at least as long; `music`
            gives way to it; an `effect` is heard as it is.
        at: Second of the film at which it begins.
        start: Second of the medium at which it begins.
        seconds: How long it is heard; left out, to its end, and where it repeats to the end of the film.
        level: Its loudness in LUFS; left out, that of the film for speech, -20 for the rest.
        fade: How long it comes and goes; left out, as its role needs it.
        repeat: Whether it begins again at its end, as `music` of the film does unless it says `false`.
        duck: Whether it is 12 dB under the speech; left out, music is, and so is speech under speech.
    """

    media: Audible
    role: Role = "speech"
    at: _Place = 0.0
    start: _Place = 0.0
    seconds: _Length | None = None
    level: Annotated[Number, Field(ge=-60, le=-5)] | None = None
    fade: Annotated[Number, Field(ge=0, le=30), SECONDS] | None = None
    repeat: Flag = False
    duck: Flag | None = None


class TextLook(_Part):
    """How one text is drawn.

    Attributes:
        size: How large its letters are, where 1 is as large as usual.
        colour: Of its letters, as `#rgb` or `#rrggbb`; left out, one that is read on its ground.
        font: Its family; left out, that of the film.
    """

    size: Annotated[Number, Field(ge=0.5, le=3)] = 1.0
    colour: Colour | None = None
    font: Font | None = None


class Transcript(_Part):
    """What is said: `text`, `file` or `cues`. Only its text: write that without a map.

    Attributes:
        text: What is said, timed by the pauses of the speech.
        file: A subtitle file beside this file, SRT or WebVTT, with its own times.
        cues: Captions with their times, as a subtitle file has them.
        estimated: Whether these times are estimates.
        language: Language of the text, such as `hi` or `en-GB`.
    """

    text: Annotated[str | None, DrawnText(MAX_CAPTION_TEXT)] = None
    file: Medium | None = None
    cues: Cues = ()
    estimated: Flag = False
    language: str | None = None


class Captions(TextLook, Transcript):
    """Captions that are drawn into the picture: `text`, `file` or `cues`; without one, what the
    clips say. Only their text: write that without a map.

    Attributes:
        text: What is said, timed by the pauses of the speech.
        file: A subtitle file beside this file, SRT or WebVTT, with its own times.
        cues: Captions with their times, as a subtitle file has them.
        estimated: Whether these times are estimates.
        language: Language of the text, such as `hi` or `en-GB`.
        position: Where they are.
        style: `plain` has an outline, `plate` a dark plate under the text; `highlight` colours each
            word while it is spoken, `pop` shows a few words at a time; `none` is not drawn.
        accent: Colour of the word that is spoken, as `#rgb` or `#rrggbb`; left out, of the brand.
        size: How large their letters are, where 1 is as large as usual.
        colour: Of their letters, as `#rgb` or `#rrggbb`; left out, white.
        font: Their family; left out, that of the film.
    """

    position: CaptionPosition = "bottom"
    style: CaptionStyle = "plain"
    accent: Colour | None = None


class Overlay(TextLook):
    """A picture, a video or a text over a film or an image: `media` or `text`, not both.

    Attributes:
        media: An image, such as a logo, or a video, which is silent.
        text: One or two lines of text.
        position: Where it is, inside the safe area.
        width: Share of the width of the frame; left out, 0.18 for an image, 0.32 for a video, as needed
            for a text.
        start: Second of the film, or of its clip, at which it appears.
        seconds: How long it is shown; left out, until the end of its clip, the end card or the end.
        motion: How it comes and goes: `fade`, `rise` from below, a text that is written letter by letter
            with `type`, or `none`.
        size: How large its letters are, where 1 is as large as usual.
        colour: Of its letters, as `#rgb` or `#rrggbb`; left out, one that is read on its ground.
        font: Family of its text; left out, that of the film.
    """

    media: Picture | None = None
    text: Annotated[str | None, DrawnText(MAX_OVERLAY_TEXT)] = None
    position: Position = "top-right"
    width: Annotated[Number, Field(gt=0, le=1)] | None = None
    start: _Place = 0.0
    seconds: _Length | None = None
    motion: TextMotion = "fade"


Overlays = Annotated[tuple[Overlay, ...], Field(max_length=MAX_OVERLAYS)]


class Clip(_Part):
    """A clip on the timeline, with what belongs to it. Only its media: write them without a map.

    Attributes:
        media: A video or an image, or a list of up to 9 that share the frame.
        split: How several share it: beside each other in a `row`, in a `column`, or in a `grid`.
        seconds: How long it is shown, as `2s` or a number of seconds; left out, a video to its end
            and an image for 3 s, or longer where its narration or the film is.
        start: Second of the video at which the clip begins.
        speed: How fast the video runs, its sound too: 2 is twice as fast, 0.5 half as fast.
        volume: How loud its own sound is: 0 is silent, 1 as usual.
        motion: Movement of the camera over the picture.
        transition: How it follows the clip before it; left out, as the film says.
        narration: Speech over it, from its begin: it is shown at least as long.
        captions: What is said in its narration, or else in its own sound.
        overlays: Pictures and texts over it, the first at the bottom; their times count from its begin.
        chapter: Title of the chapter of the film that begins with it.
        speaks: Whether its own sound is speech, which music gives way to and captions are timed by;
            left out, where that is known of its video.
        cues: What is said in it, by the times of its video; one that is `burned_in` is in its
            picture already.
    """

    media: Annotated[tuple[Picture, ...], Field(min_length=1, max_length=MAX_SPLIT), LIST]
    split: Split = "row"
    seconds: _Length | None = None
    start: _Place = 0.0
    speed: Annotated[Number, Field(ge=0.25, le=4)] = 1.0
    volume: Annotated[Number, Field(ge=0, le=2)] = 1.0
    motion: Motion = "none"
    transition: Annotated[Transition, Alone("kind")] | None = None
    narration: Annotated[Sound, Alone("media")] | None = None
    captions: Annotated[Transcript, Alone("text")] | None = None
    overlays: Overlays = ()
    chapter: Annotated[str | None, Field(max_length=MAX_CARD_TEXT)] = None
    speaks: Flag | None = None
    cues: Cues = ()


class EndCard(TextLook):
    """A card at the end of a film: at least one of `title`, `line` and `image`.

    Attributes:
        title: Large text.
        line: Smaller text under it.
        image: An image, such as a logo.
        seconds: How long it is shown.
        size: How large its letters are, where 1 is as large as usual.
        colour: Of its letters, as `#rgb` or `#rrggbb`; left out, one that is read on its ground.
        font: Family of its texts; left out, that of the film.
    """

    title: Annotated[str | None, DrawnText(MAX_CARD_TEXT)] = None
    line: Annotated[str | None, DrawnText(MAX_CARD_TEXT)] = None
    image: Still | None = None
    seconds: Annotated[Number, Field(gt=0, le=60), SECONDS] = 2.0


class Look(_Part):
    """How text and cards are drawn.

    Attributes:
        colours: Up to 8, as `#rgb` or `#rrggbb`, the main one first; left out, neutral ones.
        font: Family of drawn text, or the path of a TrueType or OpenType file; scripts that it lacks
            take Noto.
    """

    colours: Annotated[tuple[Colour, ...], Field(max_length=MAX_COLOURS)] = ()
    font: Font | Medium = "poppins"


Formats = Annotated[tuple[Format, ...], Field(max_length=MAX_FORMATS)]
Shrink = Annotated[int, Strict(), Field(ge=1, le=64)]


class Composition(_Part):
    """A film, rendered once for each format.

    Attributes:
        clips: Videos and images in order, one or a list, or maps with `media`.
        narration: The speech: it sets the level, and the film is at least as long. Without it,
            that of the clips is the speech.
        music: Music under the whole film, which repeats.
        audio: Sounds at their times, one or a list: speech unless they have another `role`. Where several
            speak at once, the first leads and the others are 12 dB under it.
        transition: How one clip follows the other.
        captions: What is said, as text in the picture.
        overlays: Pictures and texts over the film, the first at the bottom.
        end_card: A card after the last clip.
        formats: One film for each; left out, one film in the size of the first clip.
        platforms: One film for each, by the rules of the platform: shape, safe area, rate, bitrate and
            longest time.
        fps: Frames a second, 24 to 60; left out, those of the first video, or 24.
        codec: `h264` plays everywhere; `h265` needs half the bytes and more time.
        reframe: How media fill a frame of another shape: `crop` cuts edges off, `pad` adds bars,
            `blur` fills with a blurred copy of their edges.
        extras: What else to make: a `poster`, a short `gif`, the captions as an `srt` file or as
            `subtitles` that a player can turn off, each film `clean`, without captions, and the timeline
            as `otio` for an editing program.
        posters: How many posters, from different places of the film.
        loudness: Loudness of the result, in LUFS.
        length: How long the film is: as the `speech`, as the `picture`, or a time, with the end
            card; left out, as the longer of both.
        look: Colours and font of texts and cards.
        shrink: Divides width and height of the formats, for a quick look.
    """

    model_config = ConfigDict(populate_by_name=True)

    clips: Annotated[
        tuple[Annotated[Clip, Alone("media")], ...], Field(max_length=MAX_CLIPS), LIST
    ] = ()
    narration: Annotated[Sound, Alone("media")] | None = None
    music: Annotated[Sound, Alone("media", {"role": "music", "repeat": True})] | None = None
    audio: Annotated[
        tuple[Annotated[Sound, Alone("media")], ...], Field(max_length=MAX_SOUNDS), LIST
    ] = ()
    transition: Annotated[Transition, Alone("kind")] = Transition()
    captions: Annotated[Captions, Alone("text")] | None = None
    overlays: Overlays = ()
    end_card: EndCard | None = None
    formats: Formats = ()
    platforms: Annotated[tuple[Platform, ...], LIST, Field(alias="for")] = ()
    fps: Annotated[Number, Field(ge=23.976, le=60)] | None = None
    codec: Codec = "h264"
    reframe: Reframe = "crop"
    extras: tuple[Extra, ...] = ()
    posters: Annotated[int, Strict(), Field(ge=1, le=MAX_POSTERS)] = 1
    loudness: Annotated[Number, Field(ge=-40, le=-5)] = -16.0
    length: FilmLength | None = None
    look: Look = Look()
    shrink: Shrink = 1

    @property
    def sounds(self) -> dict[str, Sound]:
        """Those of the whole film, by where they stand."""
        named = {"narration": self.narration, "music": self.music}
        listed = {f"audio[{index}]": one for index, one in enumerate(self.audio)}
        return {name: one for name, one in named.items() if one is not None} | listed


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

    image: Still
    overlays: Overlays = ()
    formats: Formats = ()
    reframe: Reframe = "crop"
    look: Look = Look()
    shrink: Shrink = 1
