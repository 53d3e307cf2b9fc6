"""Untrusted references are decoded or refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from rivya_sandbox.renderers.plain import plain
from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import Kind, ReferenceMedium, RenderRequest

pytestmark = pytest.mark.usefixtures("small_pictures")


def png_of(width: int, height: int) -> bytes:
    """A PNG that declares a size and contains almost nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        pytest.param("image", png_of(9000, 9000), id="large"),
        pytest.param("image", png_of(60000, 60000), id="bomb"),
        pytest.param("image", png_of(64, 64), id="cut short"),
        pytest.param("image", b"", id="empty"),
        pytest.param("image", b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="svg"),
        pytest.param("image", b"GIF89a" + b"\0" * 40, id="gif"),
        pytest.param("image", b"\xff\xd8\xff\xe0 no picture", id="broken jpeg"),
        pytest.param("video", b"ffconcat version 1.0\nfile /etc/hostname\n", id="playlist"),
        pytest.param("video", b"\0\0\0\x18ftypmp42" + b"\0" * 64, id="broken mp4"),
        pytest.param("video", b"", id="no video"),
    ],
)
def test_hostile_references_are_refused(tmp_path: Path, kind: Kind, content: bytes) -> None:
    path = tmp_path / "reference"
    path.write_bytes(content)
    reference = ReferenceMedium(kind, path, "image/png")
    with pytest.raises(ValueError, match=f"reference {kind}: not usable") as caught:
        render(RenderRequest("wan-2-6", "video", "x", {}, (reference,)))
    assert str(tmp_path) not in str(caught.value)


def test_a_missing_reference_is_refused(tmp_path: Path) -> None:
    reference = ReferenceMedium("image", tmp_path / "gone.png", "image/png")
    with pytest.raises(ValueError, match="not usable"):
        plain(RenderRequest("nano-banana-2", "image", "x", {}, (reference,)))
