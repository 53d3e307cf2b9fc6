"""Codes of languages."""

from __future__ import annotations

import re

_CODE = re.compile(r"([A-Za-z]{2,3})(-[A-Za-z0-9]{2,8}){0,4}")
_TWO_LETTERS = """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy
    da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy
    hz ia id ie ig ii ik in io is it iu iw ja ji jv jw ka kg ki kj kk kl km kn ko kr ks ku kv kw ky
    la lb lg li ln lo lt lu lv mg mh mi mk ml mn mo mr ms mt my na nb nd ne ng nl nn no nr nv ny oc
    oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su
    sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh
    zu
"""
"""Source: ISO 639-1, with those that it had before."""
_NAMES = {
    "arabic": "ar", "bengali": "bn", "chinese": "zh", "dutch": "nl", "english": "en", "french": "fr",
    "german": "de", "greek": "el", "hebrew": "he", "hindi": "hi", "indonesian": "id", "italian": "it",
    "japanese": "ja", "korean": "ko", "polish": "pl", "portuguese": "pt", "russian": "ru",
    "spanish": "es", "swedish": "sv", "tamil": "ta", "telugu": "te", "thai": "th", "turkish": "tr",
    "ukrainian": "uk", "urdu": "ur", "vietnamese": "vi",
}  # fmt: skip


def is_language(code: str) -> bool:
    """Whether a code such as ``hi`` or ``en-GB`` names a language; of three letters any may."""
    found = _CODE.fullmatch(code)
    return found is not None and (len(found[1]) == 3 or found[1].lower() in _TWO_LETTERS.split())


def language_hint(written: str) -> str:
    """What to write instead of a text that names no language."""
    code = _NAMES.get(written.strip().lower())
    return f"write {code}" if code else "write its code, such as hi or en-GB"
