"""Uploads: checks, limits, storage, ownership, and links that expire."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from PIL import Image

from rivya_sandbox.renderers.plain import plain
from rivya_sandbox.renderers.request import RenderRequest
from rivya_sandbox.service import catalogue, files
from rivya_sandbox.service.errors import Refusal
from rivya_sandbox.service.links import Links
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.signatures import detect
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import calling, code, fetch, png, upload, wav

CATALOGUE = catalogue.packaged_catalogue()


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


def test_truncated_files_and_bombs_are_refused(client: httpx.Client) -> None:
    pictures = {}
    for form in ("PNG", "JPEG", "WEBP"):
        buffer = io.BytesIO()
        Image.effect_noise((64, 64), 50).convert("RGB").save(buffer, form)
        pictures[form] = buffer.getvalue()
        assert upload(client, pictures[form]).status_code == 201
    bomb = bytearray(png())
    bomb[16:24] = struct.pack(">II", 60_000, 60_000)
    bomb[29:33] = struct.pack(">I", zlib.crc32(bomb[12:29]))
    film = plain(RenderRequest("sora-2", "video", "x", {}, (), 1))[0].data
    assert upload(client, film, kind="video").status_code == 201
    refused = [
        *((content[:-20], "image") for content in pictures.values()),
        *((content[:40], "image") for content in pictures.values()),
        (bytes(bomb), "image"),
        (film[:-20], "video"),
        (film[:24], "video"),
        (film, "audio"),
        (film.replace(b"avc1", b"nope"), "video"),  # of a codec that nobody knows
        (wav()[:-20], "audio"),
        (b"ID3" + bytes(100), "audio"),
        (b"\0\0\0\x08ftyp" * 20_000, "video"),
    ]
    for content, kind in refused:
        answer = upload(client, content, kind=kind)
        assert (answer.status_code, code(answer)) == (400, "validation_failed"), content[:20]


@pytest.mark.parametrize(
    ("head", "mime_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0AVI ", None),
        (b"\0\0\0\x18ftypisom", "video/mp4"),
        (b"\0\0\0\x18ftypqt  ", "video/quicktime"),
        (b"\0\0\0\x18ftypM4A ", "audio/mp4"),
        (b"\0\0\0\x18ftypheic", None),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f\x42\x82\x84webm", "video/webm"),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x23\x42\x82\x88matroska", "video/x-matroska"),
        (b"OggS\0", "audio/ogg"),
        (b"\xff\xfb\x90\x44", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"\xff\xff\xff\xff", None),
        (b"GIF89a", None),
        (b"<svg xmlns", None),
        (b"", None),
    ],
)
def test_a_file_is_known_by_its_first_bytes(head: bytes, mime_type: str | None) -> None:
    assert detect(head) == mime_type


def links(now: float, *, secret: str = "secret", life: float | None = 20) -> Links:
    return Links("http://127.0.0.1:1", secret, life, lambda: now)


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def test_a_url_without_a_lifetime_has_no_query_and_never_expires() -> None:
    forever = links(0, life=None)
    assert forever.result("a.png") == "http://127.0.0.1:1/media/results/a.png"
    assert forever.is_good("a.png", {})


@pytest.mark.parametrize(("now", "good"), [(100, True), (119, True), (120, False)])
def test_a_url_works_until_its_lifetime_ends(now: float, good: bool) -> None:
    query = query_of(links(100).result("a.png"))
    assert links(now).is_good("a.png", query) is good


def test_a_signature_holds_for_one_name_one_time_and_one_secret() -> None:
    query = query_of(links(100).result("a.png"))
    assert not links(100).is_good("b.png", query)
    assert not links(100).is_good("a.png", query | {"expires": "999"})
    assert not links(100, secret="other").is_good("a.png", query)
    assert not links(100).is_good("a.png", {})
    assert not links(100).is_good("a.png", {"expires": "x", "signature": "ä"})
