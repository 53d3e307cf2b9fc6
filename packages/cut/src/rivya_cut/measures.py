"""What is measured on a medium."""

from __future__ import annotations

from dataclasses import dataclass

from rivya_client.mime_types import MediaKind

MAX_FRAMES = 32
"""Frames that are taken of one medium."""


@dataclass(frozen=True)
class Measures:
    """What was measured on a medium; None of a picture or a sound that it does not have.

    Attributes:
        seconds: Of what can be decoded, of the picture if there is one; None for an image.
        width, height: Pixels, as displayed.
        black: Share of the length whose picture is black, 0 to 1; of an image 0 or 1.
        still: Longest stretch without motion, in seconds; None for an image.
        blank: Share of the length whose picture is of one colour, 0 to 1; 0 or 1 for an image.
        sound: Whether it has a sound track.
        silent: Share of the length that is silent, 0 to 1.
        clipped: Share of the samples within 1 dB of full scale, 0 to 1.
        loudness: Integrated, in LUFS; None below the gate too.
        peak: Greatest sample, in dBFS; None for digital silence too.
    """

    media: MediaKind
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
