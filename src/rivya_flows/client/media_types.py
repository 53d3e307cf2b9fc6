"""MIME type of a file by its first bytes, and what the service takes by default.

Source: contract, section 5. The service looks at the signature too, so a wrong file is told here
before it travels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rivya_flows.client.wire.api_objects import MediaKind
from rivya_flows.errors import MediaError

HEAD_BYTES = 4096
"""How much of a file `media_type_of` wants to see; less is enough of a shorter file."""

_MB = 2**20  # or 10**6: which one is meant is not documented; the larger one refuses no good file


@dataclass(frozen=True)
class Accepted:
    """What a file may be.

    Attributes:
        max_bytes: Largest size; None is any.
        mime_types: By signature; empty is any, also one that is not known here.
    """

    max_bytes: int | None
    mime_types: tuple[str, ...] = ()


_IMAGES = ("image/jpeg", "image/png", "image/webp")
_FILMS = ("video/mp4", "video/quicktime", "video/webm")
_SOUNDS = ("audio/mpeg", "audio/mp4", "audio/wav", "audio/x-wav", "audio/aac", "audio/ogg")

BY_DEFAULT: Mapping[MediaKind, Accepted] = {
    "image": Accepted(10 * _MB, _IMAGES),
    "video": Accepted(50 * _MB, _FILMS),
    "audio": Accepted(10 * _MB, _SOUNDS),
}
"""For a file of no special model."""

BY_SOME_MODEL: Mapping[MediaKind, Accepted] = {
    "image": Accepted(30 * _MB, _IMAGES),
    "video": Accepted(95 * _MB, (*_FILMS, "video/x-matroska")),
    "audio": Accepted(10 * _MB, _SOUNDS),
}
"""The most that any model is known to take; what a certain one takes, the service says."""


def checked_media_type(
    where: str, head: bytes, size_bytes: int, kind: MediaKind, accepted: Accepted
) -> str | None:
    """The MIME type of a file that may be sent; None if it is not known and need not be.

    Args:
        where: Name of the file, for messages.
        head: Its first `HEAD_BYTES`.
        size_bytes: Its size.
        kind: What it is to be.
        accepted: What it may be.

    Raises:
        MediaError: It is empty, too large or of another kind or type.
    """
    if size_bytes == 0:
        raise MediaError(f"{where}: is empty", "nothing was sent")
    if accepted.max_bytes is not None and size_bytes > accepted.max_bytes:
        raise MediaError(
            f"{where}: {size_bytes} bytes, at most {accepted.max_bytes} are accepted",
            "make it smaller; where the model takes more, say so with accepted=",
        )
    found = media_type_of(head, kind)
    if accepted.mime_types and not _among(found, accepted.mime_types):
        raise MediaError(
            f"{where}: is {found or 'no medium by its first bytes'},"
            f" accepted for {kind} are {', '.join(accepted.mime_types)}",
            "convert it; where the model takes this type, say so with accepted=",
        )
    return found


def media_type_of(head: bytes, kind: MediaKind) -> str | None:
    """The MIME type that the signature tells; None for one that is not known here.

    Args:
        head: The first `HEAD_BYTES` of the file.
        kind: Decides where a container may hold a film or a sound alone.
    """
    found = _container(head) or _plain(head)
    if kind == "audio" and found == "video/mp4":
        return "audio/mp4"  # its brand does not tell whether there is a picture
    return found


def _among(found: str | None, mime_types: tuple[str, ...]) -> bool:
    same = {"audio/wav": "audio/x-wav", "audio/x-wav": "audio/wav"}
    return found in mime_types or same.get(found or "") in mime_types


def _plain(head: bytes) -> str | None:
    if head[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if head[:3] == b"ID3":
        return "audio/mpeg"
    if head[:4] == b"fLaC":
        return "audio/flac"
    return _mpeg_audio(head)


def _mpeg_audio(head: bytes) -> str | None:
    """MP3 and AAC as bare frames begin with eleven or twelve set bits."""
    if len(head) < 4 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:
        return "audio/aac"
    is_layer_3 = head[1] & 0xE6 == 0xE2
    bit_rate, sample_rate = head[2] >> 4, head[2] >> 2 & 3
    return "audio/mpeg" if is_layer_3 and bit_rate not in (0, 15) and sample_rate != 3 else None


def _container(head: bytes) -> str | None:
    if head[:4] in (b"RIFF", b"RF64"):
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12])
    if head[:4] == b"OggS":
        return "audio/ogg"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    box, brand = head[4:8], head[8:12]
    if box == b"ftyp":
        if brand in (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1"):
            return "image/heif"
        return {b"qt  ": "video/quicktime", b"M4A ": "audio/mp4", b"M4B ": "audio/mp4"}.get(
            brand, "video/mp4"
        )
    # QuickTime of before 2001 has no brand.
    return "video/quicktime" if box in (b"moov", b"mdat", b"wide") else None
