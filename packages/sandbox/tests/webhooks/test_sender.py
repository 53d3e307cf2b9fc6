"""Deliveries across a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rivya_sandbox.service import admin
from rivya_sandbox.service.serve import running
from support.sandbox_calls import Receiver, calling, ended, order, until
from support.webhook_calls import listen


def test_deliveries_of_a_stopped_server_are_sent_by_the_next(
    tmp_path: Path, receiver: Receiver
) -> None:
    late = "faults: [{on: webhook, do: delay, seconds: 3600, times: 1}]"
    options: dict[str, Any] = {"allow_local_webhooks": True}
    with running(tmp_path, faults=late, **options) as sandbox, calling(sandbox) as client:
        endpoint = listen(client, receiver.url)
        job = ended(client, order(client).json()["id"])
        until(lambda: admin.list_faults(tmp_path)[0]["used"] or None)
    assert receiver.received == []
    with running(tmp_path, **options):
        (received,) = receiver.wait(1)
    assert received.event["data"]["id"] == job["id"]
    assert received.is_signed_with(endpoint["signing_secret"])
