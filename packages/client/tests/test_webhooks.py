"""Webhook endpoints, deliveries and events: documented requests, tolerated answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from rivya_client.client import RivyaClient
from rivya_client.errors import (
    APIConnectionError,
    APIStatusError,
    RefusedAfterSilenceError,
    UsageError,
)
from support.api_stage import Stage, refused
from support.webhook_objects import DELIVERY, ENDPOINT, SECRET, listed


async def test_an_endpoint_is_created_as_documented_and_shows_its_secret_once() -> None:
    stage = Stage(httpx.Response(201, json={**ENDPOINT, "signing_secret": SECRET}))
    async with stage.client() as client:
        endpoint = await client.webhooks.create(
            "https://example.com/rivya/webhook", name="Production webhook"
        )
    (request,) = stage.requests
    assert (request.method, request.url.path) == ("POST", "/api/v1/webhooks")
    assert json.loads(request.content) == {
        "name": "Production webhook",
        "url": "https://example.com/rivya/webhook",
        "event_types": ["generation.succeeded", "generation.failed"],
    }
    assert "idempotency-key" not in request.headers
    assert endpoint.signing_secret is not None
    assert endpoint.signing_secret.get_secret_value() == SECRET
    told = endpoint.model_dump(mode="json")
    assert {**told, "signing_secret": None} == {
        **{key: value for key, value in ENDPOINT.items() if key != "object"},
        "signing_secret": None,
    }


async def test_a_secret_is_in_no_repr_dump_error_or_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    stage = Stage(
        httpx.Response(201, json={**ENDPOINT, "signing_secret": SECRET}),
        httpx.Response(200, json={"signing_secret": SECRET}),
        httpx.Response(200, json={"signing_secret": [SECRET]}),
        refused(400, f"bad {SECRET}"),
        httpx.Response(400, json={"error": {"code": "bad", "message": f"no {SECRET}"}}),
    )
    texts = []
    async with stage.client() as client:
        endpoint = await client.webhooks.create("https://example.com/")
        rotated = await client.webhooks.rotate_secret("whend_1")
        for _ in range(3):
            with pytest.raises((APIConnectionError, APIStatusError)) as caught:
                await client.webhooks.rotate_secret("whend_1")
            texts += [str(caught.value), repr(caught.value)]
    texts += [repr(endpoint), str(rotated), endpoint.model_dump_json(), str(rotated.model_dump())]
    assert SECRET not in "".join(texts) + caplog.text


Call = Callable[[RivyaClient], Awaitable[Any]]


@pytest.mark.parametrize(
    ("method", "path", "answer", "call"),
    [
        ("GET", "", listed(ENDPOINT), lambda c: c.webhooks.list()),
        ("GET", "/a%2Fb", ENDPOINT, lambda c: c.webhooks.retrieve("a/b")),
        ("PATCH", "/a%2Fb", ENDPOINT, lambda c: c.webhooks.update("a/b", name="n")),
        ("DELETE", "/a%2Fb", {}, lambda c: c.webhooks.delete("a/b")),
        (
            "POST",
            "/a%2Fb/rotate-secret",
            {"signing_secret": SECRET},
            lambda c: c.webhooks.rotate_secret("a/b"),
        ),
        ("POST", "/a%2Fb/test", {}, lambda c: c.webhooks.test("a/b")),
        ("GET", "/a%2Fb/deliveries", listed(DELIVERY), lambda c: c.webhooks.deliveries("a/b")),
    ],
)
async def test_each_call_has_its_route(method: str, path: str, answer: Any, call: Call) -> None:
    response = answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)
    stage = Stage(response)
    async with stage.client() as client:
        await call(client)
    (request,) = stage.requests
    assert request.method == method
    assert request.url.raw_path.decode() == "/api/v1/webhooks" + path


@pytest.mark.parametrize("endpoint_id", ["", ".", "..", None, "\ud800"])
async def test_an_endpoint_id_cannot_name_another_path(endpoint_id: Any) -> None:
    async with Stage().client() as client:
        for call in (client.webhooks.delete, client.webhooks.test, client.webhooks.rotate_secret):
            with pytest.raises(UsageError, match="is not an id"):
                await call(endpoint_id)


async def test_only_what_is_given_is_changed() -> None:
    stage = Stage(httpx.Response(200, json=ENDPOINT))
    async with stage.client() as client:
        await client.webhooks.update("whend_1", status="active", event_types=("x",))
        with pytest.raises(UsageError, match="nothing to change"):
            await client.webhooks.update("whend_1")
    assert json.loads(stage.requests[0].content) == {"status": "active", "event_types": ["x"]}


@pytest.mark.parametrize("event_types", ["generation.failed", [], ()])
async def test_event_types_are_a_list(event_types: Any) -> None:
    async with Stage().client() as client:
        with pytest.raises(UsageError, match="event_types"):
            await client.webhooks.create("https://example.com/", event_types=event_types)
        with pytest.raises(UsageError, match="event_types"):
            await client.webhooks.update("whend_1", event_types=event_types)


@pytest.mark.parametrize("call", ["create", "rotate_secret", "test"])
async def test_a_call_that_creates_something_is_never_repeated(call: str) -> None:
    for trouble in (httpx.ReadError(""), refused(503, "public_api_disabled")):
        stage = Stage(trouble)
        async with stage.client() as client:
            with pytest.raises((APIConnectionError, APIStatusError)):
                await getattr(client.webhooks, call)("https://example.com/")
        assert len(stage.requests) == 1


async def test_a_change_is_repeated() -> None:
    stage = Stage(httpx.ReadError(""), httpx.Response(200, json=ENDPOINT))
    async with stage.client() as client:
        await client.webhooks.update("whend_1", name="n")
    assert stage.requests[0].content == stage.requests[1].content


async def test_a_change_refused_after_silence_may_have_been_made() -> None:
    stage = Stage(httpx.ReadError(""), refused(404, "not_found"))
    async with stage.client() as client:
        with pytest.raises(RefusedAfterSilenceError):
            await client.webhooks.update("whend_1", name="n")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(204),
        httpx.Response(200, content=b"gone"),
        httpx.Response(200, json={"id": "whend_1", "deleted": True}),
    ],
)
async def test_the_answer_to_a_removal_is_ignored(answer: httpx.Response) -> None:
    async with Stage(answer).client() as client:
        await client.webhooks.delete("whend_1")


async def test_an_endpoint_that_the_second_attempt_does_not_find_was_removed_by_the_first() -> None:
    async with Stage(httpx.ReadError(""), refused(404, "not_found")).client() as client:
        await client.webhooks.delete("whend_1")
    async with Stage(refused(404, "not_found")).client() as client:
        with pytest.raises(APIStatusError, match="not_found"):
            await client.webhooks.delete("whend_1")
    async with Stage(httpx.ReadError(""), refused(401, "api_key_revoked")).client() as client:
        with pytest.raises(RefusedAfterSilenceError):
            await client.webhooks.delete("whend_1")


async def test_a_url_that_the_service_refuses_is_an_error() -> None:
    async with Stage(refused(400, "webhook_url_rejected")).client() as client:
        with pytest.raises(APIStatusError) as caught:
            await client.webhooks.create("http://localhost/")
    assert (caught.value.code, caught.value.retryable) == ("webhook_url_rejected", False)


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
    async with Stage(answer).client() as client:
        assert (await client.webhooks.test("whend_1")).event_id == event_id


async def test_events_have_their_jobs() -> None:
    job = {"id": "task_1", "status": "failed", "model": "z-image"}
    event = {"id": "evt_1", "object": "webhook_event", "type": "generation.failed", "data": job}
    stage = Stage(listed(event, {**event, "id": "evt_2", "data": {"object": job}}))
    async with stage.client() as client:
        events = (await client.webhook_events.list()).data
    assert stage.requests[0].url.path == "/api/v1/webhook-events"
    assert [(one.id, one.generation and one.generation.id) for one in events] == [
        ("evt_1", "task_1"),
        ("evt_2", "task_1"),
    ]


async def test_a_list_may_be_a_bare_array_and_may_have_more() -> None:
    more = httpx.Response(200, json={"data": [ENDPOINT], "has_more": True})
    async with Stage(httpx.Response(200, json=[ENDPOINT]), more).client() as client:
        bare, going_on = await client.webhooks.list(), await client.webhooks.list()
    assert ([one.id for one in bare.data], bare.has_more) == (["whend_1"], None)
    assert going_on.has_more is True
