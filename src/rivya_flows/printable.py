"""Escapes characters in foreign text that a terminal or a log viewer would act on.

An escape sequence can write the clipboard, rename the window, or draw over other lines; a
bidirectional control can make a line read as another one. Specs, answers of models and errors of
the service may contain either. Sources: ECMA-48 for C0 and C1, Unicode TR 36 for the rest.
"""

from __future__ import annotations

import re

_BEYOND_C0 = "\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_ACTING = re.compile(rf"[\x00-\x08\x0b-\x1f{_BEYOND_C0}]")
_ACTING_OR_BREAKING = re.compile(rf"[\x00-\x08\x0a-\x1f{_BEYOND_C0}\u2028\u2029]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_IN_JSON = re.compile(rf"[{_BEYOND_C0}]")


def printable(text: str) -> str:
    r"""Replace the characters that a terminal acts on by escapes such as ``\x1b``.

    These are the C0 controls except tab and line feed, DEL, the C1 controls, the bidirectional
    embeddings, overrides and isolates, and lone surrogates, which cannot be encoded.
    """
    return _ACTING.sub(_escape, text)


def one_line(text: str) -> str:
    r"""The same, with ``\n`` for a line feed, so that no text can forge another line."""
    return _ACTING_OR_BREAKING.sub(_escape, text)


def printable_json(text: str) -> str:
    r"""Replace the same characters in the strings of a JSON document by ``\u`` escapes.

    Args:
        text: JSON, in whose strings C0 controls are escaped already.
    """
    return _IN_JSON.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def spreadsheet_text(text: str) -> str:
    """The text of a cell of a CSV file, with an apostrophe before what would be read as a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _escape(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape", "surrogatepass").decode("ascii")
