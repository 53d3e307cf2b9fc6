"""MIME type of media by its first bytes; names and extensions are not believed."""

from __future__ import annotations

HEAD_BYTES = 64
"""How much of a file `sniff` wants to see."""

_BEGINNINGS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_OLD_QUICKTIME = {b"moov", b"mdat", b"wide"}
_BRANDS = {b"qt  ": "video/quicktime", b"M4A ": "audio/mp4", b"M4B ": "audio/mp4"}
_STILL_BRANDS = {b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1"}
_EBML = b"\x1a\x45\xdf\xa3"


def sniff(head: bytes) -> str | None:
    """The MIME type that the signature tells, or None if it is none of ours.

    An mp4, mov, mkv, webm or ogg file may hold sound alone; only `probe` can tell that.

    Args:
        head: The first `HEAD_BYTES` of the file; fewer are enough if the file is shorter.
    """
    for beginning, mime_type in _BEGINNINGS:
        if head.startswith(beginning):
            return mime_type
    if head[:4] in (b"RIFF", b"RF64"):
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return None if brand in _STILL_BRANDS else _BRANDS.get(brand, "video/mp4")
    if head[4:8] in _OLD_QUICKTIME:
        return "video/quicktime"
    if head.startswith(_EBML):
        return "video/webm" if b"webm" in head else "video/x-matroska"
    return _frame_sync(head)


def _frame_sync(head: bytes) -> str | None:
    """AAC and MP3 without a container begin with eleven set bits and the layer."""
    if len(head) < 3 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:
        return "audio/aac"
    # Layer III alone: the others would take UTF-16 text for sound.
    layer_3, bitrate, rate = head[1] & 0xE6 == 0xE2, head[2] >> 4, head[2] >> 2 & 3
    return "audio/mpeg" if layer_3 and bitrate not in (0, 15) and rate != 3 else None
