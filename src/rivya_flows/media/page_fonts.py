"""Fonts inside a page, so that it shows its text on a machine that has none for the script."""

from __future__ import annotations

import base64

from rivya_flows.fonts import page_font, scripts_in

MAX_PAGE_BYTES = 4_000_000
"""A page with all its fonts; those of the rarest scripts are left out beyond it."""

PLACE = "/* fonts */"
"""Where they go in the style of a page; before all text, which could contain the same."""


def with_fonts(page: str, most: int = MAX_PAGE_BYTES) -> str:
    """The page with a font for each script beyond Latin that is in it.

    All are weights of one family ``Scripts`` and take only characters of their scripts. Chinese,
    Japanese and Korean have none: theirs are larger than a page may be.

    Args:
        page: Its text.
        most: Bytes that it may have with them.
    """
    room = most - len(page.encode(errors="surrogatepass"))  # a receipt may have broken text
    rules = []
    for script in scripts_in(page):
        rule = _rule(script)
        if len(rule) <= room:
            room -= len(rule)
            rules.append(rule)
    return page.replace(PLACE, "\n".join(rules), 1)


def _rule(script: str) -> str:
    characters, data = page_font(script)
    return (
        f"/* Noto Sans {script}, under the SIL Open Font License 1.1 */\n"
        f'@font-face {{ font-family: "Scripts"; font-weight: 100 900; unicode-range: {characters};'
        f' src: url(data:font/woff2;base64,{base64.b64encode(data).decode()}) format("woff2"); }}'
    )
