"""What is known of a medium once it was decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Probe:
    """What a media file holds.

    Attributes:
        width: In pixels as shown, turned upright; None for sound.
        height: The same.
        duration_seconds: None for an image.
        has_audio: Whether there is a sound track.
    """

    kind: Literal["image", "video", "audio"]
    mime_type: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None
    has_audio: bool = False
