"""MIME types of media: by the first bytes of a file, and the file suffix of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

MediaKind = Literal["image", "video", "audio"]

HEAD_BYTES = 4096  # how much of a file `mime_type_of_head` reads; a shorter file is enough
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

_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_BRANDS: Mapping[bytes, str] = {
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    **dict.fromkeys((b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1"), "image/heif"),
}
_UNBRANDED_QUICKTIME = (b"moov", b"mdat", b"wide")  # of before 2001
_EBML = b"\x1a\x45\xdf\xa3"


def suffix_of(mime_type: str | None) -> str:
    """The usual file suffix of a MIME type, with its dot; "" for an unknown type."""
    return _SUFFIXES.get(mime_type or "", "")


def mime_type_of_suffix(suffix: str) -> str | None:
    """The MIME type of a file suffix with its dot; None for an unknown suffix."""
    return _MIME_TYPES.get(suffix)


def mime_type_of_head(head: bytes) -> str | None:
    """The MIME type that the first `HEAD_BYTES` of a file tell; None if it is not one of ours.

    An mp4, mov, mkv, webm or ogg file may hold audio alone; only decoding can tell that.
    """
    for signature, mime_type in _SIGNATURES:
        if head.startswith(signature):
            return mime_type
    if head[:4] in (b"RIFF", b"RF64"):
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if head[4:8] in _UNBRANDED_QUICKTIME:
        return "video/quicktime"
    if head.startswith(_EBML):
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    # AAC and MP3 without a container begin with eleven set bits and the layer.
    if len(head) < 3 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:
        return "audio/aac"
    # Layer III alone: the others would take UTF-16 text for audio.
    layer_3, bit_rate, sample_rate = head[1] & 0xE6 == 0xE2, head[2] >> 4, head[2] >> 2 & 3
    return "audio/mpeg" if layer_3 and bit_rate not in (0, 15) and sample_rate != 3 else None
