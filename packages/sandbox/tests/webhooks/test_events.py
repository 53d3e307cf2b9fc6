"""Events and their deliveries: signed, tried again, across a restart."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from rivya_sandbox.service import accounts, admin
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.options import FRIENDLY
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from rivya_sandbox.webhooks import endpoints, events as webhook_events
from support.sandbox_calls import Receiver, calling, code, ended, order, until
from support.webhook_calls import URL, delivered, deliveries, listen

PUBLIC = "https://hooks.example.com/rivya"


def test_a_finished_job_sends_a_signed_event(client: httpx.Client, receiver: Receiver) -> None:
    endpoint = listen(client, receiver.url + "/hook")
    job = ended(client, order(client).json()["id"])
    (received,) = receiver.wait(1)
    assert received.path == "/hook"
    assert received.is_signed_with(endpoint["signing_secret"])
    event, headers = received.event, received.headers
    assert event["data"] == job
    assert (event["type"], event["api_version"]) == ("generation.succeeded", "2026-05-11")
    assert headers["content-type"] == "application/json"
    assert headers["x-rivya-event-id"] == event["id"]
    assert headers["x-rivya-event-type"] == event["type"]
    (delivery,) = delivered(client, endpoint, 1)
    expected = {
        "id": headers["x-rivya-delivery-id"],
        "object": "webhook_delivery",
        "endpoint_id": endpoint["id"],
        "event_id": event["id"],
        "event_type": "generation.succeeded",
        "status": "succeeded",
        "attempt": 1,
        "response_status": 204,
        "error": None,
        "next_attempt_at": None,
    }
    assert delivery.items() >= expected.items()
    assert delivery["delivered_at"]
    (listed,) = client.get("/api/v1/webhook-events").json()["data"]
    assert listed == {"object": "webhook_event", **event}
    assert client.get(f"{URL}/{endpoint['id']}").json()["last_success_at"]


def test_only_subscribed_events_are_sent(
    sandbox: Sandbox, client: httpx.Client, receiver: Receiver
) -> None:
    failures = listen(client, receiver.url, event_types=["generation.failed"])
    ended(client, order(client).json()["id"])
    admin.set_faults(sandbox.data, "faults: [{on: generation, do: fail, times: 1}]")
    job = ended(client, order(client).json()["id"])
    (received,) = receiver.wait(1)
    assert (received.event["type"], received.event["data"]) == ("generation.failed", job)
    assert len(delivered(client, failures, 1)) == 1
    events = client.get("/api/v1/webhook-events").json()["data"]
    assert [event["type"] for event in events] == ["generation.failed", "generation.succeeded"]


def test_anything_but_2xx_is_tried_again_with_the_same_event(
    client: httpx.Client, receiver: Receiver
) -> None:
    receiver.statuses = [500, 302, 404]
    endpoint = listen(client, receiver.url)
    ended(client, order(client).json()["id"])
    received = receiver.wait(4)
    assert len({(one.body, one.headers["x-rivya-delivery-id"]) for one in received}) == 1
    (delivery,) = delivered(client, endpoint, 1)
    assert (delivery["status"], delivery["attempt"]) == ("succeeded", 4)
    endpoint = client.get(f"{URL}/{endpoint['id']}").json()
    assert endpoint["failure_count"] == 0
    assert endpoint["last_failure_at"]


def test_after_eight_attempts_a_delivery_has_failed(
    client: httpx.Client, receiver: Receiver
) -> None:
    receiver.statuses = [503] * 8
    endpoint = listen(client, receiver.url)
    ended(client, order(client).json()["id"])
    (delivery,) = delivered(client, endpoint, 1)
    assert (delivery["status"], delivery["attempt"]) == ("failed", 8)
    assert (delivery["response_status"], delivery["error"]) == (503, "The receiver answered 503.")
    assert client.get(f"{URL}/{endpoint['id']}").json()["failure_count"] == 1


@pytest.mark.parametrize("time_scale", [1, 0.02])
def test_attempts_fall_at_growing_scaled_distances(tmp_path: Path, time_scale: float) -> None:
    failed = webhook_events.AttemptOutcome(503, "The receiver answered 503.")
    now, moments = 1e9, []
    with contextlib.closing(Database(tmp_path)) as database:
        with database.transaction() as transaction:
            account_id = accounts.account(transaction, "a", now=now)
            asked = endpoints.EndpointChanges(None, PUBLIC, None, None)
            endpoints.create(transaction, asked, account_id=account_id, server_secret="s", now=now)
            (delivery_id,) = webhook_events.emit(
                transaction,
                "generation.succeeded",
                {"model": "z-image"},
                account_id=account_id,
                profile=FRIENDLY,
                now=now,
            )
        while (delivery := webhook_events.pending(database, delivery_id)) is not None:
            now = delivery.next_attempt_at
            moments.append((now - 1e9) / time_scale)
            with database.transaction() as transaction:
                webhook_events.note(transaction, delivery, failed, time_scale=time_scale, now=now)
    hours = [moment / 3600 for moment in moments]
    assert hours == pytest.approx([0, 1 / 120, 1 / 30, 1 / 6, 1, 3, 6, 12], rel=0.11, abs=1e-6)


def test_twenty_failed_deliveries_disable_an_endpoint_until_it_is_active_again(
    sandbox: Sandbox, client: httpx.Client, receiver: Receiver
) -> None:
    endpoint = listen(client, receiver.url)
    path = f"{URL}/{endpoint['id']}"
    receiver.statuses = [500] * 20
    for _ in range(20):
        assert client.post(f"{path}/test").status_code == 202
    assert {one["status"] for one in delivered(client, endpoint, 20)} == {"failed"}
    disabled = client.get(path).json()
    assert (disabled["status"], disabled["failure_count"]) == ("disabled", 20)
    assert disabled["disabled_at"]
    assert code(client.post(f"{path}/test")) == "validation_failed"
    ended(client, order(client).json()["id"])
    assert len(deliveries(client, endpoint)) == 20
    active = client.patch(path, json={"status": "active"}).json()
    assert (active["status"], active["failure_count"], active["disabled_at"]) == ("active", 0, None)
    ended(client, order(client).json()["id"])
    receiver.wait(21)
    assert delivered(client, endpoint, 21)[0]["status"] == "succeeded"


@pytest.mark.parametrize(
    ("fault", "arrivals", "end"),
    [
        ("do: drop_before", 0, ("failed", 1, None)),
        ("do: status, status: 503, times: 2", 1, ("succeeded", 3, 204)),
        ("do: double", 2, ("succeeded", 1, 204)),
        ("do: drop_after_commit, times: 1", 2, ("succeeded", 2, 204)),
        ("do: delay, seconds: 0.01, times: 1", 1, ("succeeded", 1, 204)),
        ("do: shuffle, seconds: 0.01, times: 1", 1, ("succeeded", 1, 204)),
        ("do: drop_before, model: nano-banana", 1, ("succeeded", 1, 204)),
    ],
)
def test_injected_faults_lose_double_or_delay_webhooks(
    sandbox: Sandbox,
    client: httpx.Client,
    receiver: Receiver,
    fault: str,
    arrivals: int,
    end: tuple[Any, ...],
) -> None:
    admin.set_faults(sandbox.data, f"faults: [{{on: webhook, {fault}}}]")
    endpoint = listen(client, receiver.url)
    ended(client, order(client).json()["id"])
    (delivery,) = delivered(client, endpoint, 1)
    assert (delivery["status"], delivery["attempt"], delivery["response_status"]) == end
    assert len(receiver.received) == arrivals


def test_the_next_event_overtakes_a_shuffled_one(
    sandbox: Sandbox, client: httpx.Client, receiver: Receiver
) -> None:
    admin.set_faults(sandbox.data, "faults: [{on: webhook, do: shuffle, seconds: 60, times: 1}]")
    listen(client, receiver.url)
    jobs = [ended(client, order(client).json()["id"])["id"] for _ in range(2)]
    assert [one.event["data"]["id"] for one in receiver.wait(2)] == jobs[::-1]


def test_an_event_of_a_hostile_service_has_the_generation_in_another_field(
    tmp_path: Path, receiver: Receiver
) -> None:
    with (
        running(tmp_path, profile="hostile", allow_local_webhooks=True) as sandbox,
        calling(sandbox) as client,
    ):
        assert client.post(URL, json={"url": receiver.url}).status_code == 200
        job = order(client).json()["id"]
        (received,) = receiver.wait(1)
    assert received.event["generation"]["id"] == job
    assert received.event["schema_revision"] == 7


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
