"""Answers about webhooks as models: what is found, and what is tolerated."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from rivya_flows.client.types import SigningSecret, WebhookEndpoint
from support.api_stage import Stage
from support.webhook_objects import DELIVERY, ENDPOINT, SECRET, listed


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
