"""What a caller may say of a request, and what is refused before it is sent."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from rivya_client.errors import APIConnectionError, APIError, ExplainedError, MediaError, UsageError
from rivya_client.options import RequestSettings
from rivya_client.retries import ONCE, RetryPolicy
from support.api_stage import BODY, Call, Stage, balance, job, refused

BALANCE = httpx.Response(200, json={"current_credits": 1})
LOST = httpx.ReadTimeout("lost")


def test_max_retries_changes_the_attempts_alone() -> None:
    settings = RequestSettings().merge(retry=RetryPolicy(9, 7.0), max_retries=2)
    assert settings.retry == RetryPolicy(3, 7.0)
    assert settings.merge(retry=RetryPolicy(4)).retry == RetryPolicy(4)
    assert settings.merge(retry=None, max_retries=None, timeout=None) == settings


@pytest.mark.parametrize(
    ("option", "words"),
    [
        *(({"timeout": told}, "timeout") for told in (0, -1, math.inf, math.nan, "5")),
        *(({"max_retries": told}, "max_retries") for told in (-1, "2")),
        ({"retry": 3}, "retry: 3 is not a RetryPolicy"),
        ({"foo": 1}, "foo: no call has an option"),
    ],
)
async def test_a_wrong_option_is_named(option: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        RequestSettings().merge(**option)
    error = await Stage().error(UsageError, lambda c: c.credits.retrieve(**option), words)
    known = "the options are timeout, retry, max_retries, extra_headers, send_before"
    assert "foo" not in option or error.hint == known


@pytest.mark.parametrize("attempts", [0, -1, "3"])
def test_a_policy_has_at_least_one_attempt(attempts: Any) -> None:
    with pytest.raises(UsageError, match=r"attempts: .* is not a whole number above 0"):
        RetryPolicy(attempts, 1)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Authorization": "Bearer hunter2"}, "cannot be set"),
        ({"idempotency-key": "k"}, "cannot be set"),
        ({"Accept-Encoding": "br"}, "cannot be set"),
        ({"X Team": "a"}, "not the name of a header"),
        ({"": "a"}, "not the name of a header"),
        ({"X-Team": "hunter2\r\nX-Other: b"}, "not printable ASCII"),
    ],
)
def test_a_header_that_the_client_owns_or_that_is_not_one_is_refused(
    headers: Mapping[str, str], words: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        RequestSettings().merge(extra_headers=headers)
    assert "hunter2" not in repr(caught.value)


async def opened(streaming: Any) -> None:
    async with streaming:
        pass


NO_TYPES: list[Any] = [[], ()]
NO_FORM = "neither bytes nor a dictionary"
WRONG: list[tuple[Any, str]] = [
    *(
        (call, NO_FORM)
        for body in ('{"model": "z-image"}', None, bytearray(b"{}"))
        for call in (
            lambda c, body=body: c.generations.create(body),
            lambda c, body=body: c.chat.complete(body),
            lambda c, body=body: opened(c.chat.stream(body)),
        )
    ),
    (lambda c: c.generations.create({"n": float("nan")}), "request body"),
    (lambda c: c.generations.create({"n": {1, 2}}), "request body"),
    *(
        (lambda c, key=key: c.generations.create(BODY, idempotency_key=key), "idempotency key")
        for key in ("", "x" * 256, "two words", "लाल", "a\nb", 7)
    ),
    (lambda c: c.generations.create_and_wait(BODY, timeout_seconds="5"), "'5' is not a number"),
    (lambda c: c.generations.wait("task_1", timeout_seconds="5"), "'5' is not a number"),
    (lambda c: c.generations.wait("task_1", kind="film"), "not one of image, video, audio"),
    (lambda c: c.generations.retrieve(".."), r"'\.\.' is not an id"),
    *(
        (lambda c, name=name, told=told: getattr(c.webhooks, name)(told), "is not an id")
        for name in ("delete", "test", "rotate_secret")
        for told in ("", ".", "..", None, "\ud800")
    ),
    (lambda c: c.webhooks.update("whend_1"), "nothing to change"),
    *(
        (lambda c, types=types: c.webhooks.create("https://a/", event_types=types), "event_types")
        for types in ("generation.failed", *NO_TYPES)
    ),
    (lambda c: c.webhooks.update("whend_1", event_types=[]), "event_types"),
    (lambda c: c.files.upload(b"", kind="image", client_request_id="x" * 129), "129 characters"),
    (lambda c: c.files.upload(b"", kind="text"), "'text' is not one of image, video, audio"),
    (lambda c: c.files.upload(Path("absent.png"), kind="image"), "cannot be read"),
    (lambda c: c.files.upload(Path(), kind="image"), "cannot be read"),
    (lambda c: c.files.upload(io.StringIO("text"), kind="image"), "gives str, not bytes"),
    (lambda c: c.files.upload("a.png", kind="image"), "neither bytes nor a path nor an open file"),
    (lambda c: c.files.upload(None, kind="image"), "is neither bytes nor"),
]


async def test_a_wrong_call_is_refused_before_anything_is_sent() -> None:
    stage = Stage()
    for call, words in WRONG:
        error = await stage.error(ExplainedError, call, words)
        assert type(error) is (MediaError if words == "cannot be read" else UsageError)
    assert not stage.requests


async def test_a_call_overrides_with_options_which_overrides_the_client() -> None:
    stage = Stage(BALANCE, BALANCE)
    async with stage.client(extra_headers={"X-Team": "a", "X-App": "b"}) as client:
        await client.with_options(extra_headers={"x-team": "c"}).credits.retrieve(
            extra_headers={"X-Trace": "d"}
        )
        await client.credits.retrieve()
    first, second = (request.headers for request in stage.requests)
    assert (first["x-team"], first["x-app"], first["x-trace"]) == ("c", "b", "d")
    assert (second["x-team"], second.get("x-trace")) == ("a", None)


async def test_an_extra_header_replaces_one_of_another_case() -> None:
    stage = Stage(BALANCE)
    await stage.answered(balance, extra_headers={"User-Agent": "studio"})
    assert stage.requests[0].headers.get_list("user-agent") == ["studio"]


async def test_max_retries_bounds_the_attempts_of_a_call() -> None:
    stage = Stage(*[refused(503, "public_api_disabled")] * 4)
    await stage.error(APIError, balance, max_retries=2)
    await stage.error(
        APIError, lambda c: c.with_options(max_retries=0).credits.retrieve(), max_retries=2
    )
    assert len(stage.requests) == 4


async def test_a_timeout_bounds_an_attempt_and_the_silence_in_it() -> None:
    stage = Stage(BALANCE, httpx.ReadTimeout("slow"))
    await stage.answered(lambda c: c.credits.retrieve(timeout=5))
    in_vain: Call = lambda c: c.credits.retrieve(timeout=0.25, max_retries=0)  # noqa: E731
    await stage.error(APIConnectionError, in_vain, "no answer in time")
    reads = [request.extensions["timeout"]["read"] for request in stage.requests]
    assert reads == [5, 0.25]


async def test_a_paid_call_without_a_key_of_its_own_keeps_one_through_its_retries() -> None:
    stage = Stage(LOST, job(), job(), LOST, job())
    async with stage.client() as client:
        await client.generations.create(BODY)
        await client.generations.create(BODY)
        with pytest.raises(APIConnectionError) as caught:
            await client.generations.create(BODY, retry=ONCE)
        again = caught.value.idempotency_key
        await client.generations.create(BODY, idempotency_key=again)
    keys = [request.headers["idempotency-key"] for request in stage.requests]
    assert keys[0] == keys[1]
    assert keys[3] == keys[4] == again
    assert len({*keys}) == 3
    assert len(keys[0]) == 32


async def test_a_paid_call_with_none_as_its_key_is_sent_once() -> None:
    stage = Stage(LOST)
    error = await stage.error(
        APIConnectionError, lambda c: c.generations.create(BODY, idempotency_key=None)
    )
    assert "idempotency-key" not in stage.requests[0].headers
    assert error.idempotency_key is None


async def test_a_mapping_becomes_compact_json_and_bytes_stay_as_they_are() -> None:
    stage = Stage(job(), job())
    await stage.answered(lambda c: c.generations.create({"model": "z-image", "prompt": "दीया"}))
    await stage.answered(lambda c: c.generations.create(BODY))
    mapping, unchanged = (request.content for request in stage.requests)
    assert mapping.decode() == '{"model":"z-image","prompt":"दीया"}'
    assert unchanged == BODY
