"""What a composition or a layout is made of, as the decoder gets it: as in a spec, with files for media."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from rivya_flows.assets import Probe
from rivya_flows.language.cut_terms import Extra, Fit, Format, Reframe
from rivya_flows.language.final_cut import (
    CaptionsWith,
    ClipWith,
    EndCardWith,
    MusicWith,
    OverlayWith,
    TransitionWith,
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


class Clip(ClipWith):
    """A film or a still on the timeline."""

    media: Path


class Music(MusicWith):
    """Music under the whole film."""

    audio: Path


class Captions(CaptionsWith):
    """Captions that are drawn into the picture.

    Attributes:
        text: What the narration says, to be cut and timed by its pauses; "" where `cues` are given.
    """

    text: str = ""
    cues: tuple[Cue, ...] = ()  # type: ignore[assignment]  # checked cues, as captions have them


class Overlay(OverlayWith):
    """A picture or a text over the film, inside the safe area; exactly one of the two."""

    image: Path | None = None


class EndCard(EndCardWith):
    """A card after the last clip, on the main colour of the brand."""

    image: Path | None = None


Transition = TransitionWith
_CUT = Transition()


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
    transition: Transition = _CUT
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


COMPOSITION, LAYOUT = TypeAdapter(Composition), TypeAdapter(Layout)
