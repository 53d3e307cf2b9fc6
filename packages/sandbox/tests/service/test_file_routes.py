"""Uploads and media over HTTP."""

from __future__ import annotations

import httpx

from rivya_sandbox.service import files
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import code, fetch, png, upload, wav


def test_an_upload_is_answered_read_and_served_alike(client: httpx.Client) -> None:
    created = upload(client, png(), model="nano-banana", client_request_id="ref-1")
    assert created.status_code == 201
    file = created.json()
    assert (file["kind"], file["mime_type"], file["size_bytes"]) == (
        "image",
        "image/png",
        len(png()),
    )
    assert (file["model"], file["client_request_id"]) == ("nano-banana", "ref-1")
    assert (file["duration_seconds"], file["duration_token"]) == (None, None)
    assert client.get(f"/api/v1/files/{file['id']}").json() == file
    served = fetch(file["url"])
    assert (served.content, served.headers["Content-Type"]) == (png(), "image/png")


def test_a_sound_comes_with_its_length_and_a_token_of_its_own(client: httpx.Client) -> None:
    first, second = (upload(client, wav(), "a.wav", kind="audio").json() for _ in range(2))
    assert first["duration_seconds"] == 0.5
    assert first["duration_token"] != second["duration_token"]


def test_a_form_must_be_a_form_with_one_file(client: httpx.Client) -> None:
    url = "/api/v1/files"
    multipart = {"Content-Type": "multipart/form-data; boundary=b"}
    answers = [
        client.post(url, json={"file": "a"}),
        client.post(url, content=b"x", headers={"Content-Type": "multipart/form-data"}),
        client.post(url, content=b"x", headers=multipart),
        client.post(url, data={"kind": "image"}),
        client.post(url, files={"file": (None, "text")}, data={"kind": "image"}),
        client.post(url, files={"file": ("a.png", png())}),
        client.post(url, files=[("file", ("a", png())), ("file", ("b", png()))]),
    ]
    for answer in answers:
        assert (answer.status_code, code(answer)) == (400, "validation_failed")


def test_file_names_are_only_labels(sandbox: Sandbox, client: httpx.Client) -> None:
    named = {"../../evil.png": "evil.png", "C:\\a\\b.png": "b.png", "हिन्दी.png": "हिन्दी.png"}
    for sent, kept in named.items():
        assert upload(client, png(), sent).json()["name"] == kept
    folder = sandbox.data / files.FOLDER
    assert all(path.parent == folder for path in folder.rglob("*"))
