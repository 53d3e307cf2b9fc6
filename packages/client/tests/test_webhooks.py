"""Webhook endpoints and events: documented requests, what is repeated, tolerated answers."""

from __future__ import annotations

import json
import logging
from typing import Any

import httpx
import pytest

from rivya_client.errors import APIError, APIStatusError, RefusedAfterSilenceError
from support.api_stage import Answer, Call, Stage, refused
from support.webhook_objects import ENDPOINT, SECRET, listed

CUT = httpx.ReadError("")


def create(client: Any) -> Any:
    return client.webhooks.create("https://example.com/", name="Shop")


def rotate(client: Any) -> Any:
    return client.webhooks.rotate_secret("whend_1")


def rename(client: Any) -> Any:
    return client.webhooks.update("whend_1", name="n")


def remove(client: Any) -> Any:
    return client.webhooks.delete("whend_1")


def send_test(client: Any) -> Any:
    return client.webhooks.test("whend_1")


async def test_an_endpoint_is_created_as_documented_and_only_what_is_given_is_changed() -> None:
    stage = Stage(httpx.Response(201, json=ENDPOINT), httpx.Response(200, json=ENDPOINT))
    await stage.answered(create)
    await stage.answered(
        lambda c: c.webhooks.update("whend_1", status="active", event_types=("x",))
    )
    created, changed = stage.requests
    assert json.loads(created.content) == {
        "name": "Shop",
        "url": "https://example.com/",
        "event_types": ["generation.succeeded", "generation.failed"],
    }
    assert "idempotency-key" not in created.headers
    assert json.loads(changed.content) == {"status": "active", "event_types": ["x"]}


async def test_a_secret_is_in_no_repr_dump_error_or_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    stage = Stage(
        httpx.Response(201, json={**ENDPOINT, "signing_secret": SECRET}),
        httpx.Response(200, json={"signing_secret": SECRET}),
        httpx.Response(200, json={"signing_secret": [SECRET]}),
        refused(400, f"bad {SECRET}"),
        httpx.Response(400, json={"error": {"code": "bad", "message": f"no {SECRET}"}}),
    )
    endpoint, rotated = await stage.answered(create), await stage.answered(rotate)
    assert endpoint.signing_secret.get_secret_value() == SECRET
    texts = [repr(endpoint), str(rotated), endpoint.model_dump_json(), str(rotated.model_dump())]
    for _ in range(3):
        error = await stage.error(APIError, rotate)
        texts += [str(error), repr(error)]
    assert SECRET not in "".join(texts) + caplog.text


@pytest.mark.parametrize("trouble", [CUT, refused(503, "public_api_disabled")])
@pytest.mark.parametrize("call", [create, rotate, send_test])
async def test_a_call_that_creates_something_is_never_repeated(call: Call, trouble: Answer) -> None:
    stage = Stage(trouble)
    await stage.error(APIError, call)
    assert len(stage.requests) == 1


async def test_a_change_is_repeated_and_a_refusal_after_silence_leaves_it_open() -> None:
    stage = Stage(CUT, httpx.Response(200, json=ENDPOINT))
    await stage.answered(rename)
    assert stage.requests[0].content == stage.requests[1].content
    await Stage(CUT, refused(404, "not_found")).error(RefusedAfterSilenceError, rename)


async def test_an_endpoint_that_the_second_attempt_does_not_find_was_removed_by_the_first() -> None:
    for answer in (
        httpx.Response(204),
        httpx.Response(200, content=b"gone"),
        httpx.Response(200, json={"id": "whend_1", "deleted": True}),
    ):
        assert await Stage(answer).answered(remove) is None
    assert await Stage(CUT, refused(404, "not_found")).answered(remove) is None
    await Stage(refused(404, "not_found")).error(APIStatusError, remove, "not_found")
    await Stage(CUT, refused(401, "api_key_revoked")).error(RefusedAfterSilenceError, remove)


@pytest.mark.parametrize(
    ("answer", "event_id"),
    [
        (httpx.Response(204), None),
        (httpx.Response(202, json={"event_id": "evt_1", "status": "pending"}), "evt_1"),
        (httpx.Response(200, json={"event_id": "evt_1", "status": 200, "id": 7}), "evt_1"),
        (httpx.Response(200, json=True), None),
    ],
)
async def test_any_answer_to_a_test_event_is_accepted(
    answer: httpx.Response, event_id: str | None
) -> None:
    assert (await Stage(answer).answered(send_test)).event_id == event_id


async def test_events_have_their_jobs() -> None:
    job = {"id": "task_1", "status": "failed", "model": "z-image"}
    event = {"id": "evt_1", "object": "webhook_event", "type": "generation.failed", "data": job}
    stage = Stage(listed(event, {**event, "id": "evt_2", "data": {"object": job}}))
    events = await stage.answered(lambda c: c.webhook_events.list())
    assert [(one.id, one.generation.id) for one in events] == [
        ("evt_1", "task_1"),
        ("evt_2", "task_1"),
    ]
