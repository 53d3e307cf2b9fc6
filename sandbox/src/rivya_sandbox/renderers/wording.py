"""The effective prompt of a picture: the prompt, and words that parameters add or remove."""

from __future__ import annotations

import re

from rivya_sandbox.renderers.request import RenderRequest

_STYLE_WORDS = {"DESIGN": "poster", "REALISTIC": "studio"}
_LETTERS = frozenset(
    ["text", "letters", "lettering", "words", "title", "titles", "typography", "logo"]
)
_NO_LETTERS = re.compile(
    rf"\b(?:no|without)\s+(?:any\s+)?(?:{'|'.join(sorted(_LETTERS))})\b", re.IGNORECASE
)
_QUOTES = re.compile(r"[\"“”«»‘’]|(?<!\w)'|'(?!\w)")
_WORD = re.compile(r"[\w\u0900-\u097f]+(?:-\w+)*")


def drawn_prompt(request: RenderRequest) -> str:
    """The effective prompt of a picture.

    ``negative_prompt`` removes its words from the prompt, and the title if it names letters, as
    "no lettering" in the prompt does; ``style`` adds a word for ``DESIGN`` and ``REALISTIC``.
    """
    prompt = _NO_LETTERS.sub(" ", request.prompt)
    unwanted = set(_WORD.findall(str(request.params.get("negative_prompt") or "").lower()))
    if unwanted & _LETTERS or prompt != request.prompt:
        # Without quotation marks and capitals no word is read as a name.
        prompt = _QUOTES.sub(" ", prompt).lower()
    if unwanted:
        prompt = _WORD.sub(
            lambda word: "" if word.group().lower() in unwanted else word.group(), prompt
        )
    style = _STYLE_WORDS.get(str(request.params.get("style") or "").upper())
    return f"{prompt}, {style}" if style else prompt


def watermark(request: RenderRequest) -> str | None:
    """The requested watermark, at most 40 characters, or None."""
    params = request.params
    asked = str(params.get("watermark") or params.get("waterMark") or "").strip()
    if asked.lower() in ("", "false"):
        return None
    return "AI generated" if asked.lower() == "true" else asked[:40]
