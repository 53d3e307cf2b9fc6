"""Malicious bodies, malformed HTTP, unknown routes: refused early, in JSON, with constant memory."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.datastructures import Headers

from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import PATIENCE, calling, code, credits, png, process

MIB = 2**20
JSON_PATHS = [
    *("/api/v1/generations", "/api/v1/chat/completions", "/api/v1/chat/completions/stream"),
    "/api/v1/webhooks",
]


class Endless:
    """An endless body that counts how much was read."""

    def __init__(self, start: bytes = b"") -> None:
        self.start = start
        self.taken = 0

    def __iter__(self) -> Iterator[bytes]:
        yield self.start
        while True:
            self.taken += 2**16
            assert self.taken < 256 * MIB
            yield b"x" * 2**16


FORM = (
    b'--cut\r\nContent-Disposition: form-data; name="kind"\r\n\r\nvideo\r\n'
    b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
)
HALF = (
    b'--cut\r\nContent-Disposition: form-data; name="client_request_id"\r\n\r\n%s\r\n'
    b'--cut\r\nContent-Disposition: form-data; name="kind"\r\n\r\nimage\r\n'
    b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    + png().replace(b"%", b"%%")
    + b"\r\n--cut--"
)
NOT_TEXT = b"--cut\r\n\r\n\xff\r\n--cut--"
NO_NAMES = b'--cut\r\nContent-Disposition: form-data; name="kind"\r\n\r\n\xff\xfe\r\n'
JSON_TYPE = {"Content-Type": "application/json"}
FORM_TYPE = {"Content-Type": "multipart/form-data; boundary=cut"}


def test_an_upload_that_declares_2_gb_is_refused_before_it_is_sent(client: httpx.Client) -> None:
    body = Endless(FORM)
    headers = {**FORM_TYPE, "Content-Length": str(2 * 2**30)}
    answer = client.post("/api/v1/files", content=iter(body), headers=headers)
    assert (answer.status_code, code(answer)) == (400, "validation_failed")
    assert body.taken < 32 * MIB  # what fits between two sockets


def test_an_endless_upload_is_refused_early_also_with_faults(tmp_path: Path) -> None:
    ordered = "faults: [{on: POST /api/v1/files, do: delay, seconds: 0}]"
    body = Endless(FORM)
    with running(tmp_path, faults=ordered) as sandbox, calling(sandbox, "rvya_sk_no") as client:
        answer = client.post("/api/v1/files", content=iter(body), headers=FORM_TYPE)
    assert (answer.status_code, code(answer)) == (401, "api_key_invalid")
    assert body.taken < 32 * MIB


@pytest.mark.parametrize("path", JSON_PATHS)
def test_an_endless_json_body_is_refused_early(client: httpx.Client, path: str) -> None:
    body = Endless(b'{"model": "')
    answer = client.post(path, content=iter(body), headers=JSON_TYPE)
    assert (answer.status_code, code(answer)) == (400, "validation_failed")
    assert body.taken < 32 * MIB


def test_a_request_without_a_key_is_refused_before_its_body(sandbox: Sandbox) -> None:
    body = Endless(FORM)
    with httpx.Client(base_url=sandbox.base_url, verify=False, timeout=PATIENCE) as nobody:
        answer = nobody.post("/api/v1/files", content=iter(body), headers=FORM_TYPE)
    assert (answer.status_code, code(answer)) == (401, "api_key_missing")
    assert body.taken < 32 * MIB


def test_an_endless_upload_takes_no_memory(tmp_path: Path) -> None:
    body = Endless(FORM)
    with process(tmp_path) as (sandbox, child), calling(sandbox) as client:
        client.get("/api/v1/models")
        before = _most_memory(child.pid)
        answer = client.post("/api/v1/files", content=iter(body), headers=FORM_TYPE)
        after = _most_memory(child.pid)
        assert (answer.status_code, code(answer)) == (400, "validation_failed")
        assert client.get("/api/v1/credits").status_code == 200
    assert body.taken < 160 * MIB  # the largest file of any model, and what is on the way
    assert after - before < 32 * MIB
    assert not list((tmp_path / "files").iterdir())


def _most_memory(pid: int) -> int:
    """The peak memory of a process in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


NO_OBJECTS = [
    *(b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 50_000),
    b'{"model": "z-image", "prompt": NaN}',
    b'{"model": "z-image", "prompt": "\\ud800"}',
    b'{"model": "z-image", "prompt": 1e999}',
    b'{"model": "z-image", "seed": ' + b"9" * 5000 + b"}",
    b'{"model": "qwen2-image", "prompt": "x", "params": {"seed": ' + b"9" * 400 + b"}}",
    b'{"model": "' + b"x" * MIB + b'"}',
]


@pytest.mark.parametrize("path", JSON_PATHS)
def test_a_body_that_is_not_a_json_object_is_refused(client: httpx.Client, path: str) -> None:
    for body in NO_OBJECTS:
        answer = client.post(path, content=body, headers=JSON_TYPE)
        assert (answer.status_code, code(answer)) == (400, "validation_failed"), body[:60]
        assert "Content-Type" not in answer.text


@pytest.mark.parametrize("path", JSON_PATHS)
def test_a_body_that_is_not_sent_as_json_is_refused(client: httpx.Client, path: str) -> None:
    body = b'{"model": "z-image", "prompt": "x"}'
    for told in ("", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"):
        answer = client.post(path, content=body, headers={"Content-Type": told} if told else {})
        assert (answer.status_code, code(answer)) == (400, "validation_failed"), told
        assert "Content-Type" in answer.text


def test_a_compressed_body_is_refused_without_decompression(client: httpx.Client) -> None:
    body = gzip.compress(b'{"model": "z-image", "prompt": "x"}')
    for coding in ("gzip", "gzip, gzip", "br"):
        headers = {**JSON_TYPE, "Content-Encoding": coding}
        answer = client.post("/api/v1/generations", content=body, headers=headers)
        assert (answer.status_code, code(answer)) == (400, "validation_failed")
        assert "Content-Encoding" in answer.text


def test_a_test_event_accepts_an_object_or_no_body(client: httpx.Client) -> None:
    hook = client.post("/api/v1/webhooks", json={"url": "https://example.com/"}).json()
    path = f"/api/v1/webhooks/{hook['id']}/test"
    for body in (b"null", b"[]", b"0", b'""', b"false"):
        answer = client.post(path, content=body, headers=JSON_TYPE)
        assert (answer.status_code, code(answer)) == (400, "validation_failed"), body
    assert client.post(path).status_code == 202
    assert client.post(path, json={}).status_code == 202


def test_a_content_type_may_name_its_charset(client: httpx.Client) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    body = b'{"model": "z-image", "prompt": "x"}'
    assert client.post("/api/v1/generations", content=body, headers=headers).status_code == 202


WRONG_FORMS = [
    ("application/json", b"{}"),
    ("multipart/form-data", b"x"),
    ("multipart/form-data; boundary=", b"x"),
    ("multipart/form-data; boundary=" + "b" * 5000, b"x"),
    *(
        ("multipart/form-data; boundary=cut", body)
        for body in (b"x", FORM, NOT_TEXT, NO_NAMES * 30 + b"--cut--")
    ),
    *(
        (f"multipart/form-data; boundary=cut; charset={charset}", FORM + b"\r\n--cut--")
        for charset in ("nothing", "undefined", "punycode")
    ),
    # Charsets that can spell half a character.
    ("multipart/form-data; boundary=cut; charset=utf-7", HALF % b"+2AA-"),
    ("multipart/form-data; boundary=cut; charset=unicode_escape", HALF % rb"\ud800"),
]


def test_a_form_that_cannot_be_read_is_refused(client: httpx.Client) -> None:
    for content_type, body in WRONG_FORMS:
        answer = client.post("/api/v1/files", content=body, headers={"Content-Type": content_type})
        assert (answer.status_code, code(answer)) == (400, "validation_failed"), content_type


def test_a_file_name_is_only_a_name(client: httpx.Client) -> None:
    for name in ("../../etc/passwd", "a\r\nX-Injected: 1.png", "..\\..\\a.png", "\x00", ""):
        files = {"file": (name or "x", png())}
        stored = client.post("/api/v1/files", files=files, data={"kind": "image"})
        assert stored.status_code == 201
        assert not {"/", "\\", "\r", "\n", "\x00"} & set(stored.json()["name"])
        assert "x-injected" not in stored.headers


def test_a_connection_whose_request_has_two_lengths_is_closed_after_it(sandbox: Sandbox) -> None:
    head = b"GET /api/v1/models HTTP/1.1\r\nHost: x\r\n"
    both = head + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    where = urlsplit(sandbox.base_url)
    with socket.create_connection((where.hostname, where.port), timeout=PATIENCE) as connection:
        connection.sendall(both + head + b"\r\n")
        came = b""
        while piece := connection.recv(2**16):
            came += piece
    assert came.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "request_head",
    [
        b"nonsense\r\n\r\n",
        b"GET /api/v1/models HTTP/1.1\r\n\r\n",  # no Host
        b"GET /api/v1/models HTTP/1.1\r\nHost: x\r\nIdempotency-Key: a\x00b\r\n\r\n",
        b"GET /api/v1/models HTTP/1.1\r\nHost: x\r\nBad Header: a\r\n\r\n",
        b"POST /api/v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /api/v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 9" + b"9" * 30 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 2**18 + b"\r\n\r\n",
    ],
    ids=range(8),
)
def test_malformed_http_is_refused_in_json(sandbox: Sandbox, request_head: bytes) -> None:
    where = urlsplit(sandbox.base_url)
    with socket.create_connection((where.hostname, where.port), timeout=PATIENCE) as connection:
        connection.sendall(request_head)
        head, _, body = _all(connection).partition(b"\r\n\r\n")
    status, _, lines = head.decode().partition("\r\n")
    headers = Headers(dict(line.split(": ", 1) for line in lines.split("\r\n")))
    assert status.startswith("HTTP/1.1 4")
    assert headers["content-type"] == "application/json"
    assert json.loads(body)["error"]["requestId"] == headers["x-request-id"]


def _all(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(2**16):
        received += chunk
        head, cut, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        if cut and length is not None and len(body) >= int(length[1]):
            break
    return received


UNKNOWN_PATHS = """
/
/api/v1/models/
/api/v1/generations/task_unknown
/api/v1/generations/..%2f..%2fsandbox.sqlite
/api/v1/generations/%00
/api/v1/files/..%2fsandbox.sqlite
/api/v1/chat/sessions/'%20OR%201=1--
/api/v1/webhooks/whend_unknown
/api/v1/webhooks/..%2f..%2fsecret.key/deliveries
/media/results/
/media/results/..%2fsandbox.sqlite
/media/files/..%2f..%2flock
/media/files/..%2fsecret.key
/media/files/%2e%2e/sandbox.sqlite
"""


def test_unknown_ids_paths_and_traversal_are_not_found(client: httpx.Client) -> None:
    for path in UNKNOWN_PATHS.split():
        answer = client.get(path)
        assert (answer.status_code, code(answer)) == (404, "not_found"), path


def test_a_wrong_method_is_answered_with_the_allowed_ones(client: httpx.Client) -> None:
    for method, path, known in (
        ("DELETE", "/api/v1/generations/task_1", "GET, HEAD"),
        ("TRACE", "/api/v1/generations/task_1", "GET, HEAD"),
        ("PUT", "/api/v1/webhooks", "GET, HEAD, POST"),
        ("OPTIONS", "/api/v1/webhooks/whend_1", "DELETE, GET, HEAD, PATCH"),
    ):
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
