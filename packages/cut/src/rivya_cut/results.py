"""What probing and rendering find and leave, and the names of rendered files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rivya_client.mime_types import MediaKind
from rivya_cut.platforms import PLATFORMS, Frame
from rivya_cut.subtitles import Cue
from rivya_cut.terms import FORMATS, Platform

POSTER, GIF, TIMELINE = "poster.jpg", "loop.gif", "timeline.otio"

POSTER_SIDE = 640
"""Pixels of the longer side of a small picture, where nothing else is asked for."""


@dataclass(frozen=True)
class Probe:
    """What decoding finds in a media file.

    Attributes:
        width, height: Pixels after rotation; None for audio.
        duration_seconds: None for an image.
    """

    kind: MediaKind
    mime_type: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None
    has_audio: bool = False


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
            a layout), ``tiktok.mp4`` for each platform, ``9x16-clean.mp4``, ``poster.jpg``,
            ``poster-2.jpg``, ``loop.gif``.
        cues: Of the captions, in order.
        subtitles: File name of the captions, where they were asked for as `srt`.
        timeline: File name of the timeline, where it was asked for as `otio`.
        loudness: None for a silent film and a layout.
        lost: What is not as it was asked for, and metadata of the sources that no result carries:
            sentences without a full stop.
    """

    media: dict[str, Probe]
    cues: tuple[Cue, ...] = ()
    estimated: bool = False
    loudness: Loudness | None = None
    lost: tuple[str, ...] = ()
    subtitles: str | None = None
    timeline: str | None = None


@dataclass(frozen=True)
class Target:
    """A film or still to be made.

    Attributes:
        name: Of its file.
        size: In pixels.
        platform: Whose rules it follows; None for a format.
    """

    name: str
    size: tuple[int, int]
    platform: Platform | None = None

    @property
    def frame(self) -> tuple[int, int]:
        """Its size, which knows what the platform's app covers of it."""
        return Frame(self.size, PLATFORMS[self.platform].covered) if self.platform else self.size


def file_stem(format_name: str) -> str:
    """A format as part of a file name: ``9:16`` is ``9x16``."""
    return format_name.replace(":", "x")


def film_names(
    formats: Iterable[str], suffix: str = ".mp4", platforms: Iterable[Platform] = ()
) -> tuple[str, ...]:
    """The file of each format and each platform, in order; one alone without any."""
    stems = [*map(file_stem, formats), *platforms] or ["film"]
    return tuple(f"{stem}{suffix}" for stem in dict.fromkeys(stems))


def clean_name(film: str) -> str:
    """The file of the same film without captions."""
    return f"{film.removesuffix('.mp4')}-clean.mp4"


def poster_names(count: int) -> tuple[str, ...]:
    """The files of so many posters, the best first."""
    return (POSTER, *(f"poster-{number}.jpg" for number in range(2, count + 1)))


def targets_of(
    formats: Iterable[str],
    whole: Callable[[], tuple[int, int]],
    shrink: int = 1,
    platforms: Iterable[Platform] = (),
    suffix: str = ".mp4",
) -> tuple[Target, ...]:
    """What `film_names` names; `whole` is asked for the size where there is nothing else."""
    made = [
        Target(f"{file_stem(one)}{suffix}", _shrunk(FORMATS[one], shrink)) for one in formats
    ] + [Target(f"{one}{suffix}", _shrunk(PLATFORMS[one].size, shrink), one) for one in platforms]
    return tuple(dict.fromkeys(made)) or (Target(f"film{suffix}", whole()),)


def _shrunk(size: tuple[int, int], divisor: int) -> tuple[int, int]:
    """The size divided, with even sides as a film needs them."""
    width, height = (2 * round(side / divisor / 2) for side in size)
    return width, height
