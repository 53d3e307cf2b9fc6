"""Webhook routes of several accounts."""

from __future__ import annotations

import httpx

from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import Receiver, code, customer, ended, order
from support.webhook_calls import URL, delivered, listen


def test_another_account_sees_no_endpoint_delivery_or_event(
    sandbox: Sandbox, client: httpx.Client, receiver: Receiver
) -> None:
    endpoint = listen(client, receiver.url)
    ended(client, order(client).json()["id"])
    receiver.wait(1)
    path = f"{URL}/{endpoint['id']}"
    with customer(sandbox) as (stranger, _):
        for method, below in [
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/rotate-secret"),
            ("POST", "/test"),
            ("GET", "/deliveries"),
        ]:
            answer = stranger.request(method, path + below, json={})
            assert (answer.status_code, code(answer)) == (404, "not_found")
        assert stranger.get(URL).json()["data"] == []
        assert stranger.get("/api/v1/webhook-events").json()["data"] == []
        listen(stranger, receiver.url)
    ended(client, order(client).json()["id"])
    assert {one.headers["x-rivya-delivery-id"] for one in receiver.wait(2)} == {
        one["id"] for one in delivered(client, endpoint, 2)
    }
