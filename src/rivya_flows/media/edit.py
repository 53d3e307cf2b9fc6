"""What a composition or a layout is made of, as the decoder gets it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rivya_flows.assets import Probe
from rivya_flows.language.cut_terms import (
    CaptionPosition,
    CaptionStyle,
    Extra,
    Fit,
    Format,
    Motion,
    Position,
    Reframe,
    TransitionKind,
)
from rivya_flows.language.subtitles import Cue


def file_stem(format_name: str) -> str:
    """A format as part of a file name: ``9:16`` is ``9x16``."""
    return format_name.replace(":", "x")


@dataclass(frozen=True)
class Look:
    """How text and cards are drawn.

    Attributes:
        colours: Of the brand, as ``#rrggbb``, the main one first; empty: neutral ones.
    """

    colours: tuple[str, ...] = ()
    font: str = "poppins"


@dataclass(frozen=True)
class Clip:
    """A film or a still on the timeline.

    Attributes:
        seconds: Shown length; None: the rest of a film after `start`, 3 s of a still.
        start: Second of the film at which it begins; 0 for a still.
    """

    media: Path
    seconds: float | None = None
    start: float = 0.0
    motion: Motion = "none"


@dataclass(frozen=True)
class Transition:
    """Between two clips; `seconds` of both overlap. ``cut`` takes no time."""

    kind: TransitionKind = "cut"
    seconds: float = 0.4


@dataclass(frozen=True)
class Music:
    """Music under the whole film.

    Attributes:
        level: Its loudness in LUFS where nobody speaks.
        duck: Whether it is 12 dB under the narration while that speaks.
    """

    audio: Path
    level: float = -20.0
    duck: bool = True


@dataclass(frozen=True)
class Captions:
    """Captions that are drawn into the picture.

    Attributes:
        text: What the narration says, to be cut and timed by its pauses; "" where `cues` are given.
        language: BCP 47, such as ``hi``; None if not said.
    """

    text: str = ""
    cues: tuple[Cue, ...] = ()
    language: str | None = None
    position: CaptionPosition = "bottom"
    style: CaptionStyle = "plain"


@dataclass(frozen=True)
class Overlay:
    """A picture or a text over the film, inside the safe area; exactly one of the two.

    Attributes:
        width: Share of the width of the frame, above 0 up to 1; None: 0.18 for a picture, as needed
            for a text.
        seconds: None: until the end card, or the end.
    """

    image: Path | None = None
    text: str | None = None
    position: Position = "top-right"
    width: float | None = None
    start: float = 0.0
    seconds: float | None = None


@dataclass(frozen=True)
class EndCard:
    """A card after the last clip, on the main colour of the brand."""

    title: str | None = None
    line: str | None = None
    image: Path | None = None
    seconds: float = 2.0


@dataclass(frozen=True)
class Composition:
    """A film to be rendered once for each format.

    Attributes:
        clips: Films and stills in order, one or more.
        given_as: The key that gave them: a `video` is one film, and `images` share the length of the
            leading sound.
        audio: The first leads where there is no narration; the others lie under it.
        formats: Names of `FORMATS`; empty: one film in the size of the first clip.
        extras: ``clean``: also each film without captions; ``poster``, ``gif``: also a still, and a
            short loop, of the first format.
    """

    clips: tuple[Clip, ...] = ()
    given_as: Literal["clips", "video", "images"] = "clips"
    audio: tuple[Path, ...] = ()
    narration: Path | None = None
    music: Music | None = None
    transition: Transition = Transition()
    captions: Captions | None = None
    overlays: tuple[Overlay, ...] = ()
    end_card: EndCard | None = None
    formats: tuple[Format, ...] = ()
    reframe: Reframe = "crop"
    loudness: float = -16.0
    fit: Fit = "hold"
    extras: tuple[Extra, ...] = ()
    look: Look = Look()
    shrink: int = 1


@dataclass(frozen=True)
class Layout:
    """A still with pictures and text over it, once for each format.

    Attributes:
        formats: Names of `FORMATS`; empty: one picture in the size of the image.
    """

    image: Path
    overlays: tuple[Overlay, ...] = ()
    formats: tuple[Format, ...] = ()
    reframe: Reframe = "crop"
    look: Look = Look()
    shrink: int = 1


@dataclass(frozen=True)
class Loudness:
    """Measured on the finished sound: integrated LUFS, and true peak in dBTP (EBU R 128)."""

    lufs: float
    true_peak: float


@dataclass(frozen=True)
class Rendered:
    """What was rendered, as files of the folder that was given.

    Attributes:
        media: By file name: ``9x16.mp4`` for each format (``film.mp4`` without formats, ``png`` of
            a layout), ``9x16-clean.mp4``, ``poster.jpg``, ``loop.gif``.
        cues: Of the captions, in order.
        loudness: None for a silent film and a layout.
        lost: What is not as it was asked for, and metadata of the sources that no result carries:
            sentences without a full stop.
    """

    media: dict[str, Probe]
    cues: tuple[Cue, ...] = ()
    estimated: bool = False
    loudness: Loudness | None = None
    lost: tuple[str, ...] = ()
