"""No foreign text breaks out of its place."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from rivya_flows.markdown import code, gallery, link, paragraphs, picture, quotation, table, text

WORDS = st.text(max_size=60) | st.sampled_from(
    ["9:16", "नीऑन", "a|b", "<script>", "[x](javascript:1)", "`", "\\", "\ud800", "# h", "---"]
)
UNESCAPED = re.compile(
    r"(?<!\\)(?:\\\\)*(?:[|`\[\]*~$!]|(?<![^\W_])_|_(?![^\W_]))"
    r"|<|@(?!\u2060)|://|(?i:www\.)|[\r\n]"
)


@given(WORDS)
def test_words_are_text_wherever_they_stand(words: str) -> None:
    shown = text(words)
    assert not UNESCAPED.search(shown)
    assert not re.match(r"(#|[-+=]|\d+[.)])(\s|$)|---|===", shown)
    assert len(re.findall(r"(?<!\\)\|", table(["a"], [[words]]))) == 6
    assert all(line.startswith(">") for line in quotation(words + "\nx").split("\n"))
    shown.encode()


def test_an_underscore_inside_a_word_is_no_markup_and_has_no_escape() -> None:
    assert text("api_key_invalid of RIVYA_FLOWS_STORE") == "api_key_invalid of RIVYA_FLOWS_STORE"
    assert text("_a_ b_ _c __d__ e__f") == r"\_a\_ b\_ \_c \_\_d\_\_ e\_\_f"


@pytest.mark.parametrize(
    "hidden",
    ["\u202e", "\u061c", "\u200b", "\u200d", "\ufeff", "\u3164", "\ufe0f", "\U000e0041", "\x1b", "\ud800"],
)  # fmt: skip
def test_what_is_invisible_is_shown_by_its_number(hidden: str) -> None:
    number = hidden.encode("unicode_escape", "surrogatepass").decode()
    assert text(f"a{hidden}b") == code(f"a{hidden}b") == f"a\\{number}b"
    assert text("क्‍ष ❤️\u2028\r\nb\x0b") == "क्‍ष ❤️ b"


@given(st.text(max_size=80))
def test_an_address_stays_one_address(address: str) -> None:
    safe = address.encode("utf-8", "ignore").decode()
    assert re.fullmatch(r"\[x\]\(<[^<>\s\\]*>\)", link("x", safe))
    assert re.fullmatch(r"!\[x\]\(<[^<>\s\\]*>\)", picture("x", safe))


def test_a_long_text_is_cut_at_its_bound_and_not_before() -> None:
    assert (
        text("a" * 10, 10) == quotation("a" * 10, 10)[2:-2] == paragraphs("a" * 10, 10) == "a" * 10
    )
    cut = "a" * 9 + "…"
    assert text("a" * 11, 10) == quotation("a" * 11, 10)[2:-2] == paragraphs("a" * 11, 10) == cut


def test_stills_stand_side_by_side_four_in_a_row() -> None:
    shown = gallery([(f"s[{n}]", f"https://x/{n}.jpg", f"https://x/{n}") for n in range(6)])
    lines = shown.split("\n")
    assert [line.count("![") for line in lines] == [0, 0, 4, 2, 0, 0, 0]
    assert {line.count(" |") for line in lines[:4]} == {4}
    assert lines[-1] == r"s\[4\] ([open](<https://x/4>)) · s\[5\] ([open](<https://x/5>))"


def test_no_picture_of_a_gallery_is_in_a_link_which_shows_none_in_older_pages() -> None:
    shown = gallery([("s", "https://x/1.jpg", "https://x/1")])
    assert shown == "|  |\n| --- |\n| ![s](<https://x/1.jpg>) |\n\ns ([open](<https://x/1>))"
