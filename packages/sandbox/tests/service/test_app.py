"""Routes, methods, request ids and internal errors."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import httpx
import pytest

from rivya_sandbox.service.serve import running
from support.sandbox_calls import calling, code, credits


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/generations/task_unknown",
        "/api/v1/generations/..%2f..%2fsandbox.sqlite",
        "/api/v1/generations/%00",
        "/api/v1/files/..%2fsandbox.sqlite",
        "/api/v1/chat/sessions/'%20OR%201=1--",
        "/media/results/..%2fsandbox.sqlite",
        "/media/files/..%2f..%2flock",
        "/media/files/%2e%2e/sandbox.sqlite",
        "/media/results/",
        "/api/v1/models/",
        "/api/v1/webhooks/whend_unknown",
        "/api/v1/webhooks/..%2f..%2fsecret.key/deliveries",
        "/media/files/..%2fsecret.key",
        "/",
    ],
)
def test_unknown_ids_paths_and_traversal_are_not_found(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, code(answer)) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "known"),
    [
        ("DELETE", "/api/v1/generations/task_1", "GET, HEAD"),
        ("TRACE", "/api/v1/generations/task_1", "GET, HEAD"),
        ("PUT", "/api/v1/webhooks", "GET, HEAD, POST"),
        ("OPTIONS", "/api/v1/webhooks/whend_1", "DELETE, GET, HEAD, PATCH"),
    ],
)
def test_a_wrong_method_is_answered_with_the_allowed_ones(
    client: httpx.Client, method: str, path: str, known: str
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, code(answer)) == (405, "not_found")
    assert answer.headers["Allow"] == known


def test_every_answer_has_a_request_id(client: httpx.Client) -> None:
    ids = {client.get("/api/v1/credits").headers["X-Request-Id"] for _ in range(2)}
    assert len(ids) == 2
    assert all(one.startswith("req_") for one in ids)


def test_an_internal_error_uses_the_error_envelope(tmp_path: Path) -> None:
    with running(tmp_path) as sandbox, calling(sandbox) as client:
        with contextlib.closing(sqlite3.connect(tmp_path / "sandbox.sqlite")) as state:
            state.execute("ALTER TABLE webhook_events RENAME TO lost")
        answer = client.get("/api/v1/webhook-events")
        assert (answer.status_code, code(answer)) == (500, "internal_error")
        assert "lost" not in answer.text
        assert credits(client) == 1000
