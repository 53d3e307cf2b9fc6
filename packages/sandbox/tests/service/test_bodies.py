"""Malicious bodies: refused early, in JSON, with constant memory."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import PATIENCE, calling, code, png, process

MIB = 2**20

JSON_ROUTES = [
    ("POST", "/api/v1/generations"),
    ("POST", "/api/v1/chat/completions"),
    ("POST", "/api/v1/chat/completions/stream"),
    ("POST", "/api/v1/webhooks"),
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


@pytest.mark.parametrize(("method", "path"), JSON_ROUTES)
def test_an_endless_json_body_is_refused_early(
    client: httpx.Client, method: str, path: str
) -> None:
    body = Endless(b'{"model": "')
    answer = client.request(method, path, content=iter(body), headers=JSON_TYPE)
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
        b'{"model": "z-image", "seed": ' + b"9" * 5000 + b"}",
        b'{"model": "qwen2-image", "prompt": "x", "params": {"seed": ' + b"9" * 400 + b"}}",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"model": "' + b"x" * MIB + b'"}',
    ],
    ids=range(14),
)
@pytest.mark.parametrize(("method", "path"), JSON_ROUTES)
def test_a_body_that_is_not_a_json_object_is_refused(
    client: httpx.Client, method: str, path: str, body: bytes
) -> None:
    answer = client.request(method, path, content=body, headers=JSON_TYPE)
    assert (answer.status_code, code(answer)) == (400, "validation_failed")
    assert "Content-Type" not in answer.text


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"]
)
@pytest.mark.parametrize(("method", "path"), JSON_ROUTES)
def test_a_body_that_is_not_sent_as_json_is_refused(
    client: httpx.Client, method: str, path: str, content_type: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    body = b'{"model": "z-image", "prompt": "x"}'
    answer = client.request(method, path, content=body, headers=headers)
    assert (answer.status_code, code(answer)) == (400, "validation_failed")
    assert "Content-Type" in answer.text


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip", "br"])
def test_a_compressed_body_is_refused_without_decompression(
    client: httpx.Client, coding: str
) -> None:
    headers = {**JSON_TYPE, "Content-Encoding": coding}
    body = gzip.compress(b'{"model": "z-image", "prompt": "x"}')
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


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=", b"x"),
        ("multipart/form-data; boundary=cut", b"x"),
        ("multipart/form-data; boundary=cut", FORM),
        ("multipart/form-data; boundary=cut; charset=nothing", FORM + b"\r\n--cut--"),
        ("multipart/form-data; boundary=" + "b" * 5000, b"x"),
        ("multipart/form-data; boundary=cut; charset=undefined", FORM + b"\r\n--cut--"),
        ("multipart/form-data; boundary=cut; charset=punycode", FORM + b"\r\n--cut--"),
        # Charsets that can spell half a character.
        ("multipart/form-data; boundary=cut; charset=utf-7", HALF % b"+2AA-"),
        ("multipart/form-data; boundary=cut; charset=unicode_escape", HALF % rb"\ud800"),
        ("application/json", b"{}"),
        ("multipart/form-data; boundary=cut", b"--cut\r\n\r\n\xff\r\n--cut--"),
        (
            "multipart/form-data; boundary=cut",
            b'--cut\r\nContent-Disposition: form-data; name="kind"\r\n\r\n\xff\xfe\r\n' * 30
            + b"--cut--",
        ),
    ],
    ids=range(13),
)
def test_a_form_that_cannot_be_read_is_refused(
    client: httpx.Client, content_type: str, body: bytes
) -> None:
    answer = client.post("/api/v1/files", content=body, headers={"Content-Type": content_type})
    assert (answer.status_code, code(answer)) == (400, "validation_failed")


def test_a_file_name_is_only_a_name(client: httpx.Client) -> None:
    for name in ("../../etc/passwd", "a\r\nX-Injected: 1.png", "..\\..\\a.png", "\x00", ""):
        files = {"file": (name or "x", png())}
        stored = client.post("/api/v1/files", files=files, data={"kind": "image"})
        assert stored.status_code == 201
        assert not {"/", "\\", "\r", "\n", "\x00"} & set(stored.json()["name"])
        assert "x-injected" not in stored.headers
