"""Bytes of a stream -> events, in every form of the standard."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, strategies as st

from rivya_flows.client.chat_stream import EventDecoder, ServerEvent


def events(*pieces: bytes) -> list[ServerEvent]:
    """What a decoder makes of so many pieces."""
    decoder = EventDecoder()
    found = [event for piece in pieces for event in decoder.feed(piece)]
    return [*found, *decoder.flush()]


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        pytest.param(b"event: a\ndata: 1\n\n", [("a", "1")], id="line-feeds"),
        pytest.param(b"event: a\r\ndata: 1\r\n\r\n", [("a", "1")], id="both"),
        pytest.param(b"event: a\rdata: 1\r\r", [("a", "1")], id="carriage-returns"),
        pytest.param(b"\xef\xbb\xbfdata: 1\n\n", [("", "1")], id="byte-order-mark"),
        pytest.param(b"data:1\n\n", [("", "1")], id="no-blank"),
        pytest.param(b"data:  1\n\n", [("", " 1")], id="one-blank-is-taken"),
        pytest.param(b"data: 1\ndata: 2\n\n", [("", "1\n2")], id="two-lines"),
        pytest.param(b": ping\n\n: ping\n\ndata: 1\n\n", [("", "1")], id="comments"),
        pytest.param(b"id: 4\nretry: 9\nodd\ndata: 1\n\n", [("", "1")], id="other-fields"),
        pytest.param(b"\n\n\n", [], id="empty-lines"),
        pytest.param(b"event: done\n\n", [("done", "")], id="no-data"),
        pytest.param(b"data: [DONE]", [("", "[DONE]")], id="cut-after-the-last-word"),
        pytest.param("data: दी\u2028या\n\n".encode(), [("", "दी\u2028या")], id="line-separator"),
        pytest.param(b"data: \xff\n\n", [("", "\ufffd")], id="not-utf-8"),
    ],
)
def test_events_are_read_in_every_form_of_the_standard(
    stream: bytes, found: list[tuple[str, str]]
) -> None:
    assert [(event.name, event.data) for event in events(stream)] == found


@given(st.lists(st.integers(min_value=0, max_value=80)))
def test_events_do_not_depend_on_where_the_bytes_are_cut(cuts: list[int]) -> None:
    stream = ": p\r\n\r\nevent: delta\r\ndata: {दीया}\r\n\r\ndata: 1\rdata: 2\r\r\n".encode()
    places = [0, *sorted(cuts), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(places)]
    assert events(*pieces) == events(stream)
    assert [event.name for event in events(stream)] == ["delta", ""]
