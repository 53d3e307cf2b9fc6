"""The sandbox's keys, scopes, accounts and limits, and the envelope of every refusal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from sandbox_calls import calling, code, credits, customer, ended, order, png, upload

from rivya_flows.sandbox import admin
from rivya_flows.sandbox.accounts import SCOPES
from rivya_flows.sandbox.errors import SandboxError
from rivya_flows.sandbox.serve import running
from rivya_flows.sandbox.site import Sandbox

ROUTES = [
    ("GET", "/api/v1/credits", "credits:read"),
    ("POST", "/api/v1/generations", "generations:create"),
    ("GET", "/api/v1/generations/task_1", "generations:read"),
    ("POST", "/api/v1/files", "files:create"),
    ("GET", "/api/v1/files/file_1", "files:read"),
    ("POST", "/api/v1/chat/completions", "chat:create"),
    ("GET", "/api/v1/chat/sessions", "chat:read"),
    ("GET", "/api/v1/chat/sessions/session_1", "chat:read"),
]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("access") / "data") as sandbox:
        yield sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with calling(sandbox) as client:
        yield client


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_every_route_but_the_models_asks_for_a_key_with_its_scope(
    sandbox: Sandbox, method: str, path: str, scope: str
) -> None:
    others = [name for name in SCOPES if name != scope]
    key = admin.create_key(sandbox.data, scopes=others)["api_key"]
    with httpx.Client(base_url=sandbox.base_url, verify=False) as client:
        for header in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}):
            missing = client.request(method, path, headers=header)
            assert (missing.status_code, code(missing)) == (401, "api_key_missing")
        invalid = client.request(method, path, headers={"Authorization": "Bearer rvya_sk_x"})
        assert (invalid.status_code, code(invalid)) == (401, "api_key_invalid")
        denied = client.request(method, path, headers={"Authorization": f"Bearer {key}"})
        assert (denied.status_code, code(denied)) == (403, "api_scope_denied")
        assert scope in denied.json()["error"]["message"]


def test_revoked_and_expired_keys_say_so_and_the_models_are_open_to_all(sandbox: Sandbox) -> None:
    revoked = admin.create_key(sandbox.data)
    expired = admin.create_key(sandbox.data, expires_in=-1)
    for key, said in ((revoked, "api_key_revoked"), (expired, "api_key_expired")):
        with calling(sandbox, key["api_key"]) as client:
            if key is revoked:
                assert client.get("/api/v1/credits").status_code == 200
                admin.revoke_key(sandbox.data, key["id"])
            answer = client.get("/api/v1/credits")
            assert (answer.status_code, code(answer)) == (401, said)
            models = client.get("/api/v1/models").json()
            assert models["object"] == "list"
            assert {"z-image", "gpt-5.4-codex-chat"} <= {model["id"] for model in models["data"]}


def test_another_account_sees_nothing_of_the_first(sandbox: Sandbox) -> None:
    chat = {"model": "gemini-2-5-flash-chat", "message": "Hello"}
    with customer(sandbox) as (owner, _), customer(sandbox) as (stranger, _):
        paths = [
            f"/api/v1/generations/{ended(owner, order(owner).json()['id'])['id']}",
            f"/api/v1/files/{upload(owner, png()).json()['id']}",
            "/api/v1/chat/sessions/"
            + owner.post("/api/v1/chat/completions", json=chat).json()["session_id"],
        ]
        for path in paths:
            assert owner.get(path).status_code == 200
            answer = stranger.get(path)
            assert (answer.status_code, code(answer)) == (404, "not_found")
        assert stranger.get("/api/v1/chat/sessions").json()["data"] == []
        assert credits(stranger) == 100


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


def test_other_methods_are_not_found(client: httpx.Client) -> None:
    answer = client.delete("/api/v1/generations/task_1")
    assert (answer.status_code, code(answer)) == (404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"model": "z-image", "prompt": NaN}',
        b'{"model": "z-image", "prompt": "\\ud800"}',
        b'{"model": "z-image", "prompt": 1e999}',
        b"[" * 100_000,
        b'{"model": "' + b"x" * 2**20 + b'"}',
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/generations", "/api/v1/chat/completions"])
def test_a_body_that_is_no_json_object_is_refused(
    client: httpx.Client, path: str, body: bytes
) -> None:
    answer = client.post(path, content=body)
    assert (answer.status_code, code(answer)) == (400, "validation_failed")


def test_every_answer_has_a_request_id(client: httpx.Client) -> None:
    ids = {client.get("/api/v1/credits").headers["X-Request-Id"] for _ in range(2)}
    assert len(ids) == 2
    assert all(one.startswith("req_") for one in ids)


def test_requests_over_the_limit_wait_for_the_next_minute(tmp_path: Path) -> None:
    now = [120.0]
    with (
        running(tmp_path, rate_limit=3, clock=lambda: now[0]) as sandbox,
        calling(sandbox) as client,
    ):
        answers = [client.get("/api/v1/credits") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert code(answers[3]) == "rate_limited"
        assert answers[3].headers["Retry-After"] == "60"
        other = admin.create_key(sandbox.data)["api_key"]
        with calling(sandbox, other) as second:
            assert second.get("/api/v1/credits").status_code == 200
        assert client.get("/api/v1/models").status_code == 200
        now[0] += 60
        assert client.get("/api/v1/credits").status_code == 200


def test_a_secret_is_shown_once_and_stored_nowhere(sandbox: Sandbox) -> None:
    key = admin.create_key(sandbox.data, account="shop", scopes=["credits:read"], expires_in=60)
    assert key["api_key"].startswith("rvya_sk_")
    assert key["api_key"].startswith(key["prefix"])
    assert key["scopes"] == ["credits:read"]
    listed = [
        one for one in admin.list_keys(sandbox.data, account="shop") if one["id"] == key["id"]
    ]
    assert listed[0]["expires_at"] == key["expires_at"]
    assert key["api_key"] not in str(admin.list_keys(sandbox.data))
    assert sandbox.api_key not in repr(sandbox)
    for path in sandbox.data.rglob("*"):
        if path.is_file():
            assert key["api_key"].encode() not in path.read_bytes()


def test_operators_are_told_what_they_got_wrong(sandbox: Sandbox, tmp_path: Path) -> None:
    wrong: list[Callable[[], object]] = [
        lambda: admin.create_key(sandbox.data, scopes=["everything"]),
        lambda: admin.revoke_key(sandbox.data, "key_unknown"),
        lambda: admin.list_keys(sandbox.data, account="nobody"),
        lambda: admin.add_credits(sandbox.data, 0),
        lambda: admin.ledger(sandbox.data, account="nobody"),
        lambda: admin.ledger(tmp_path / "nothing"),
        lambda: admin.set_faults(sandbox.data, "faults: [{on: generation, do: explode}]"),
        lambda: admin.set_faults(sandbox.data, "faults: [{on: generation, do: drop_before}]"),
        lambda: admin.set_faults(sandbox.data, "{"),
    ]
    for act in wrong:
        with pytest.raises(SandboxError):
            act()
    assert not (tmp_path / "nothing").exists()
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(SandboxError, match="cannot be used"), contextlib.ExitStack() as stack:
        stack.enter_context(running(blocked))
