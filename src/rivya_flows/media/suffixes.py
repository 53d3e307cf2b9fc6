"""Media types and the endings of file names that go with them."""

from __future__ import annotations

_SUFFIXES = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/wav": ".wav",
    "audio/aac": ".aac",
    "audio/ogg": ".ogg",
    "audio/flac": ".flac",
}
_MIME_TYPES = {suffix: mime_type for mime_type, suffix in _SUFFIXES.items()}


def suffix_of(mime_type: str) -> str:
    """The usual ending of a media type, with its dot; "" for an unknown one."""
    return _SUFFIXES.get(mime_type, "")


def mime_type_of(suffix: str) -> str | None:
    """The media type that an ending, with its dot, stands for; None for any other ending."""
    return _MIME_TYPES.get(suffix)
