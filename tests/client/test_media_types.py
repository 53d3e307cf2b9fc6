"""Media types by signature, and the limits of the contract."""

from __future__ import annotations

import pytest

from rivya_flows.client.types import MediaKind
from rivya_flows.client.uploads import (
    BY_DEFAULT,
    BY_SOME_MODEL,
    Accepted,
    checked_media_type,
    media_type_of,
)
from rivya_flows.errors import MediaError

MB = 2**20
MP3 = b"\xff\xfb\x90\x00" + b"x" * 200
MP4 = b"\x00\x00\x00\x20ftypisom" + b"x" * 200
MKV = b"\x1a\x45\xdf\xa3" + b"\x42\x82\x88matroska" + b"x" * 200
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 200
SIGNATURES: list[tuple[bytes, MediaKind, str | None]] = [
    (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image", "image/jpeg"),
    (PNG, "image", "image/png"),
    (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image", "image/webp"),
    (b"GIF89a", "image", "image/gif"),
    (b"\x00\x00\x00\x20ftypheic", "image", "image/heif"),
    (MP4, "video", "video/mp4"),
    (b"\x00\x00\x00\x14ftypqt  ", "video", "video/quicktime"),
    (b"\x00\x00\x00\x08wide", "video", "video/quicktime"),
    (b"\x1a\x45\xdf\xa3\x01\x42\x82\x84webm", "video", "video/webm"),
    (MKV, "video", "video/x-matroska"),
    (b"ID3\x04", "audio", "audio/mpeg"),
    (MP3, "audio", "audio/mpeg"),
    (b"\xff\xf1\x50\x80", "audio", "audio/aac"),
    (b"RIFF\x10\x00\x00\x00WAVEfmt ", "audio", "audio/wav"),
    (b"RF64\xff\xff\xff\xffWAVEds64", "audio", "audio/wav"),
    (b"OggS", "audio", "audio/ogg"),
    (b"fLaC", "audio", "audio/flac"),
    (b"\x00\x00\x00\x20ftypM4A ", "audio", "audio/mp4"),
    (b"\x00\x00\x00\x20ftypM4A ", "video", "audio/mp4"),
    (MP4, "audio", "audio/mp4"),
    (b"RIFF\x10\x00\x00\x00AVI ", "video", None),
    (b"\xff\xfeh\x00i\x00", "audio", None),
    (b"<svg/>", "image", None),
    (b"", "image", None),
]


@pytest.mark.parametrize(("head", "kind", "found"), SIGNATURES)
def test_the_signature_of_a_file_gives_its_type(
    head: bytes, kind: MediaKind, found: str | None
) -> None:
    assert media_type_of(head, kind) == found


def test_the_limits_are_those_of_the_contract() -> None:
    assert {kind: one.max_bytes for kind, one in BY_DEFAULT.items()} == {
        "image": 10 * MB,
        "video": 50 * MB,
        "audio": 10 * MB,
    }
    assert {kind: one.max_bytes for kind, one in BY_SOME_MODEL.items()} == {
        "image": 30 * MB,
        "video": 95 * MB,
        "audio": 10 * MB,
    }
    assert BY_DEFAULT["image"].mime_types == ("image/jpeg", "image/png", "image/webp")
    assert BY_DEFAULT["video"].mime_types == ("video/mp4", "video/quicktime", "video/webm")
    assert BY_DEFAULT["audio"].mime_types == (
        *("audio/mpeg", "audio/mp4", "audio/wav", "audio/x-wav", "audio/aac", "audio/ogg"),
    )


@pytest.mark.parametrize("kind", ["image", "video", "audio"])
def test_every_accepted_type_has_a_signature(kind: MediaKind) -> None:
    known = {found for _, _, found in SIGNATURES} | {"audio/x-wav"}
    assert set(BY_SOME_MODEL[kind].mime_types) <= known


@pytest.mark.parametrize(("size_bytes", "fits"), [(1, True), (10 * MB, True), (10 * MB + 1, False)])
def test_a_file_may_be_as_large_as_the_limit(size_bytes: int, fits: bool) -> None:
    accepted = BY_DEFAULT["image"]
    if fits:
        assert checked_media_type("a", PNG, size_bytes, "image", accepted) == "image/png"
    else:
        with pytest.raises(MediaError, match="at most 10485760 are accepted"):
            checked_media_type("a", PNG, size_bytes, "image", accepted)


def test_both_names_of_wav_are_the_same_type() -> None:
    wave = b"RIFF\x10\x00\x00\x00WAVEfmt "
    for name in ("audio/wav", "audio/x-wav"):
        assert checked_media_type("a", wave, 9, "audio", Accepted(None, (name,))) == "audio/wav"
