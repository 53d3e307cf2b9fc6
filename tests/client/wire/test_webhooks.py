"""Answers about webhooks as models: what is found, and what is tolerated."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from rivya_flows.client.wire.webhooks import SigningSecret, WebhookEndpoint
from support.api_stage import Stage

SECRET = "whsec_0123456789abcdef"


ENDPOINT = {
    "id": "whend_1",
    "object": "webhook_endpoint",
    "name": "Production webhook",
    "url": "https://example.com/rivya/webhook",
    "event_types": ["generation.succeeded", "generation.failed"],
    "status": "active",
    "secret_preview": "whsec_01...abcdef",
    "last_success_at": None,
    "last_failure_at": None,
    "failure_count": 0,
    "created_at": "2026-05-11T00:00:00.000Z",
    "updated_at": "2026-05-11T00:00:00.000Z",
    "disabled_at": None,
    "revoked_at": None,
}


DELIVERY = {
    "id": "whdel_1",
    "object": "webhook_delivery",
    "endpoint_id": "whend_1",
    "event_id": "evt_1",
    "event_type": "generation.succeeded",
    "status": "failed",
    "attempt": 2,
    "response_status": 500,
    "error": "HTTP 500",
    "created_at": "2026-05-11T00:00:00.000Z",
    "next_attempt_at": "2026-05-11T00:02:00.000Z",
    "delivered_at": None,
}


def listed(*entries: Any) -> httpx.Response:
    return httpx.Response(200, json={"object": "list", "data": list(entries)})


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({**ENDPOINT, "signing_secret": SECRET}, id="the-endpoint"),
        pytest.param({"signing_secret": SECRET}, id="alone"),
        pytest.param({"secret": SECRET}, id="another-name"),
        pytest.param({"endpoint": {**ENDPOINT, "signing_secret": SECRET}}, id="one-deeper"),
    ],
)
def test_a_new_secret_is_found_in_every_known_place(answer: dict[str, Any]) -> None:
    assert SigningSecret.model_validate(answer).signing_secret.get_secret_value() == SECRET


async def test_deliveries_read_the_convention_and_less() -> None:
    async with Stage(listed(DELIVERY, {"id": "whdel_2"}, "odd")).client() as client:
        first, second = (await client.webhooks.deliveries("whend_1")).data
    assert first.model_dump() == {k: v for k, v in DELIVERY.items() if k != "object"}
    assert (second.id, second.attempt) == ("whdel_2", None)


async def test_a_delivery_survives_a_strange_field() -> None:
    strange = {**DELIVERY, "error": {"code": "timeout"}, "attempt": "2 of 8", "created_at": 5}
    async with Stage(listed(strange)).client() as client:
        (delivery,) = (await client.webhooks.deliveries("whend_1")).data
    assert (delivery.status, delivery.response_status) == ("failed", 500)
    assert (delivery.error, delivery.attempt, delivery.created_at) == (None, None, None)


async def test_a_secret_survives_a_strange_field() -> None:
    told = {**ENDPOINT, "signing_secret": SECRET, "failure_count": {"row": 0}, "created_at": 5}
    async with Stage(httpx.Response(201, json=told)).client() as client:
        endpoint = await client.webhooks.create("https://example.com/")
    assert endpoint.signing_secret is not None
    assert (endpoint.signing_secret.get_secret_value(), endpoint.failure_count) == (SECRET, None)


def test_an_endpoint_needs_only_its_id() -> None:
    endpoint = WebhookEndpoint.model_validate({"id": "whend_1", "new": 1})
    assert (endpoint.signing_secret, endpoint.failure_count) == (None, None)
