"""MIME types by signature and by suffix."""

from __future__ import annotations

import pytest

from rivya_client.mime_types import mime_type_of_head, mime_type_of_suffix, suffix_of


@pytest.mark.parametrize(
    ("head", "mime_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"GIF89a", "image/gif"),
        (b"\0\0\0\x20ftypisom", "video/mp4"),
        (b"\0\0\0\x14ftypqt  ", "video/quicktime"),
        (b"\0\0\0\x20ftypM4A ", "audio/mp4"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", "video/webm"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska", "video/x-matroska"),
        (b"ID3\x04", "audio/mpeg"),
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"OggS\0\x02", "audio/ogg"),
        (b"fLaC\0", "audio/flac"),
        (b"", None),
        (b"\0\0\0\x20ftypavif", "image/heif"),
        (b"RIFF\0\0\0\0AVI LIST", None),
        (b"ffconcat version 1.0\n", None),
        ("\ufeffabout".encode("utf-16-le"), None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
        (b"#EXTM3U\n", None),
    ],
)
def test_the_first_bytes_tell_the_type(head: bytes, mime_type: str | None) -> None:
    assert mime_type_of_head(head) == mime_type


def test_a_suffix_and_its_type_name_each_other() -> None:
    assert suffix_of("image/jpeg") == ".jpg"
    assert mime_type_of_suffix(".jpg") == "image/jpeg"
    assert (suffix_of("image/heif"), suffix_of(None), mime_type_of_suffix(".exe")) == ("", "", None)
