"""Webhook endpoints and deliveries as the service answers them."""

from __future__ import annotations

from typing import Any

import httpx

SECRET = "whsec_fedcba9876543210"
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
