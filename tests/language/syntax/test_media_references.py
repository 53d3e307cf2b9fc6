"""References to media files: paths, URLs and ids of uploads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rivya_flows.language.syntax.media_references import kind_of, resolve, written_path

PNG, MP4 = b"\x89PNG\r\n\x1a\n", b"\0\0\0\x18ftypisom"
URL = "https://example.com/a.png"


def test_the_extension_gives_the_kind() -> None:
    kinds = {"photos/lamp.PNG": "image", "https://example.com/a.mov?size=2#top": "video",
             "music.mp3": "audio", "notes.txt": None, "https://example.com/": None}  # fmt: skip
    assert {text: kind_of(text) for text in kinds} == kinds


def test_a_written_path_is_not_computed_and_not_a_url() -> None:
    assert written_path("a.png") == written_path({"path": "a.png"}) == "a.png"
    for value in (URL, "${{ inputs.photo }}", {"url": URL}):
        assert written_path(value) is None


def test_a_url_and_an_id_need_no_folder_and_a_path_is_resolved_in_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "a.mp4").write_bytes(MP4)
    of_id = {"file_id": "file_abc"}
    for value, found in ((URL, {"url": URL}), ("file_abc", of_id), (of_id, of_id)):
        assert resolve(value, kind="image", root=None, inside=True) == found
    found = resolve("a.png", kind="image", root=tmp_path, inside=True)
    assert found == {"path": str(tmp_path / "a.png")}
    # The container of a film may hold a sound.
    assert resolve("a.mp4", kind="audio", root=tmp_path, inside=True)
    with pytest.raises(ValueError, match="not allowed here"):
        resolve("a.png", kind=None, root=None, inside=True)


@pytest.mark.parametrize(
    ("value", "kind", "content", "message"),
    [
        ("../a.png", "image", b"x", "outside the folder"),
        ("missing.png", "image", None, "there is no file"),
        ("empty.png", "image", b"", "is empty"),
        ("notes.txt", "image", b"x", "does not have the extension of an image file"),
        ("sound.mp3", "image", b"x", "does not have the extension of an image file"),
        ("ftp://example.com/a.png", "image", None, "is not an http"),
        ({"path": "a.png", "url": URL}, "image", None, "must be a path, a URL or a file id"),
        ("", "image", None, "must be a path, a URL or a file id"),
        (5, "image", None, "must be a path, a URL or a file id"),
        ("a.png", "image", b"This is a text.", "not an image file: its content is not that of a"),
        ("a.png", "image", MP4, "not an image file: its content is video/mp4"),
        ("a.png", "image", b"\0\0\0\x18ftypheic", "not an image file: its content is image/heif"),
        ("a.mp4", "video", PNG, "not a video file: its content is image/png"),
        ("a.mp3", None, b"This is a text.", "not a media file: its content is not that of a"),
    ],
)
def test_a_value_that_is_not_a_usable_file_is_refused(
    value: Any, kind: str | None, content: bytes | None, message: str, tmp_path: Path
) -> None:
    (tmp_path / "specs").mkdir()
    if content is not None:
        (tmp_path / "specs" / value).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        resolve(value, kind=kind, root=tmp_path / "specs", inside=True)
