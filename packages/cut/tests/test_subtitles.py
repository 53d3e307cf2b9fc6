"""Subtitle files as people have them: SRT and WebVTT, tidy or not."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from rivya_cut.subtitles import MAX_SUBTITLE_BYTES, Cue, parse_subtitles

SRT = """\
1
00:00:00,500 --> 00:00:02,000
Meet Aurora,
the kettle.

2
00:00:02,100 --> 00:00:04,250
<i>Warm</i> &amp; <font color="#fff">bright</font> {\\an8}at 5 < 6
"""
CUES = (Cue(0.5, 2.0, "Meet Aurora,\nthe kettle."), Cue(2.1, 4.25, "Warm & bright at 5 < 6"))


WEBVTT = (
    "WEBVTT - Aurora\nKind: captions\n\nNOTE\nby hand\n\nSTYLE\n::cue { color: red }\n\nopening\n"
    "00:00.500 --> 00:02.000 line:80% align:center\n<v Narrator>Meet Aurora,\nthe kettle.</v>\n\n"
    "00:00:02.100 --> 00:00:04.250\nWarm &amp; bright at 5 &lt; 6\n"
)


@pytest.mark.parametrize(
    "text",
    [
        SRT, "\ufeff" + SRT.replace("\n", "\r\n"), SRT.replace("1\n00", "00").replace("2\n00", "00"), WEBVTT,
    ],
    ids=["SRT with tags", "of Windows", "without numbers", "WebVTT with notes, styles, settings and names"],
)  # fmt: skip
def test_subtitles_are_read_however_they_are_written(text: str) -> None:
    assert parse_subtitles(text) == CUES


def test_times_inside_a_webvtt_cue_are_those_of_its_words() -> None:
    timed = "<00:01.000>Meet <i>the</i> lamp &amp; <00:02.000><c>light</c>, \n<00:09.000>now"
    (cue,) = parse_subtitles(f"WEBVTT\n\n00:01.000 --> 00:03.000\n{timed}")
    assert cue.text == "Meet the lamp & light,\nnow"
    assert cue.words == (1.0, 1.333, 1.583, 1.917, 2.0, 3.0)


def test_a_subtitle_that_runs_into_the_next_ends_where_that_begins() -> None:
    found = parse_subtitles("0:01,0 --> 0:03,0\nA\n\n0:02,0 --> 0:04,0\nB\n")
    assert found == (Cue(1.0, 2.0, "A"), Cue(2.0, 4.0, "B"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no subtitles"),
        ("Hello", "line 1: expected times"),
        ("1\n00:00:01 --> 00:00:02\nA", "line 2: expected times"),
        ("1\n00:00:02,000 --> 00:00:01,000\nA", "line 2: ends before it begins"),
        ("1\n00:59:00,000 --> 01:00:01,000\nA", "line 2: ends after 3,600 s"),
        ("0:02,0 --> 0:03,0\nA\n\n0:01,0 --> 0:02,0\nB", "line 4: begins before"),
        (f"0:01,0 --> 0:02,0\n{'a' * 501}", "line 1: more than 500 characters"),
        ("a" * (MAX_SUBTITLE_BYTES + 1), "more than 1,000,000 bytes"),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_reason(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_subtitles(text)


def test_too_many_subtitles_are_refused() -> None:
    times = [f"{n // 60}:{n % 60:02},000" for n in range(3_000)]
    halves = [time.replace(",000", ",500") for time in times]
    moments = [moment for pair in zip(times, halves, strict=True) for moment in pair]
    text = "\n\n".join(f"{a} --> {b}\nA" for a, b in pairwise(moments))
    with pytest.raises(ValueError, match="more than 2,000 subtitles"):
        parse_subtitles(text)


@given(
    st.lists(
        st.sampled_from(["1", "", "A <b", "&lt;", "WEBVTT", "NOTE", "0:01.5 --> 0:02.5", "-->"])
    )
)
def test_any_file_is_read_in_order_or_refused(lines: list[str]) -> None:
    with contextlib.suppress(ValueError):
        found = parse_subtitles("\n".join(lines))
        assert all(one.start < one.end for one in found)
        assert all(a.end <= b.start for a, b in pairwise(found))


@given(st.text())
def test_any_text_is_read_or_refused_with_a_reason(text: str) -> None:
    with contextlib.suppress(ValueError):
        parse_subtitles(f"0:01,0 --> 0:02,0\n{text}")
