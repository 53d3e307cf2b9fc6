"""Subtitle files as people have them."""

from __future__ import annotations

import pytest

from rivya_flows.language.subtitles import MAX_CUES, parse_subtitles

SRT = """\ufeff1\r
00:00:00,500 --> 00:00:02,000\r
<i>One lamp,</i>\r
{\\an8}every mood.\r
\r
2\r
00:01:02,250 --> 01:00:00,000 X1:40\r
Tom &amp; Ada: 3 < 4\r
"""
VTT = """WEBVTT - a film

NOTE a note
of two lines

STYLE
::cue { color: red }

intro
00:00.500 --> 00:02.000 align:start
<v Ada>One lamp,
every mood.

01:02.250 --> 01:00:00.000
Tom &amp; Ada: 3 < 4
"""
CUES = ((0.5, 2.0, "One lamp,\nevery mood."), (62.25, 3600.0, "Tom & Ada: 3 < 4"))


@pytest.mark.parametrize("text", [SRT, VTT], ids=["srt", "vtt"])
def test_times_and_lines_are_read_without_marks_of_style(text: str) -> None:
    assert parse_subtitles(text) == CUES


def test_captions_are_ordered_by_their_start_and_empty_ones_left_out() -> None:
    text = "00:05.000 --> 00:06.000\nlast\n\n00:03.000 --> 00:04.000\n \n\n00:01.000 --> 00:02.000\nfirst\n"
    assert [cue[2] for cue in parse_subtitles(text)] == ["first", "last"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "line 1: there is no caption"),
        ("1\n00:00:01,000 -> 00:00:02,000\nx\n", "line 1: expected times"),
        ("1\n00:00:01,000 --> later\nx\n", "line 2: '00:00:01,000 --> later' is not two times"),
        ("\n\n1\n00:00:02,000 --> 00:00:01,000\nx\n", "line 4: the caption ends before it starts"),
        ("a\n\n" * 3, "line 1: expected times"),
        ("00:01.000 --> 00:02.000\nx\n\n" * (MAX_CUES + 1), "more than 5,000 captions"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_subtitles(text)
