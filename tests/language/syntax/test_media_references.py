"""References to media files: paths, URLs and ids of uploads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rivya_flows.language.syntax.media_references import kind_of, resolve, written_path


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("photos/lamp.PNG", "image"),
        ("https://example.com/a.mov?size=2#top", "video"),
        ("music.mp3", "audio"),
        ("notes.txt", None),
        ("https://example.com/", None),
    ],
)
def test_the_extension_gives_the_kind(text: str, kind: str | None) -> None:
    assert kind_of(text) == kind


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("a.png", "a.png"),
        ({"path": "a.png"}, "a.png"),
        ("https://example.com/a.png", None),
        ("${{ inputs.photo }}", None),
        ({"url": "https://example.com/a.png"}, None),
    ],
)
def test_a_written_path_is_not_computed_and_not_a_url(value: Any, path: str | None) -> None:
    assert written_path(value) == path


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("https://example.com/a.png", {"url": "https://example.com/a.png"}),
        ("file_abc", {"file_id": "file_abc"}),
        ({"file_id": "file_abc"}, {"file_id": "file_abc"}),
    ],
)
def test_a_url_and_an_id_need_no_folder(value: Any, found: dict[str, str]) -> None:
    assert resolve(value, kind="image", root=None, inside=True) == found


def test_a_path_is_resolved_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = resolve("a.png", kind="image", root=tmp_path, inside=True)
    assert found == {"path": str(tmp_path / "a.png")}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("../a.png", "outside the folder"),
        ("missing.png", "there is no file"),
        ("empty.png", "is empty"),
        ("notes.txt", "does not have the extension of an image file"),
        ("sound.mp3", "does not have the extension of an image file"),
        ("ftp://example.com/a.png", "is not an http"),
        (
            {"path": "a.png", "url": "https://example.com/a.png"},
            "must be a path, a URL or a file id",
        ),
        ("", "must be a path, a URL or a file id"),
        (5, "must be a path, a URL or a file id"),
    ],
)
def test_a_value_that_is_not_a_usable_file_is_refused(
    value: Any, message: str, tmp_path: Path
) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    for name in ("notes.txt", "sound.mp3"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ValueError, match=message):
        resolve(value, kind="image", root=tmp_path, inside=True)


@pytest.mark.parametrize(
    ("name", "kind", "content", "message"),
    [
        ("a.png", "image", b"This is a text.", "not an image file: its content is not that of a"),
        ("a.png", "image", b"\0\0\0\x18ftypisom", "not an image file: its content is video/mp4"),
        ("a.png", "image", b"\0\0\0\x18ftypheic", "not an image file: its content is image/heif"),
        ("a.mp4", "video", b"\x89PNG\r\n\x1a\n", "not a video file: its content is image/png"),
        ("a.mp3", None, b"This is a text.", "not a media file: its content is not that of a"),
    ],
)
def test_a_file_whose_content_is_of_another_kind_is_refused(
    name: str, kind: str | None, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        resolve(name, kind=kind, root=tmp_path, inside=True)


def test_a_film_container_may_hold_a_sound(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    assert resolve("a.mp4", kind="audio", root=tmp_path, inside=True)


def test_a_path_without_a_folder_is_refused() -> None:
    with pytest.raises(ValueError, match="not allowed here"):
        resolve("a.png", kind=None, root=None, inside=True)
