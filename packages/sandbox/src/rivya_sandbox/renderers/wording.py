"""The effective prompt of a picture: the prompt, and words that parameters add or remove."""

from __future__ import annotations

import re

from rivya_sandbox.renderers.naming import LETTERS
from rivya_sandbox.renderers.request import RenderRequest

_STYLE_WORDS = {"DESIGN": "poster", "REALISTIC": "studio"}
_WORD = re.compile(r"[\w\u0900-\u097f]+(?:-\w+)*")


def drawn_prompt(request: RenderRequest) -> str:
    """The effective prompt of a picture.

    ``negative_prompt`` removes its words from the prompt, and asks for no lettering if it names
    letters; ``style`` adds a word for ``DESIGN`` and ``REALISTIC``.
    """
    prompt = request.prompt
    unwanted = set(_WORD.findall(str(request.params.get("negative_prompt") or "").lower()))
    if unwanted:
        prompt = _WORD.sub(
            lambda word: "" if word.group().lower() in unwanted else word.group(), prompt
        )
    if unwanted & LETTERS:
        prompt += ", no lettering"
    style = _STYLE_WORDS.get(str(request.params.get("style") or "").upper())
    return f"{prompt}, {style}" if style else prompt


def watermark(request: RenderRequest) -> str | None:
    """The requested watermark, at most 40 characters, or None."""
    params = request.params
    asked = str(params.get("watermark") or params.get("waterMark") or "").strip()
    if asked.lower() in ("", "false"):
        return None
    return "AI generated" if asked.lower() == "true" else asked[:40]
