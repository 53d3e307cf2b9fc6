"""Detects the type of a file by its first bytes, not its name."""

from __future__ import annotations

HEAD_BYTES = 4096

_STARTS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
)
_BRANDS = {b"M4A ": "audio/mp4", b"M4B ": "audio/mp4", b"qt  ": "video/quicktime"}
_STILLS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")


def detect(head: bytes) -> str | None:
    """The MIME type of a file that begins with `head`, or None if the API does not accept its type."""
    for start, mime_type in _STARTS:
        if head.startswith(start):
            return mime_type
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return None if brand in _STILLS else _BRANDS.get(brand, "video/mp4")
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        # Matroska: the document type is among the first elements.
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    return _bare_audio(head)


def _bare_audio(head: bytes) -> str | None:
    """MPEG audio frames without a container: MP3, or AAC in ADTS."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    layer = head[1] >> 1 & 3
    if layer == 0:
        return "audio/aac" if head[1] & 0xF0 == 0xF0 else None
    version, bitrate, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    sound = version != 1 and bitrate != 15 and rate != 3
    return "audio/mpeg" if sound else None
