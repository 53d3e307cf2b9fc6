"""The choices of a finished film or still: formats, positions, motions, and so on."""

from __future__ import annotations

from typing import Literal

Motion = Literal["push-in", "pull-out", "pan-left", "pan-right", "none"]
TransitionKind = Literal["cut", "fade", "slide", "push", "wipe", "zoom"]
Reframe = Literal["crop", "pad", "blur"]
Split = Literal["row", "column", "grid"]
Role = Literal["speech", "music", "effect"]
CaptionStyle = Literal["plain", "plate", "highlight", "pop", "none"]
CaptionPosition = Literal["bottom", "middle", "top"]
TextMotion = Literal["none", "fade", "rise", "type"]
Position = Literal[
    "top-left",
    "top",
    "top-right",
    "left",
    "center",
    "right",
    "bottom-left",
    "bottom",
    "bottom-right",
    "lower-third",
]
Font = Literal["poppins", "playfair", "bebas", "grotesk", "noto"]
"""A family that is shipped; scripts that it lacks take Noto."""

Extra = Literal["poster", "gif", "srt", "subtitles", "clean", "otio"]
Platform = Literal["tiktok", "reels", "shorts", "youtube", "linkedin", "meta-feed"]
Codec = Literal["h264", "h265"]
Format = Literal["16:9", "9:16", "1:1", "4:5", "5:4", "4:3", "3:4", "3:2", "2:3", "21:9"]

FORMATS: dict[str, tuple[int, int]] = {
    "16:9": (1920, 1080),
    "9:16": (1080, 1920),
    "1:1": (1080, 1080),
    "4:5": (1080, 1350),
    "5:4": (1350, 1080),
    "4:3": (1440, 1080),
    "3:4": (1080, 1440),
    "3:2": (1620, 1080),
    "2:3": (1080, 1620),
    "21:9": (2520, 1080),
}
"""Width and height in pixels of each format."""

STILL_SECONDS = 3.0
"""How long a still is shown where a clip does not say it; longer where sound needs it."""

RENDERER_VERSION = 7
"""Raise it when `compose` or `layout` makes another film or still of the same arguments: finished
work of earlier versions is not reused then."""
