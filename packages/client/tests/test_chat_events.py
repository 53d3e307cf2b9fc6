"""The events of a streamed answer, from bytes to text."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from rivya_client.chat_stream import Answering, EventDecoder, ServerEvent
from rivya_client.errors import APIConnectionError, StreamFailedError
from rivya_client.types import ChatCredits, ChatUsage

WHOLE = {
    "id": "chatcmpl_1",
    "object": "chat.completion",
    "session_id": "session_1",
    "model": "gpt-5-2-chat",
    "created_at": "2026-05-11T00:00:00.000Z",
    "message": {"id": "msg_1", "role": "assistant", "content": "Hi there"},
    "usage": {"input_tokens": 1200, "output_tokens": 320, "total_tokens": 1520},
    "credits": {"reserved": 3, "final": 2},
}


def answering(*told: tuple[str, Any]) -> tuple[list[str], Answering]:
    """The pieces that come out of events, and the answer they are of."""
    answer, pieces = Answering("POST /x"), list[str]()
    for name, data in told:
        text = data if isinstance(data, str) else json.dumps(data)
        pieces.append(answer.take(ServerEvent(name, text)))
    return [piece for piece in pieces if piece], answer


def test_the_convention_gives_pieces_and_the_whole_answer() -> None:
    pieces, answer = answering(
        ("session", {"id": "chatcmpl_1", "session_id": "session_1"}),
        ("delta", {"content": "Hi"}),
        ("delta", {"content": " there"}),
        ("completed", WHOLE),
    )
    assert pieces == ["Hi", " there"]
    assert answer.ended
    assert answer.whole().model_dump(exclude_unset=False) == {
        key: value for key, value in WHOLE.items() if key != "object"
    }


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"content": "Hi"}, id="content"),
        pytest.param({"delta": "Hi"}, id="delta"),
        pytest.param({"delta": {"content": "Hi"}}, id="delta-content"),
        pytest.param({"delta": {"text": "Hi"}}, id="delta-text"),
        pytest.param({"text": "Hi"}, id="text"),
        pytest.param({"type": "delta", "content": "Hi"}, id="named-by-its-data"),
        pytest.param("Hi", id="bare-text"),
    ],
)
@pytest.mark.parametrize("name", ["", "message", "delta", "message.delta"])
def test_text_is_found_in_every_known_field(name: str, data: Any) -> None:
    answer = Answering("POST /x")
    assert answer.take(ServerEvent(name, json.dumps(data))) == "Hi"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("completed", WHOLE),
        ("done", WHOLE),
        ("message.completed", WHOLE),
        ("done", "{}"),
        ("done", ""),
        ("", "[DONE]"),
        ("message", " [DONE] "),
        ("", {"type": "completed"}),
        ("", WHOLE),
    ],
)
def test_every_known_last_event_ends_the_answer(name: str, data: Any) -> None:
    _, answer = answering(("delta", {"content": "Hi there"}), (name, data), ("delta", "more"))
    assert answer.ended
    assert answer.text == "Hi there"


def test_unknown_events_are_ignored() -> None:
    pieces, answer = answering(
        ("thinking", {"id": "th_1", "content": "hm"}),
        ("", {"type": "reasoning", "content": "hm"}),
        ("heartbeat", "not json"),
        ("delta", {"content": "Hi"}),
        ("", ""),
    )
    assert (pieces, answer.ended, answer.whole().id) == (["Hi"], False, None)


def test_usage_and_credits_come_from_whichever_event_has_them() -> None:
    _, answer = answering(
        ("usage", {"usage": {"output_tokens": 5}}),
        ("delta", {"content": "Hi", "credits": {"reserved": 3, "final": 1.5}}),
        ("done", {"usage": {}, "credits": "strange"}),
    )
    whole = answer.whole()
    assert whole.usage == ChatUsage(output_tokens=5)
    assert whole.credits == ChatCredits(reserved=3, final=2)


def test_the_id_of_a_turn_is_not_that_of_a_piece_if_there_is_another() -> None:
    piece = ("delta", {"id": "chunk_1", "session_id": "session_1", "content": "Hi"})
    _, first = answering(piece, ("done", {"id": "chatcmpl_1"}))
    _, second = answering(piece)
    assert (first.whole().id, second.whole().id) == ("chatcmpl_1", "chunk_1")
    assert second.session_id == "session_1"


def test_text_in_the_last_event_only_is_a_piece_and_its_text_counts() -> None:
    assert answering(("completed", WHOLE))[0] == ["Hi there"]
    assert answering(("delta", {"content": "Hi"}), ("completed", WHOLE))[0] == ["Hi", " there"]
    pieces, answer = answering(("delta", {"content": "Ho"}), ("completed", WHOLE))
    assert pieces == ["Ho"]
    assert answer.whole().message.content == "Hi there"


def test_a_character_cut_between_two_pieces_is_joined() -> None:
    pieces, answer = answering(
        ("delta", r'{"content": "Hi \ud83d"}'), ("delta", r'{"content": "\ude00!"}'), ("", "[DONE]")
    )
    assert pieces == ["Hi ", "😀!"]
    assert answer.whole().message.content == "Hi 😀!"


def test_a_key_cut_between_two_pieces_is_masked_and_what_only_begins_like_one_is_text() -> None:
    answer = Answering("POST /x", "another-form-of-key")
    pieces = [
        answer.take(ServerEvent("delta", json.dumps({"content": content})))
        for content in ("of another-fo", "rm-of-key!", " anoth")
    ]
    assert pieces == ["of ", "rvya_sk_***!", " "]
    assert answer.rest() == "anoth"


def test_half_a_character_is_replaced() -> None:
    pieces, answer = answering(
        ("delta", r'{"content": "a \ude00 b"}'),
        ("delta", r'{"content": "\ud83d"}'),
        (
            "completed",
            r'{"id": "c\ude00", "message": {"id": "\ude00", "content": "a \ude00 b\ud83d"}}',
        ),
    )
    assert pieces == ["a � b"]
    assert answer.whole().message.content == "a � b"
    assert answer.whole().model_dump_json()


@pytest.mark.parametrize("name", ["delta", "message", ""])
@pytest.mark.parametrize("data", ['{"content": "H', "plain", "[" * 100_000], ids=range(3))
def test_an_unreadable_piece_is_an_error_and_a_cut_last_event_ends_nothing(
    name: str, data: str
) -> None:
    for event in (ServerEvent(name, data), ServerEvent("completed", '{"id": "chatc')):
        with pytest.raises(APIConnectionError, match="unreadable"):
            Answering("POST /x").take(event)


@pytest.mark.parametrize(
    ("name", "data", "code", "status"),
    [
        ("error", {"error": {"code": "rate_limited", "message": "Slow."}}, "rate_limited", 429),
        ("error", {"code": "insufficient_credits"}, "insufficient_credits", 402),
        ("error", {"error": "Broken."}, "stream_failed", 500),
        ("error", "Broken.", "stream_failed", 500),
        ("error", "", "stream_failed", 500),
        ("error", {"error": {"code": "a_newer_code"}}, "a_newer_code", 500),
        ("", {"error": {"code": "not_found"}}, "not_found", 404),
        ("", {"type": "error", "error": {"code": "not_found"}}, "not_found", 404),
    ],
)
def test_an_error_event_is_an_error_with_the_text_so_far(
    name: str, data: Any, code: str, status: int
) -> None:
    with pytest.raises(StreamFailedError) as caught:
        answering(("delta", {"content": "Hi"}), (name, data))
    assert (caught.value.code, caught.value.status, caught.value.text) == (code, status, "Hi")
    assert caught.value.retryable is (status in (429, 500))
    assert "in the stream" in str(caught.value)


def test_an_error_event_that_quotes_a_secret_is_masked() -> None:
    with pytest.raises(StreamFailedError) as caught:
        answering(("error", {"code": "bad", "message": "'Bearer rvya_sk_12ab' and whsec_34cd."}))
    assert caught.value.detail == "'Bearer rvya_sk_***' and whsec_***"


def test_an_error_event_keeps_its_request_id() -> None:
    envelope = {"error": {"code": "internal_error", "message": "Oh.", "requestId": "req_4"}}
    with pytest.raises(StreamFailedError, match="req_4"):
        answering(("error", envelope))


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
