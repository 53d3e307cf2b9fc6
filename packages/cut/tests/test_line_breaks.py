"""Where lines end in scripts that write no spaces between words."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from rivya_cut.captions import MAX_LINE, cut_text
from rivya_cut.drawing.type import Style, clean, fit_text
from rivya_cut.line_breaks import GLUE, graphemes, join_words, pieces, words_of

TEXTS = {
    "Thai": "ขอขอบคุณลูกค้าทุกท่านที่ไว้วางใจเราเสมอมาและแวะมาหาเราเบาๆทุกวันจะได้รับน้ำชาฟรี",
    "Lao": "ຂໍຂອບໃຈລູກຄ້າທຸກທ່ານທີ່ໄວ້ວາງໃຈພວກເຮົາສະເໝີມາຂໍຂອບໃຈລູກຄ້າທຸກທ່ານ",
    "Myanmar": "ကျွန်ုပ်တို့၏ဖောက်သည်များအားလုံးကိုကျေးဇူးတင်ပါသည်။ကျွန်ုပ်တို့၏ဖောက်သည်များ",
    "Khmer": "សូមអរគុណអតិថិជនទាំងអស់ដែលតែងតែជឿទុកចិត្តលើយើងខ្ញុំជានិច្ចសូមអរគុណអតិថិជនទាំងអស់",
}
DEPENDENT = "\u0e30\u0e32\u0e33\u0e45\u0e46\u0eb0\u0eb2\u0eb3\u0ec6"
LEADING = "เแโใไເແໂໃໄ"


def is_sound(before: str, after: str) -> bool:
    """Whether a line may end with the one and the next begin with the other."""
    return (
        not unicodedata.category(after[0]).startswith("M")
        and after[0] not in DEPENDENT + "၏။"
        and before[-1] not in LEADING + "\u1039\u17d2"
        and after[1:2] != "\u103a"
    )


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_lines_and_captions_without_spaces_are_whole_and_break_between_syllables(text: str) -> None:
    style = Style("noto")
    for wide in (90, 160, 300, 600):
        lines: Sequence[str] = fit_text(clean(text, style), style, (wide, 900), (50, 30), 2)[0]
        assert "".join(lines) == text
        assert len(lines) > 1
        assert all(is_sound(*two) for two in pairwise(lines))
    captions = cut_text(text * 3)
    lines = [line for caption in captions for line in caption.split("\n")]
    assert "".join(lines) == text * 3
    assert max(len(graphemes(line)) for line in lines) <= MAX_LINE
    assert all(is_sound(*two) for two in pairwise(lines))


@pytest.mark.parametrize("amount", ["€ 3.456,70", "₹ 9,870", "3.456,70 €", "$ -5", "50 %"])
def test_no_line_ends_between_a_sign_and_its_number(amount: str) -> None:
    style, text = Style("noto"), f"Only {amount} until Monday, 5€ 3 of them"
    for wide in (150, 220, 330, 510):
        lines, _ = fit_text(clean(text, style), style, (wide, 900), (50, 30), 9)
        assert " ".join(lines) == text
        assert amount in "|".join(lines)
    for before in range(1, 50, 3):
        captions = cut_text("a " * before + f"{amount} until the end of the week")
        assert amount in "|".join(captions).replace("\n", "|")


def test_thai_lines_break_between_words() -> None:
    text = "ขอขอบคุณลูกค้าทุกท่านที่ไว้วางใจเราเสมอมา"
    lines, size = fit_text(text, Style("noto"), (520, 300), (50, 30), 2)
    assert (lines, size) == (("ขอขอบคุณลูกค้าทุกท่าน", "ที่ไว้วางใจเราเสมอมา"), 50)


def test_a_word_that_no_dictionary_has_is_parted_between_syllables() -> None:
    assert words_of("အက်ပ်အသစ်") == ["အက်ပ်", f"{GLUE}အသစ်"]
    assert words_of("ថ្មីៗតាម") == ["ថ្មីៗ", f"{GLUE}តាម"]


def test_a_number_stands_beside_its_unit() -> None:
    assert words_of("价格只要25元") == ["价格", f"{GLUE}只要", f"{GLUE}25元"]


def test_what_stands_beside_thai_is_not_parted_from_it() -> None:
    assert words_of("ราคา1,200บาท sale!") == ["ราคา1,200บาท", "sale!"]


def test_an_invisible_space_is_a_place_to_break() -> None:
    assert words_of(f"ជំរាប{GLUE}សួរ") == ["ជំរាប", f"{GLUE}សួរ"]
    assert join_words(["one", f"{GLUE}two", "three"]) == "onetwo three"


@given(st.text(alphabet="กาำเแๆ่້ກາເໝមិ្តကျ်။x1,( )\u200b", max_size=60))
def test_words_and_pieces_are_the_text(text: str) -> None:
    bare = "".join(text.split()).replace(GLUE, "")
    assert join_words(words_of(text)).replace(" ", "") == bare
    for word in words_of(text):
        parts = pieces(word, 4, len)
        assert join_words(parts) == join_words([word])
        assert all(part.startswith(GLUE) for part in parts[1:])


@pytest.mark.parametrize(
    ("text", "count"),
    [("Aurora", 6), ("नमस्ते", 3), ("क्षण", 2), ("e\u0301", 1), ("தேநீர்", 3), ("a b", 3), ("", 0)],
)
def test_a_letter_with_its_marks_is_one(text: str, count: int) -> None:
    assert len(graphemes(text)) == count


@given(st.text())
def test_nothing_is_lost(text: str) -> None:
    assert "".join(graphemes(text)) == text
