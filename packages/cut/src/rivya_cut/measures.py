"""Measures of a medium: what is black, still, silent, clipped or of one colour in it; and frames of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

MAX_FRAMES = 32
"""Frames that are taken of one medium."""


@dataclass(frozen=True)
class Measures:
    """What was measured on a medium; None where there is no picture, or no sound.

    Attributes:
        seconds: Of what can be decoded; None for an image.
        width, height: Pixels, as displayed.
        black: Share of the length whose picture is black, 0 to 1.
        still: Longest stretch without motion, in seconds.
        blank: Share of the pictures that are of one colour, 0 to 1.
        sound: Whether it has a sound track.
        silent: Share of the length that is silent, 0 to 1.
        clipped: Share of the samples at full scale, 0 to 1.
        loudness: Integrated, in LUFS; None below the gate too.
        peak: In dBFS; None for digital silence too.
    """

    media: Literal["image", "video", "audio"]
    seconds: float | None = None
    width: int | None = None
    height: int | None = None
    black: float | None = None
    still: float | None = None
    blank: float | None = None
    sound: bool = False
    silent: float | None = None
    clipped: float | None = None
    loudness: float | None = None
    peak: float | None = None


def measure(path: Path) -> Measures:
    """Measures an untrusted medium by its bytes; MediaError if it cannot be decoded."""
    raise NotImplementedError(path)


def extract_frames(path: Path, folder: Path, count: int) -> tuple[str, ...]:
    """Writes so many frames of a film or picture as PNG, the first and the last among them; gives their names.

    Args:
        count: 1 to `MAX_FRAMES`; 1 is the middle one.
    """
    raise NotImplementedError(path, folder, count)
