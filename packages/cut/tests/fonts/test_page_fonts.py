"""Fonts inside a page: those of its scripts alone, and the same as their TrueType files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import ImageFont

from rivya_cut.fonts import MAX_PAGE_BYTES, PLACE, SCRIPTS, noto, page_font, scripts_in, with_fonts
from support.browser import CHROMIUM, browsing

pytestmark = pytest.mark.slow

LETTERS = {
    "Arabic": "مرحبا", "Armenian": "Բարեւ", "Bengali": "নমস্কার", "Devanagari": "नमस्ते", "Ethiopic": "ሰላም",
    "Georgian": "გამარჯობა", "Gujarati": "નમસ્તે", "Gurmukhi": "ਸਤ", "Hebrew": "שלום", "Kannada": "ನಮಸ್ಕಾರ",
    "Khmer": "សួស្តី", "Lao": "ສະບາຍດີ", "Malayalam": "നമസ്കാരം", "Myanmar": "မင်္ဂလာပါ", "Oriya": "ନମସ୍କାର",
    "Sinhala": "ආයුබෝවන්", "Tamil": "வணக்கம்", "Telugu": "నమస్తే", "Thai": "สวัสดี",
}  # fmt: skip


def test_a_script_is_known_by_its_letters_not_by_what_it_shares() -> None:
    assert list(LETTERS) == list(SCRIPTS[1:])
    for script, text in LETTERS.items():
        assert scripts_in(text) == [script]
    assert scripts_in("नमस्ते।") == ["Devanagari"]
    assert scripts_in("শেষ।") == ["Bengali"]
    assert scripts_in("Crème brûlée, Привет, Αθήνα, “₹499” → 3 × 4…") == []


def test_a_page_has_the_fonts_of_its_scripts_alone() -> None:
    page = with_fonts(f"<style>{PLACE}</style><p>வணக்கம் नमस्ते नमस्ते {PLACE}</p>")
    assert re.findall("Noto Sans [A-Z][a-z]+", page) == ["Noto Sans Devanagari", "Noto Sans Tamil"]
    assert page.endswith(f"{PLACE}</p>")
    assert "@font-face" not in with_fonts(f"<style>{PLACE}</style><p>Hello</p>")


def test_fonts_that_make_a_page_too_large_are_left_out() -> None:
    text = " ".join(LETTERS.values())
    assert with_fonts(f"{PLACE}{text}").count("@font-face") == len(LETTERS)
    full = with_fonts(f"{PLACE}{text}{'x' * (MAX_PAGE_BYTES - 300_000)}")
    assert 0 < full.count("@font-face") < len(LETTERS)
    assert len(full.encode()) <= MAX_PAGE_BYTES


@pytest.mark.parametrize("script", SCRIPTS[1:])
def test_the_font_of_a_page_draws_the_same_as_its_truetype_file(
    script: str, tmp_path: Path
) -> None:
    ranges, data = page_font(script)
    (tmp_path / "font.woff2").write_bytes(data)
    fonts = [
        ImageFont.truetype(str(path), 20) for path in (noto(script).path, tmp_path / "font.woff2")
    ]
    ends = [re.findall("[0-9A-F]+", part.removeprefix("U+")) for part in ranges.split(",")]
    codes = [code for end in ends for code in range(int(end[0], 16), int(end[-1], 16) + 1)]
    assert all(noto(script).has(chr(code)) for code in codes)
    for code in codes:
        one, other = (font.getmask(chr(code)) for font in fonts)
        assert (one.size, bytes(one)) == (other.size, bytes(other)), hex(code)


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_draws_each_script_in_the_font_of_the_page(tmp_path: Path) -> None:
    lines = "".join(f"<p id={script}>{text}</p>" for script, text in LETTERS.items())
    page = f"<!doctype html><meta charset=utf-8><style>{PLACE} p {{ font-family: Scripts }}</style>{lines}"
    (tmp_path / "page.html").write_text(with_fonts(page))
    with browsing(tmp_path / "profile") as tab:
        tab.open((tmp_path / "page.html").as_uri())
        tab.value("document.fonts.ready.then(() => true)")
        tab.do("DOM.enable")
        tab.do("CSS.enable")
        root = tab.do("DOM.getDocument")["root"]["nodeId"]
        for script in LETTERS:
            node = tab.do("DOM.querySelector", nodeId=root, selector=f"#{script}")["nodeId"]
            used = tab.do("CSS.getPlatformFontsForNode", nodeId=node)["fonts"]
            assert [
                (one["familyName"].removesuffix(" Light"), one["isCustomFont"]) for one in used
            ] == [(f"Noto Sans {script}", True)]
