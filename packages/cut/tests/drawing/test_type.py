"""Lines of text: shaped in every script, measured, broken and fitted."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings, strategies as st
from PIL import Image

from rivya_client.errors import MediaError
from rivya_cut.drawing.bidi import levels, right_to_left, visual_order
from rivya_cut.drawing.type import Outline, Style, clean, draw_lines, fit_text, width, word_boxes
from rivya_cut.fonts import FAMILIES, invisible, missing_characters

POPPINS, NOTO = Style("poppins"), Style("noto")
WHITE = (255, 255, 255)


def line(text: str, style: Style = POPPINS) -> Image.Image:
    return draw_lines((text,), style, 60, WHITE, align="left")


@pytest.mark.parametrize(
    ("joined", "apart", "style"),
    [("क्ष", "कष", POPPINS), ("क्ष", "कष", Style("bebas")), ("ببب", "ب ب ب", POPPINS)],
)
def test_letters_join_also_after_latin_ones(joined: str, apart: str, style: Style) -> None:
    assert width(joined, style) < 0.8 * sum(width(one, style) for one in apart if one != " ")
    mixed = width(f"Aurora {joined}", style)
    assert mixed == pytest.approx(width("Aurora ", style) + width(joined, style), abs=0.06)


def test_right_to_left_text_is_seen_from_the_right() -> None:
    mixed = line("شاي Aurora")
    latin = line("Aurora")
    left = mixed.crop((0, 0, latin.width // 2, mixed.height))
    assert left.getchannel("A").crop((0, 0, 20, mixed.height)).getbbox() is not None
    # The A of Aurora begins the line, at the left.
    assert mixed.width > latin.width
    assert (
        left.crop(left.getbbox()).height
        == latin.crop((0, 0, latin.width // 2, latin.height)).height
    )


SCRIPTS = [
    "Aurora", "नमस्ते", "مرحبا", "வணக்கம்", "Привет", "שלום", "สวัสดี", "ជំរាបសួរ", "বাংলা", "ਪੰਜਾਬੀ", "₹4,999",
]  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_draws_every_script(family: str) -> None:
    style = Style(family)
    for text in SCRIPTS:
        assert clean(text, style) == text
        assert line(text, style).width == pytest.approx(60 * width(text, style), rel=0.12), text


def test_spaces_and_signs_keep_their_place_among_right_to_left_words() -> None:
    assert width("שלום ", NOTO) - width("שלום", NOTO) == pytest.approx(0.26, abs=0.05)


def test_what_cannot_be_drawn_is_left_out() -> None:
    assert clean("Tea \U00012000 \x00\u202eand\ud800 <b>\u200b&", POPPINS) == "Tea and <b>&"
    assert clean(" one\r\n\n two\tthree ", POPPINS) == "one\ntwo three"
    assert line(clean("\U00012000", POPPINS)).getbbox() is None


@given(st.characters())
@example("\U0001fae8")  # newer than the Unicode of Python 3.11
@example("\u212b")
def test_what_is_left_out_is_what_is_said_to_be_missing(char: str) -> None:
    left_out = not invisible(char) and not clean(char, POPPINS)
    assert left_out == bool(missing_characters(char))


def test_a_flood_of_marks_stays_on_its_line() -> None:
    flood = clean("a" + "\u0316" * 1_500, POPPINS)
    assert len(flood) <= 5
    assert line(flood).height < 120


def test_markup_is_drawn_as_it_is_written() -> None:
    hostile = clean("</text><image href='file:///etc/passwd'/>&amp;", POPPINS)
    assert line(hostile).width == pytest.approx(60 * width(hostile, POPPINS), rel=0.05)


def test_a_text_beyond_its_bound_is_refused() -> None:
    with pytest.raises(MediaError, match="MAX_DRAWN_CHARACTERS"):
        clean("a" * 10_000, POPPINS)


def test_lines_share_a_baseline_however_deep_their_letters_are() -> None:
    assert line("xyz").height > line("xvz").height


def test_an_outline_surrounds_the_letters() -> None:
    plain, outlined = (
        line("Tea"),
        draw_lines(("Tea",), POPPINS, 60, WHITE, outline=Outline((0, 0, 0), 0.1)),
    )
    assert outlined.width == pytest.approx(plain.width + 12, abs=2)


@pytest.mark.parametrize(
    ("text", "box", "sizes", "lines"),
    [
        ("one\ntwo", (500, 200), (50, 20), ("one", "two")),
        ("one two three four five six", (420, 200), (50, 20), ("one two three", "four five six")),
        ("आपके घर के लिए। दिवाली की हार्दिक शुभकामनाएँ।", (800, 400), (56, 36),
         ("आपके घर के लिए।", "दिवाली की हार्दिक शुभकामनाएँ।")),
    ],
    ids=["kept breaks", "similar length", "two sentences"],
)  # fmt: skip
def test_lines_part_where_a_reader_expects_it(
    text: str, box: tuple[int, int], sizes: tuple[int, int], lines: tuple[str, ...]
) -> None:
    assert fit_text(text, POPPINS, box, sizes, 2) == (lines, sizes[0])


def test_a_text_gets_smaller_before_it_gets_more_lines() -> None:
    text = "The kettle that boils in ninety seconds and whispers"
    lines, size = fit_text(text, POPPINS, (500, 400), (60, 30), 2)
    assert len(lines) == 2
    assert 30 <= size < 60
    assert all(width(line, POPPINS) * size <= 500 for line in lines)


WORDS = st.lists(
    st.sampled_from(["a", "kettle", "चाय", "شاي", "x" * 40, "1,000"]), min_size=1, max_size=30
)


@settings(deadline=None, max_examples=20)
@given(WORDS, st.integers(60, 900), st.integers(80, 600))
def test_a_fitted_text_is_whole_and_inside_its_box(words: list[str], wide: int, high: int) -> None:
    lines, size = fit_text(" ".join(words), POPPINS, (wide, high), (60, 24), 2)
    assert "".join("".join(lines).split()) == "".join(words)
    assert all(width(line, POPPINS) * size <= wide * 1.02 for line in lines)


def seen(text: str) -> str:
    return "".join(text[at] for at in visual_order(levels(text)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tea 100%", "Tea 100%"),
        ("אבג", "גבא"),
        ("tea אבג!", "tea גבא!"),
        ("אבג tea!", "!tea גבא"),
        ("אב 12:30 ג", "ג 12:30 בא"),
        ("אב ₹1,000", "₹1,000 בא"),
        ("tea 12 אב 34", "tea 12 34 בא"),
        ("אב 50% ג", "ג 50% בא"),
        ("اب 50% ج", "ج %50 با"),
        ("اب 31/12 ج", "ج 31/12 با"),
        ("אב tea (12) ג", "ג tea (12) בא"),
        ("אב (tea) ג", "ג )tea( בא"),
        ("tea (אב) x", "tea (בא) x"),
    ],
)
def test_a_line_is_seen_as_the_bidirectional_algorithm_says(text: str, expected: str) -> None:
    assert seen(text) == expected


@given(st.text("ab אב12٤, %(₹\n"))
def test_every_character_is_seen_once(text: str) -> None:
    assert sorted(visual_order(levels(text))) == list(range(len(text)))


def test_the_first_letter_sets_the_direction() -> None:
    assert right_to_left("12 שלום Aurora")
    assert not right_to_left("Aurora שלום")
    assert not right_to_left("12")


def test_lines_of_one_text_have_one_direction() -> None:
    style = Style("noto")
    alone = word_boxes(("Tea שלום",), style, 60)
    assert alone[0][1][0] < alone[1][1][0]
    boxes = dict(word_boxes(("שלום עולם", "Tea שלומי"), style, 60))
    assert boxes["Tea"][0] > boxes["שלומי"][0]


def test_a_number_at_the_begin_of_a_line_belongs_to_the_arabic_letters_before_it() -> None:
    def percent(lines: tuple[str, ...]) -> Image.Image:
        return draw_lines(lines, NOTO, 60, (255, 255, 255), align="right").crop((0, 50, 400, 120))

    assert percent(("سعر", "50% الآن")) != percent(("50% الآن",) * 2)


@pytest.mark.parametrize(
    "text", ["🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "שלום C++\u200f!"]
)
def test_flags_and_marks_of_direction_are_whole(text: str) -> None:
    assert clean(text, POPPINS) == text
