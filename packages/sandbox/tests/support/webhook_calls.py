"""Calls of the webhook routes."""

from __future__ import annotations

from typing import Any

import httpx

from support.sandbox_calls import until

URL = "/api/v1/webhooks"


def listen(client: httpx.Client, url: str, **fields: Any) -> dict[str, Any]:
    created = client.post(URL, json={"url": url, **fields})
    assert created.status_code == 201
    endpoint: dict[str, Any] = created.json()
    return endpoint


def deliveries(client: httpx.Client, endpoint: dict[str, Any]) -> list[dict[str, Any]]:
    listed = client.get(f"{URL}/{endpoint['id']}/deliveries").json()
    assert listed["object"] == "list"
    found: list[dict[str, Any]] = listed["data"]
    return found


def delivered(client: httpx.Client, endpoint: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Wait until a number of deliveries of an endpoint have ended."""

    def found() -> list[dict[str, Any]] | None:
        listed = deliveries(client, endpoint)
        over = [one for one in listed if one["status"] != "pending"]
        return listed if len(over) >= count else None

    return until(found)
