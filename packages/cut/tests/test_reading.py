from __future__ import annotations

import io
import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import pytest
from PIL import Image

from rivya_client.errors import MediaError
from rivya_cut.reading import poster, probe
from support.composed_media import film, tone_blocks

SOUND_CODECS = {
    "mp3": "libmp3lame", "ogg": "libopus", "wav": "pcm_s16le", "flac": "flac", "webm": "libopus",
}  # fmt: skip


def still(path: Path, exif: Image.Exif | None = None) -> Path:
    Image.new("RGB", (32, 18), "teal").save(path, exif=exif or Image.Exif())
    return path


def recording(
    path: Path, muxer: str, *, seconds: float = 1.0, picture: bool = True, sound: bool = True
) -> Path:
    """A film of 64x36 pixels at 10 frames a second, or a tone of 440 Hz, or both."""
    options = {"movflags": "+faststart"} if muxer in ("mp4", "mov") else {}
    with av.open(str(path), "w", format=muxer, options=options) as container:
        if picture:
            codec = "libvpx" if muxer == "webm" else "libx264"
            video = cast("av.VideoStream", container.add_stream(codec, rate=10))
            video.width, video.height, video.pix_fmt = 64, 36, "yuv420p"
        if sound:
            codec = SOUND_CODECS.get(muxer, "aac")
            audio = cast("av.AudioStream", container.add_stream(codec, rate=48_000, layout="mono"))
        for index in range(round(seconds * 10) if picture else 0):
            frame = av.VideoFrame(64, 36, "yuv420p")
            # A new frame holds whatever was in memory, which would change the size of the file.
            for plane, value in zip(frame.planes, (index * 9 % 256, 128, 128), strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            frame.pts, frame.time_base = index, Fraction(1, 10)
            container.mux(video.encode(frame))
        for block in tone_blocks(seconds if sound else 0, 0.3, 440):
            container.mux(audio.encode(block))
        if picture:
            container.mux(video.encode(None))
        if sound:
            container.mux(audio.encode(None))
    return path


@pytest.mark.parametrize("extension", ["jpeg", "png", "webp", "gif"])
def test_an_image_is_measured_whatever_its_name(extension: str, tmp_path: Path) -> None:
    path = still(tmp_path / f"a.{extension}").rename(tmp_path / "a.mp4")
    found = probe(path)
    assert (found.kind, found.mime_type) == ("image", f"image/{extension}")
    assert (found.width, found.height, found.duration_seconds) == (32, 18, None)
    assert found.size_bytes == path.stat().st_size


def test_a_photo_that_lies_on_its_side_is_measured_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    found = probe(still(tmp_path / "a.jpeg", exif=exif))
    assert (found.width, found.height) == (18, 32)


@pytest.mark.parametrize(
    ("muxer", "mime_type"),
    [
        ("mp4", "video/mp4"), ("mov", "video/quicktime"), ("matroska", "video/x-matroska"),
        ("webm", "video/webm"), ("mp3", "audio/mpeg"), ("wav", "audio/wav"), ("ogg", "audio/ogg"),
        ("adts", "audio/aac"), ("flac", "audio/flac"), ("ipod", "audio/mp4"), ("mp4", "audio/mp4"),
        ("webm", "audio/webm"),
    ],
)  # fmt: skip
def test_a_film_and_a_sound_are_measured(muxer: str, mime_type: str, tmp_path: Path) -> None:
    kind = mime_type.partition("/")[0]
    found = probe(recording(tmp_path / "a", muxer, picture=kind == "video"))
    assert (found.kind, found.mime_type, found.has_audio) == (kind, mime_type, True)
    assert (found.width, found.height) == ((64, 36) if kind == "video" else (None, None))
    assert found.duration_seconds == pytest.approx(1.0, abs=0.1)


def test_a_silent_film_has_no_audio(tmp_path: Path) -> None:
    assert not probe(recording(tmp_path / "a.mp4", "mp4", sound=False)).has_audio


@pytest.mark.parametrize(
    "text",
    ["not a film", "ffconcat version 1.0\nfile 'secret.mp4'\n", "#EXTM3U\n#EXTINF:1,\nsecret.mp4\n"],
)  # fmt: skip
def test_text_is_refused_whatever_its_name(text: str, tmp_path: Path) -> None:
    recording(tmp_path / "secret.mp4", "mp4")
    path = tmp_path / "a.mp4"
    path.write_text(text)
    with pytest.raises(MediaError, match="no image, film or sound") as caught:
        probe(path)
    assert poster(path) is None
    assert caught.value.hint is not None
    assert "mp4" in caught.value.hint


@pytest.mark.parametrize(
    ("muxer", "share"),
    [("mp4", 0.02), ("mp4", 0.5), ("mp4", 0.97), ("matroska", 0.02), ("matroska", 0.7)],
)
def test_a_film_cut_short_is_refused(muxer: str, share: float, tmp_path: Path) -> None:
    whole = recording(tmp_path / "whole", muxer, seconds=4).read_bytes()
    path = tmp_path / "a.mp4"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(MediaError, match=r"a\.mp4: .*cut short"):
        probe(path)


@pytest.mark.parametrize("extension", ["jpeg", "png", "webp"])
def test_an_image_cut_short_is_refused(extension: str, tmp_path: Path) -> None:
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 90).convert("RGB").save(whole, extension)
    path = tmp_path / "a.png"
    path.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    with pytest.raises(MediaError, match="cut short"):
        probe(path)


@pytest.mark.parametrize("side", [7_000, 10_000, 30_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side: int, tmp_path: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b""))
    with pytest.raises(MediaError, match="40 million pixels"):
        probe(path)


def test_a_missing_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot be read: No such file"):
        probe(tmp_path / "a.png")
    (tmp_path / "b.png").touch()
    with pytest.raises(MediaError, match="empty"):
        probe(tmp_path / "b.png")
    with pytest.raises(MediaError, match="cannot be read"):
        probe(tmp_path)


def test_a_container_of_noise_is_refused(tmp_path: Path) -> None:
    for head in (b"\0\0\0\x20ftypisom", b"\xff\xfb\x90\x64", b"OggS\0\x02", b"RIFF\0\0\0\0WAVE"):
        path = tmp_path / "a"
        path.write_bytes(head + bytes(range(256)) * 20)
        with pytest.raises(MediaError):
            probe(path)


def test_the_poster_of_a_film_is_from_inside_it(tmp_path: Path) -> None:
    still = poster(film(tmp_path / "a.mp4", size=(64, 36)))
    assert still is not None
    with Image.open(io.BytesIO(still)) as image:
        assert image.size == (64, 36)
        grey = image.convert("L").getpixel((32, 18))
        assert isinstance(grey, int)
        assert 20 < grey < 235, "neither its first frame nor its last"


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.gif"])
def test_the_poster_of_a_picture_is_small_and_upright(tmp_path: Path, name: str) -> None:
    path, exif = tmp_path / name, Image.Exif()
    exif[0x0112] = 6  # lies on its side
    turned = name != "a.gif"
    options: Any = {"exif": exif} if turned else {}
    Image.new("RGB", (1300, 650), "red").save(path, **options)
    still = poster(path)
    assert still is not None
    with Image.open(io.BytesIO(still)) as image:
        assert (image.format, image.size) == ("JPEG", (320, 640) if turned else (640, 320))


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (10, 10), (0, 0, 0, 0)).save(tmp_path / "a.png")
    still = poster(tmp_path / "a.png")
    assert still is not None
    with Image.open(io.BytesIO(still)) as image:
        assert image.getpixel((5, 5)) == (255, 255, 255)
