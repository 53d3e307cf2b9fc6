"""Webhook endpoints: their secrets, their changes, their owners."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import httpx

from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import Receiver, calling, code, customer, ended, order
from support.webhook_calls import URL, delivered, listen

PUBLIC = "https://hooks.example.com/rivya"


def test_an_endpoint_shows_its_secret_once(client: httpx.Client) -> None:
    created = listen(client, PUBLIC, name="Shop", event_types=["generation.failed"])
    secret = created.pop("signing_secret")
    assert secret.startswith("whsec_")
    assert created["secret_preview"] == f"{secret[:8]}...{secret[-6:]}"
    assert created["id"].startswith("whend_")
    expected = {
        "object": "webhook_endpoint",
        "name": "Shop",
        "url": PUBLIC,
        "event_types": ["generation.failed"],
        "status": "active",
        "last_success_at": None,
        "last_failure_at": None,
        "failure_count": 0,
        "disabled_at": None,
        "revoked_at": None,
    }
    assert created.items() >= expected.items()
    assert client.get(f"{URL}/{created['id']}").json() == created
    other = listen(client, PUBLIC)
    assert other["event_types"] == ["generation.succeeded", "generation.failed"]
    listed = client.get(URL).json()
    assert [one["id"] for one in listed["data"]] == [other["id"], created["id"]]


INVALID: list[dict[str, Any]] = [
    *({"secret": "x"}, {"status": "active"}, {"name": ""}, {"name": "x" * 101}),
    *({"event_types": types} for types in ([], ["chat.completed"], [["x"]])),
]
WRONG: list[tuple[Any, str]] = [
    ({}, "validation_failed"),
    ([], "validation_failed"),
    *(({"url": PUBLIC, **more}, "validation_failed") for more in INVALID),
    ({"url": 7}, "webhook_url_rejected"),
    ({"url": "https://10.0.0.1/"}, "webhook_url_rejected"),
]


def test_wrong_endpoints_are_refused(client: httpx.Client) -> None:
    for body, said in WRONG:
        answer = client.post(URL, json=body)
        assert (answer.status_code, code(answer)) == (400, said), body
    assert client.get(URL).json()["data"] == []


def test_an_account_has_at_most_twenty_endpoints(client: httpx.Client) -> None:
    for _ in range(20):
        listen(client, PUBLIC)
    assert code(client.post(URL, json={"url": PUBLIC})) == "validation_failed"


def test_local_receivers_are_refused_by_default(tmp_path: Path, receiver: Receiver) -> None:
    with running(tmp_path, allow_local_webhooks=True) as sandbox, calling(sandbox) as client:
        endpoint = listen(client, receiver.url)
    with running(tmp_path) as sandbox, calling(sandbox) as client:
        assert code(client.post(URL, json={"url": receiver.url})) == "webhook_url_rejected"
        change = client.patch(f"{URL}/{endpoint['id']}", json={"url": "https://localhost/"})
        assert code(change) == "webhook_url_rejected"
        ended(client, order(client).json()["id"])
        (failed,) = delivered(client, endpoint, 1)
    assert failed["status"] == "failed"
    assert receiver.received == []


def test_an_endpoint_can_be_changed_rotated_and_removed(
    client: httpx.Client, receiver: Receiver
) -> None:
    endpoint = listen(client, PUBLIC)
    path = f"{URL}/{endpoint['id']}"
    changed = client.patch(path, json={"name": "New", "url": receiver.url}).json()
    assert (changed["name"], changed["url"]) == ("New", receiver.url)
    assert code(client.patch(path, json={"status": "revoked"})) == "validation_failed"
    rotated = client.post(f"{path}/rotate-secret").json()
    assert rotated["signing_secret"] != endpoint["signing_secret"]
    assert rotated["secret_preview"] != endpoint["secret_preview"]
    tested = client.post(f"{path}/test", json={"event_type": "generation.failed"})
    assert tested.json()["status"] == "pending"
    (received,) = receiver.wait(1)
    assert received.is_signed_with(rotated["signing_secret"])
    assert not received.is_signed_with(endpoint["signing_secret"])
    assert received.event["data"]["id"].startswith("task_test_")
    assert received.event["type"] == "generation.failed"
    assert code(client.post(f"{path}/test", json={"event_type": "x"})) == "validation_failed"
    assert client.patch(path, json={"status": "disabled"}).json()["status"] == "disabled"
    removed = client.delete(path).json()
    assert removed["status"] == "revoked"
    assert removed["revoked_at"]
    for answer in (client.get(path), client.delete(path), client.get(f"{path}/deliveries")):
        assert (answer.status_code, code(answer)) == (404, "not_found")
    assert client.get(URL).json()["data"] == []


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


def test_the_data_folder_contains_no_key_and_no_webhook_secret(
    sandbox: Sandbox, client: httpx.Client, receiver: Receiver
) -> None:
    endpoint = listen(client, receiver.url)
    rotated = client.post(f"{URL}/{endpoint['id']}/rotate-secret").json()
    client.post(f"{URL}/{endpoint['id']}/test")
    receiver.wait(1)
    secrets = [endpoint["signing_secret"], rotated["signing_secret"], sandbox.api_key]
    own = sandbox.data / "secret.key"
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    secrets.append(own.read_text())
    for path in sandbox.data.rglob("*"):
        if path.is_file() and path != own:
            content = path.read_bytes()
            for secret in secrets:
                assert secret.removeprefix("whsec_").encode() not in content
