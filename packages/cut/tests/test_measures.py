"""What is measured on media, and the frames that are taken of them."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from PIL import Image, ImageDraw

from rivya_client.errors import MediaError
from rivya_cut import measuring
from rivya_cut.api import extract_frames, measure
from support.composed_media import film, film_of, greys, still, tone, turned

SIZE = (160, 90)
ROOM = Image.linear_gradient("L").resize(SIZE).convert("RGB")


def grained(image: Image.Image, sigma: float, seed: int) -> Image.Image:
    dice = random.Random(seed)
    data = [max(0, min(255, round(dice.gauss(value, sigma)))) for value in image.tobytes()]
    return Image.frombytes("RGB", image.size, bytes(data))


def lit(image: Image.Image, x: int, y: int = 40) -> Image.Image:
    drawn = image.copy()
    ImageDraw.Draw(drawn).ellipse((x, y, x + 9, y + 9), fill="white")
    return drawn


def filmed(path: Path, frame: Callable[[int], Image.Image], seconds: int = 2) -> Path:
    return film_of(path / "a.mp4", [frame(index) for index in range(12 * seconds)], 12)


def black_of(size: tuple[int, int]) -> Image.Image:
    return Image.new("RGB", size)


def test_noise_in_the_dark_is_black_and_lights_at_night_are_not(tmp_path: Path) -> None:
    dark = measure(filmed(tmp_path, lambda at: grained(black_of(SIZE), 4, at)))
    assert (dark.black, dark.blank) == (1, 1)
    night = measure(filmed(tmp_path, lambda at: lit(black_of(SIZE), 3 * at)))
    assert (night.black, night.blank) == (0, 0)


def test_a_film_that_is_black_after_a_while_is_black_for_the_rest(tmp_path: Path) -> None:
    found = measure(filmed(tmp_path, lambda at: ROOM if at < 6 else black_of(SIZE)))
    assert found.seconds == pytest.approx(2, abs=0.01)
    assert found.black == pytest.approx(0.75, abs=0.06)


def test_a_film_that_stops_is_still_from_then_on(tmp_path: Path) -> None:
    found = measure(filmed(tmp_path, lambda at: lit(ROOM, 6 * min(at, 12)), 3))
    assert found.still == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(lambda at: grained(ROOM, 6, at), id="grain"),
        pytest.param(lambda at: lit(ROOM, 60 + at), id="a small thing"),
        pytest.param(
            lambda at: ROOM.point(lambda level: round(level * (1 - at / 100))), id="light"
        ),
    ],
)
def test_a_film_in_which_little_moves_is_not_still(
    frame: Callable[[int], Image.Image], tmp_path: Path
) -> None:
    still_for = measure(filmed(tmp_path, frame)).still
    assert still_for is not None
    assert still_for < 0.8


def test_the_grain_of_one_picture_that_is_held_does_not_move(tmp_path: Path) -> None:
    assert measure(filmed(tmp_path, lambda at: grained(ROOM, 6, 1))).still == pytest.approx(
        2, abs=0.01
    )


@pytest.mark.parametrize("name", ["a.png", "a.jpeg", "a.webp"])
def test_a_picture_of_one_colour_is_blank_whatever_noise_is_on_it(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    grained(Image.new("RGB", SIZE, "teal"), 3, 1).save(path)
    assert measure(path).blank == 1
    with Image.open(path) as image:
        lit(image, 70).save(path)
    found = measure(path)
    assert (found.media, found.width, found.height, found.blank) == ("image", 160, 90, 0)
    assert (found.seconds, found.black, found.still, found.silent) == (None, 0, None, None)


def test_a_picture_is_black_unless_it_may_be_seen_on_white(tmp_path: Path) -> None:
    grained(black_of(SIZE), 4, 1).save(tmp_path / "a.png")
    assert measure(tmp_path / "a.png").black == 1
    lit(black_of(SIZE), 70).save(tmp_path / "a.png")
    assert measure(tmp_path / "a.png").black == 0
    Image.new("RGBA", SIZE, (0, 0, 0, 90)).save(tmp_path / "a.png")
    assert measure(tmp_path / "a.png").black == 0


def test_a_mark_that_only_its_transparency_shows_is_not_blank(tmp_path: Path) -> None:
    white = Image.new("RGBA", SIZE, "white")
    white.putalpha(lit(black_of(SIZE), 70).convert("L"))
    white.save(tmp_path / "a.png")
    assert measure(tmp_path / "a.png").blank == 0
    Image.new("RGBA", SIZE, (255, 255, 255, 0)).save(tmp_path / "a.png")
    assert measure(tmp_path / "a.png").blank == 1


def test_what_nobody_hears_is_silent(tmp_path: Path) -> None:
    hum = measure(tone(tmp_path / "a.wav", amplitude=0.0005, pitch=50))
    assert (hum.media, hum.sound, hum.silent, hum.loudness) == ("audio", True, 1, None)
    nothing = measure(tone(tmp_path / "a.wav", amplitude=0))
    assert (nothing.silent, nothing.loudness, nothing.peak) == (1, None, None)
    quiet = measure(tone(tmp_path / "a.wav", amplitude=0.01))
    assert quiet.silent == 0
    assert quiet.loudness == pytest.approx(-43, abs=1)
    assert quiet.peak == pytest.approx(-40.2, abs=0.1)


def test_a_film_without_a_sound_track_is_not_said_to_be_silent(tmp_path: Path) -> None:
    found = measure(film(tmp_path / "a.mp4"))
    assert (found.media, found.sound, found.silent, found.clipped) == ("video", False, None, None)
    heard = measure(film(tmp_path / "a.mp4", sound=0.1))
    assert (heard.sound, heard.silent, heard.clipped) == (True, 0, 0)


def test_sound_that_was_cut_off_at_full_scale_is_clipped(tmp_path: Path) -> None:
    path, rate = tmp_path / "a.mp3", 48_000
    with av.open(str(path), "w") as container:
        audio = container.add_stream("libmp3lame", rate=rate, layout="mono")
        wave = [math.sin(2 * math.pi * 300 * at / rate) * 6 for at in range(rate)]
        values = bytearray()
        for value in wave:
            values += round(max(-1.0, min(1.0, value)) * 32767).to_bytes(2, "little", signed=True)
        frame = av.AudioFrame(format="s16", layout="mono", samples=rate)
        frame.planes[0].update(bytes(values))
        frame.sample_rate = rate
        for packet in [*audio.encode(frame), *audio.encode(None)]:
            container.mux(packet)
    clipped = measure(path).clipped
    assert clipped is not None
    assert clipped > 0.2
    assert measure(tone(tmp_path / "a.wav", amplitude=0.85)).clipped == 0


def test_what_is_left_out_of_a_large_or_long_film_changes_no_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filmed(tmp_path, lambda at: lit(ROOM, 5 * at))
    for bound in ("_MANY_PIXELS_A_SECOND", "_MANY_PIXELS"):
        monkeypatch.setattr(measuring, bound, 0)
        assert measure(path).seconds == pytest.approx(2, abs=0.01)


def test_a_long_film_with_few_key_frames_is_not_judged_by_these_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "_MANY_PIXELS", 0)
    found = measure(filmed(tmp_path, lambda at: lit(ROOM, 5 * at) if at else black_of(SIZE)))
    assert found.black == pytest.approx(0, abs=0.1)
    assert found.still == pytest.approx(0, abs=0.5)


def test_an_animated_image_that_begins_in_one_colour_is_not_blank(tmp_path: Path) -> None:
    white = Image.new("RGB", SIZE, "white")
    white.save(tmp_path / "a.gif", save_all=True, append_images=[white, ROOM], duration=100)
    assert measure(tmp_path / "a.gif").blank == 0


def test_what_a_film_lasts_longer_than_its_sound_is_silent(tmp_path: Path) -> None:
    found = measure(film(tmp_path / "a.mp4", seconds=4, sound=0.1, heard=1))
    assert found.silent == pytest.approx(0.75, abs=0.05)


def test_a_sample_that_is_no_number_silences_nothing_after_it(tmp_path: Path) -> None:
    path, rate = tmp_path / "a.wav", 48_000
    values = array("f", (math.sin(at / 20) / 3 for at in range(rate)))
    values[100] = math.nan
    with av.open(str(path), "w") as container:
        audio = container.add_stream("pcm_f32le", rate=rate, layout="mono")
        frame = av.AudioFrame(format="flt", layout="mono", samples=rate)
        frame.planes[0].update(values.tobytes())
        frame.sample_rate = rate
        for packet in [*audio.encode(frame), *audio.encode(None)]:
            container.mux(packet)
    assert measure(path).silent == 0


def test_what_cannot_be_decoded_is_an_error(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", seconds=3)
    path.write_bytes(path.read_bytes()[:-1500])
    with pytest.raises(MediaError, match=r"a\.mp4: (broken or )?cut short"):
        measure(path)
    with pytest.raises(MediaError, match="no image, film or sound"):
        measure(Path(__file__))


def test_frames_are_the_first_the_last_and_those_between(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", seconds=4)
    every = greys(path)
    names = extract_frames(path, tmp_path / "out", 5)
    assert names == ("0001.png", "0002.png", "0003.png", "0004.png", "0005.png")
    wanted = [every[47 * step // 4] for step in range(5)]
    assert [grey(tmp_path / "out" / name) for name in names] == pytest.approx(wanted, abs=2)
    [middle] = extract_frames(path, tmp_path / "middle")
    assert grey(tmp_path / "middle" / middle) == pytest.approx(every[23], abs=2)


def grey(path: Path) -> float:
    with Image.open(path) as image:
        value = image.convert("L").getpixel((image.width // 2, image.height // 2))
        assert isinstance(value, int)
        return value


def test_a_film_gives_no_frame_twice(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", seconds=0.5)
    assert len(extract_frames(path, tmp_path / "out", 32)) == 6


def test_a_frame_lies_as_the_film_is_seen(tmp_path: Path) -> None:
    quarter = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    path = turned(film(tmp_path / "a.mp4"), *quarter)
    [name] = extract_frames(path, tmp_path / "out")
    with Image.open(tmp_path / "out" / name) as image:
        assert image.size == (64, 96)


def test_colours_of_a_large_film_that_does_not_say_them_are_those_that_players_show(
    tmp_path: Path,
) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        video = container.add_stream("libx264", rate=10, options={"crf": "5"})
        (video.width, video.height), video.pix_fmt = (1280, 720), "yuv420p"
        image = Image.new("RGB", (1280, 720), (30, 200, 60))
        frame: av.VideoFrame = av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call]  # so in av
        for packet in [
            *video.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709")),
            *video.encode(None),
        ]:
            container.mux(packet)
    [name] = extract_frames(tmp_path / "a.mp4", tmp_path / "out")
    with Image.open(tmp_path / "out" / name) as image:
        assert image.getpixel((9, 9)) == pytest.approx((30, 200, 60), abs=4)


def test_a_picture_is_its_own_frame_and_a_sound_has_none(tmp_path: Path) -> None:
    path = still(tmp_path / "a.webp", (40, 20))
    assert extract_frames(path, tmp_path / "out", 4) == ("0001.png",)
    with pytest.raises(MediaError, match="has no picture"):
        extract_frames(tone(tmp_path / "a.wav"), tmp_path / "none")
    assert not (tmp_path / "none").exists()
