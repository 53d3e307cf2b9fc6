"""Uploads: checks, limits, storage and ownership."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from rivya_sandbox.service import catalogue, files
from rivya_sandbox.service.errors import Refusal
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import calling, code, fetch, png, upload, wav

CATALOGUE = catalogue.shipped()


@pytest.mark.parametrize(
    ("content", "fields", "said"),
    [
        (b"", {}, "empty"),
        (b"plain text", {}, "not a known"),
        (png(), {"kind": "video"}, "image/png"),
        (wav(), {"kind": "image"}, "audio/wav"),
        (png(), {"kind": "picture"}, "'kind'"),
        (png(), {"model": "nano"}, "nano"),
        (png(), {"model": "z-image"}, "z-image"),
        (png() + bytes(10 * 2**20), {}, "10485760"),
        (png(), {"client_request_id": "x" * 129}, "client_request_id"),
        (png(), {"modle": "nano-banana"}, "'modle'"),
    ],
)
def test_an_upload_of_a_wrong_type_or_size_is_refused(
    sandbox: Sandbox, client: httpx.Client, content: bytes, fields: dict[str, str], said: str
) -> None:
    before = set((sandbox.data / files.FOLDER).iterdir())
    answer = upload(client, content, **fields)
    assert (answer.status_code, code(answer)) == (400, "validation_failed")
    assert said in answer.json()["error"]["message"]
    assert set((sandbox.data / files.FOLDER).iterdir()) == before


def test_limits_are_those_of_the_model_when_it_is_named() -> None:
    assert files.limit(CATALOGUE, "image", None).max_bytes == 10 * 2**20
    assert files.limit(CATALOGUE, "image", "nano-banana-2").max_bytes == 30 * 2**20
    assert files.limit(CATALOGUE, "video", "happyhorse-1-0").max_bytes == 95 * 2**20
    assert "video/x-matroska" in files.limit(CATALOGUE, "video", "wan-2-6").mime_types
    with pytest.raises(Refusal):
        files.limit(CATALOGUE, "audio", "wan-2-6")


def test_files_outlive_a_restart_on_another_port(tmp_path: Path) -> None:
    with running(tmp_path) as first, calling(first) as client:
        file = upload(client, png()).json()
    with running(tmp_path) as second, calling(second) as client:
        now = client.get(f"/api/v1/files/{file['id']}").json()
        assert fetch(now["url"]).content == png()
        item = {"url": file["url"], "kind": "image"}
        body = {"model": "nano-banana", "prompt": "x", "params": {"referenceMediaItems": [item]}}
        assert client.post("/api/v1/generations", json=body).status_code == 202


def test_partial_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    with running(tmp_path) as sandbox, calling(sandbox) as client:
        url = upload(client, png()).json()["url"]
    halves = [tmp_path / folder / "name.png.part" for folder in ("files", "results")]
    for half in halves:
        half.write_bytes(b"half")
    with running(tmp_path) as sandbox:
        assert fetch(sandbox.base_url + urlsplit(url).path).status_code == 200
    assert not any(half.exists() for half in halves)
