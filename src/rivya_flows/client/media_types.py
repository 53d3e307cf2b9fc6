"""MIME type of a file by its first bytes, and the default limits of the service.

Source: contract, section 5. The service checks the signature too, so a wrong file is refused here
before it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from rivya_flows.client.wire.api_objects import MediaKind
from rivya_flows.errors import MediaError, UsageError
from rivya_flows.mime_types import mime_type_of_head

_MB = 2**20  # or 10**6: not documented; the larger one refuses no good file


@dataclass(frozen=True)
class Accepted:
    """Limits of a file.

    Attributes:
        max_bytes: Largest size; None is any.
        mime_types: By signature; empty is any, unknown ones too.
    """

    max_bytes: int | None
    mime_types: tuple[str, ...] = ()


_IMAGES = ("image/jpeg", "image/png", "image/webp")
_VIDEOS = ("video/mp4", "video/quicktime", "video/webm")
_AUDIO = ("audio/mpeg", "audio/mp4", "audio/wav", "audio/x-wav", "audio/aac", "audio/ogg")

BY_DEFAULT: Mapping[MediaKind, Accepted] = {
    "image": Accepted(10 * _MB, _IMAGES),
    "video": Accepted(50 * _MB, _VIDEOS),
    "audio": Accepted(10 * _MB, _AUDIO),
}
"""For a file without a model."""

BY_SOME_MODEL: Mapping[MediaKind, Accepted] = {
    "image": Accepted(30 * _MB, _IMAGES),
    "video": Accepted(95 * _MB, (*_VIDEOS, "video/x-matroska")),
    "audio": Accepted(10 * _MB, _AUDIO),
}
"""The largest known limits of any model; the service checks those of the model."""


def check_kind(kind: str) -> None:
    """Refuses what is not a media kind, with a UsageError."""
    if kind not in get_args(MediaKind):
        raise UsageError(f"kind: {kind!r} is not one of {', '.join(get_args(MediaKind))}")


def checked_media_type(
    where: str, head: bytes, size_bytes: int, kind: MediaKind, accepted: Accepted
) -> str | None:
    """The MIME type of a file within its limits; None if unknown and any type is accepted.

    Raises:
        MediaError: It is empty, too large or of another kind or type.
    """
    if size_bytes == 0:
        raise MediaError(f"{where}: is empty", "nothing was sent")
    if accepted.max_bytes is not None and size_bytes > accepted.max_bytes:
        raise MediaError(
            f"{where}: {size_bytes} bytes, at most {accepted.max_bytes} are accepted",
            "make it smaller; if the model accepts more, pass accepted=",
        )
    found = media_type_of(head, kind)
    if accepted.mime_types and not _among(found, accepted.mime_types):
        raise MediaError(
            f"{where}: is {found or 'not a known media type'},"
            f" accepted for {kind} are {', '.join(accepted.mime_types)}",
            "convert it; if the model accepts this type, pass accepted=",
        )
    return found


def media_type_of(head: bytes, kind: MediaKind) -> str | None:
    """The MIME type by the first `HEAD_BYTES` of a file; None if unknown.

    `kind` decides for a container that may hold video or only audio.
    """
    found = mime_type_of_head(head)
    if kind == "audio" and found == "video/mp4":
        return "audio/mp4"  # its brand does not say whether there is a picture
    return found


def _among(found: str | None, mime_types: tuple[str, ...]) -> bool:
    same = {"audio/wav": "audio/x-wav", "audio/x-wav": "audio/wav"}
    return found in mime_types or same.get(found or "") in mime_types
