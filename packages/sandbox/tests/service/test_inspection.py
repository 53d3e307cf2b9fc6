"""Truncated files and bombs."""

from __future__ import annotations

import io
import struct
import zlib

import httpx
from PIL import Image

from rivya_sandbox.renderers.plain import plain
from rivya_sandbox.renderers.request import RenderRequest
from support.sandbox_calls import code, png, upload, wav


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
