"""Escapes characters in foreign text that a terminal or a log viewer would act on, or not show.

An escape sequence can write the clipboard, rename the window, or draw over other lines; a
bidirectional control can make a line read as another one; what is invisible can tell an agent what
no person sees. Specs, answers of models and errors of the service may contain any of them. Sources:
ECMA-48 for C0 and C1, Unicode TR 36, `Default_Ignorable_Code_Point` of Unicode, and UTS 51 for emoji.
"""

from __future__ import annotations

import json
import re

_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
_BEYOND_C0 = f"\x7f-\x9f\ud800-\udfff{_INVISIBLE}"

# What joins or varies the letters before it, in scripts and sequences that need it.
_JOINED = (  # letters and marks of scripts from Arabic to Sinhala, Tibetan to Myanmar, Khmer, Mongolian
    "\u0600-\u0605\u0610-\u061a\u0620-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u17b3\u17b6-\u17d3"
    "\u1820-\u18aa\ufb50-\ufdff\ufe70-\ufefc"
)
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Thai, Lao, Myanmar, Khmer: a zero-width space says where a word ends, so that a line may break."""

_EMOJI = "\u2190-\u21ff\u231a-\u23ff\u24c2\u25aa-\u27bf\u2934-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
_SYMBOL = f"\u00a9\u00ae\u203c\u2049\u2122\u2139{_EMOJI}"
_HAN = "\u3001-\u303f\u3400-\u9fff\uf900-\ufaff\uff01-\uff1f\U00020000-\U0003ffff"
_HARMLESS = "|".join(
    (
        f"(?<=[{_JOINED}])[\u200c\u200d](?![{_BEYOND_C0}])",
        f"(?<=[{_UNSPACED}])\u200b(?=[{_UNSPACED}])",
        f"(?<=[{_SYMBOL}])\ufe0f?\u200d(?=[{_SYMBOL}])",
        f"(?<=[{_SYMBOL}])[\ufe0e\ufe0f]",
        "(?<=[0-9#*])\ufe0f(?=\u20e3)",
        f"(?<=[{_HAN}])[\ufe00-\ufe02\U000e0100-\U000e01ef]",
        "(?<=[\u1820-\u18aa])[\u180b-\u180f]",
        "(?<=\U0001f3f4)[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f",  # a flag
    )
)
_ACTING = re.compile(f"(?P<harmless>{_HARMLESS})|[\x00-\x08\x0b-\x1f{_BEYOND_C0}]")
_ACTING_OR_BREAKING = re.compile(f"(?P<harmless>{_HARMLESS})|[\x00-\x08\x0a-\x1f{_BEYOND_C0}]")
_IN_JSON = re.compile(f"(?P<harmless>{_HARMLESS})|[{_BEYOND_C0}]")
_ANY = re.compile(f"[\x00-\x08\x0a-\x1f{_BEYOND_C0}]")
_FORMULA = re.compile(
    r"""(?:^|(?<=[;\t\r\n]))(["' \x00\x0b\x0c\xa0\u200b\u2060\u3000\ufeff]*)"""
    r"""(?=[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])"""
)
"""Before a formula: at the start of a cell, or of what is one where the separator is another.

A spreadsheet may leave out blanks and what is not seen before it.
"""


def printable(text: str) -> str:
    r"""Replace the characters that a terminal acts on by escapes such as ``\x1b``.

    These are the C0 controls except tab and line feed, DEL, the C1 controls, lone surrogates, which
    cannot be encoded, and all that is invisible: bidirectional marks, embeddings, overrides and
    isolates, zero-width characters, tags, fillers and variation selectors. Joiners stay between
    letters of scripts that need them, and inside emoji; tags stay in a flag such as that of Wales.
    """
    return _escape_all(_ACTING, text)


def one_line(text: str) -> str:
    r"""The same, with ``\n`` for a line feed, so that no text can forge another line."""
    return _escape_all(_ACTING_OR_BREAKING, text)


def printable_json(text: str) -> str:
    r"""Replace the same characters in the strings of a JSON document by ``\u`` escapes."""
    return _IN_JSON.sub(
        lambda found: (
            found["harmless"] or json.dumps(found.group())[1:-1].replace("\x7f", "\\u007f")
        ),
        text,
    )


def spreadsheet_text(text: str) -> str:
    """The text of a cell of a CSV file, with an apostrophe before what could be read as a formula.

    Also behind a semicolon, a tab or a line break: a spreadsheet may take these for the ends of
    cells, as it does in the countries that write a comma in numbers.
    """
    return _FORMULA.sub(r"\1'", text)


def _escape_all(acting: re.Pattern[str], text: str) -> str:
    # Most texts have none, and this search is much faster than the replacement.
    return text if _ANY.search(text) is None else acting.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    harmless: str | None = found["harmless"]
    return harmless or found.group().encode("unicode_escape", "surrogatepass").decode("ascii")
