"""Which characters of a text no shipped font draws."""

from __future__ import annotations

_UNDRAWN = (
    (0x0000, 0x0008),  # control characters
    (0x000B, 0x001F),
    (0x007F, 0x009F),
    (0x1100, 0x11FF),  # Hangul
    (0x2E80, 0xA4CF),  # Chinese, Japanese, Yi
    (0xAC00, 0xD7FF),  # Hangul
    (0xE000, 0xFAFF),  # private use, Chinese
    (0x1F000, 0x1FAFF),  # emoji
    (0x20000, 0x10FFFF),  # Chinese, private use
)


def missing_characters(text: str) -> str:
    """The characters that no font has, each once, in order."""
    return "".join(
        dict.fromkeys(
            one for one in text if any(first <= ord(one) <= last for first, last in _UNDRAWN)
        )
    )
