"""Text of others as it may reach a terminal or a log: what would act there is shown instead.

An escape sequence can write the clipboard, rename the window, or draw over the lines above it; a
bidirectional control can make a line read as another one. Specs, answers of models and errors of
the service may hold either. Sources: ECMA-48 for C0 and C1, Unicode TR 36 for the rest.
"""

from __future__ import annotations

import re

_BEYOND_C0 = "\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_ACTING = re.compile(rf"[\x00-\x08\x0b-\x1f{_BEYOND_C0}]")
_ACTING_OR_BREAKING = re.compile(rf"[\x00-\x08\x0a-\x1f{_BEYOND_C0}\u2028\u2029]")
_IN_JSON = re.compile(rf"[{_BEYOND_C0}]")


def printable(text: str) -> str:
    r"""The text with escapes such as ``\x1b`` instead of the characters that a terminal acts on.

    These are the C0 controls but tab and line feed, DEL, the C1 controls, the bidirectional
    embeddings, overrides and isolates, and lone surrogates, which cannot be written at all.
    """
    return _ACTING.sub(_escape, text)


def one_line(text: str) -> str:
    r"""The same, with ``\n`` instead of a line feed: no text can forge another line."""
    return _ACTING_OR_BREAKING.sub(_escape, text)


def printable_json(text: str) -> str:
    r"""A JSON document whose strings hold ``\u`` escapes instead of the same characters.

    Args:
        text: JSON, in which C0 controls of strings are escapes already.
    """
    return _IN_JSON.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _escape(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape", "surrogatepass").decode("ascii")
