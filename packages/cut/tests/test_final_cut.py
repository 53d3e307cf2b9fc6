"""What a final cut shows and leaves; films are tiny, and stills short."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image, ImageChops

from rivya_client.errors import MediaError
from rivya_cut.composition import (
    Captions,
    Clip,
    Composition,
    EndCard,
    Layout,
    Look,
    Overlay,
    Sound,
    Transition,
)
from rivya_cut.final_cut import render
from rivya_cut.reading import open_media, probe
from rivya_cut.results import Rendered
from rivya_cut.stills import lay_out
from rivya_cut.subtitles import Cue
from support.composed_media import (
    RATE,
    cut_out,
    film,
    film_of,
    greys,
    heard,
    seconds,
    still,
    strength,
    tone,
    turned,
)
from support.sounds import voice

_CUES = Captions(cues=(Cue(0.1, 0.5, "Order today"),))


def _rendered(composition: Composition, folder: Path) -> Rendered:
    folder.mkdir()
    return render(composition, folder, lambda share: None)


def _cut(folder: Path, *clips: Path, **options: Any) -> Rendered:
    """A cut of whole clips, in a new folder."""
    return _rendered(Composition(clips=tuple(Clip(media=one) for one in clips), **options), folder)


def _image(path: Path, frame: int = 0) -> Image.Image:
    with open_media(path) as container:
        for index, shown in enumerate(container.decode(video=0)):
            if index == frame:
                image: Image.Image = shown.to_image()  # type: ignore[no-untyped-call]  # so in av
                return image
    raise AssertionError(frame)


def _poster(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.copy()


def _pixel(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    pixel = image.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return pixel


def _grey(image: Image.Image, x: int, y: int) -> int:
    grey = image.getpixel((x, y))
    assert isinstance(grey, int)
    return grey


def test_captions_logo_and_end_card_are_seen_when_they_should_be(tmp_path: Path) -> None:
    image = still(tmp_path / "a.png", (600, 300), "teal")
    logo = Overlay(media=still(tmp_path / "logo.png", (20, 20), "red"), width=0.2, start=0.3)
    made = Composition(
        clips=(Clip(media=image, seconds=0.5),),
        narration=tone(tmp_path / "voice.wav"),
        captions=_CUES,
        overlays=(logo,),
        end_card=EndCard(seconds=0.5),
        look=Look(colours=("#000000",)),
        extras=("clean", "poster", "gif"),
    )
    found = _rendered(made, tmp_path / "out")
    film, clean, poster, loop = (tmp_path / "out" / name for name in found.media)
    names = ["film.mp4", "film-clean.mp4", "poster.jpg", "loop.gif"]
    assert (list(found.media), found.cues, found.estimated) == (names, _CUES.cues, False)
    assert seconds(found.media["film.mp4"]) == pytest.approx(1.5, abs=0.1)
    # The end card comes after the narration, and fades in.
    shown = greys(film)
    assert len(shown) == 36
    assert shown[:24] == pytest.approx([90] * 24, abs=8)
    assert shown[-1] < 10 < shown[25] < 80
    below = (0, 200, 600, 300)
    lit = [
        max(_image(path, at).crop(below).convert("L").tobytes()) > 150
        for path, at in ((film, 0), (film, 7), (film, 20), (clean, 7))
    ]
    assert lit == [False, True, False, False], "captions, and not in the clean film"
    logos = [_pixel(_image(film, at), 510, 75)[0] for at in (0, 16, 23, 35)]
    assert [red > 220 for red in logos] == [False, True, False, False]
    with Image.open(poster) as picture:
        assert picture.size == (600, 300)
        assert _pixel(picture, 510, 75)[0] > 200
    with Image.open(loop) as gif:
        assert (gif.size, gif.n_frames, gif.info["loop"]) == ((480, 240), 18, 0)  # type: ignore[attr-defined]  # of a GIF


def test_films_and_stills_follow_each_other_in_size_and_pace_of_the_first(tmp_path: Path) -> None:
    sounds = film(tmp_path / "a.mp4", sound=0.3)
    black = still(tmp_path / "black.png", (64, 36), "black")
    fast = film(tmp_path / "b.mp4", size=(64, 36), rate=30)
    clips = (Clip(media=sounds, start=0.5), Clip(media=black, seconds=0.5), Clip(media=fast))
    text = Captions(text="One. Two.")
    found = _rendered(Composition(clips=clips, captions=text, end_card=EndCard()), tmp_path / "out")
    made = found.media["film.mp4"]
    assert (made.width, made.height) == (96, 64)
    assert seconds(made) == pytest.approx(2 + EndCard().seconds, abs=0.05)
    shown = greys(tmp_path / "out" / "film.mp4")
    assert shown[0] > 120
    assert shown[5] > 240
    assert max(shown[6:12]) < 10
    assert shown[12:24] == sorted(shown[12:24])
    assert shown[23] > 240
    wave = heard(tmp_path / "out" / "film.mp4")
    assert strength(wave[: RATE // 2], 220) > 20 * strength(wave[3 * RATE // 4 : RATE], 220)
    assert found.estimated
    assert found.cues[-1].end <= 2


@pytest.mark.parametrize("kind", ["fade", "slide", "push", "wipe", "zoom"])
def test_a_transition_has_no_jump(kind: str, tmp_path: Path) -> None:
    clips = tuple(
        Clip(media=still(tmp_path / f"{name}.png", (64, 36), name), seconds=1)
        for name in ("black", "white")
    )
    transition = Transition(kind=kind, seconds=0.5)
    _rendered(Composition(clips=clips, transition=transition), tmp_path / "out")
    shown = greys(tmp_path / "out" / "film.mp4")
    assert len(shown) == 36
    assert max(shown[:12]) < 10
    assert min(shown[24:]) > 245
    assert shown == sorted(shown)
    if kind == "fade":
        assert max(b - a for a, b in pairwise(shown)) < 50


def test_films_share_a_frame_and_the_shorter_one_holds_its_last(tmp_path: Path) -> None:
    short, long = (film(tmp_path / f"{n}.mp4", seconds=n, sound=n / 9) for n in (1, 2))
    shared = Clip(media=(still(tmp_path / "a.png", (64, 64), "blue"), short, long), split="column")
    look = Look(colours=("#00ff00",))
    _rendered(
        Composition(clips=(shared,), formats=("9:16",), shrink=2, look=look), tmp_path / "out"
    )
    seen = [_image(tmp_path / "out" / "9x16.mp4", at) for at in (0, 12, 23)]
    columns = [[_pixel(image, 270, y) for y in (160, 480, 800)] for image in seen]
    assert all(column[0] == pytest.approx((0, 0, 255), abs=12) for column in columns)
    greys = [(upper[0], lower[0]) for _, upper, lower in columns]
    assert greys == [pytest.approx(one, abs=14) for one in ((0, 0), (255, 133), (255, 255))]
    assert _pixel(seen[0], 270, 319) == pytest.approx((0, 255, 0), abs=40)
    wave = heard(tmp_path / "out" / "9x16.mp4")
    assert strength(wave[: RATE // 2], 220) > 20 * strength(wave[3 * RATE // 2 :], 220)


def test_a_medium_that_shares_a_frame_is_named_by_its_place(tmp_path: Path) -> None:
    media = (still(tmp_path / "a.png", (64, 64)), tone(tmp_path / "b.wav"))
    with pytest.raises(MediaError, match=r"clips\[0\]\.media\[1\]: .*: a sound"):
        _rendered(Composition(clips=(Clip(media=media),)), tmp_path / "out")


@pytest.mark.parametrize(("speed", "shown"), [(2.0, [70, 162, 209]), (0.5, [70, 139, 185])])
def test_a_film_runs_at_the_speed_of_its_clip(
    speed: float, shown: list[int], tmp_path: Path
) -> None:
    clip = Clip(media=film(tmp_path / "a.mp4"), start=0.25, seconds=1, speed=speed)
    _rendered(Composition(clips=(clip,)), tmp_path / "out")
    seen = greys(tmp_path / "out" / "film.mp4")
    assert [seen[at] for at in (0, len(seen) // 2, -1)] == pytest.approx(shown, abs=12)


def test_the_last_frame_is_held(tmp_path: Path) -> None:
    voice = tone(tmp_path / "voice.wav", seconds=1.2)
    _cut(tmp_path / "out", film(tmp_path / "a.mp4", seconds=0.5), audio=(voice,))
    shown = greys(tmp_path / "out" / "film.mp4")
    assert len(shown) == 15
    assert [shown[0], shown[6], shown[12]] == pytest.approx([0, 255, 255], abs=10)


def test_a_film_that_ends_with_its_speech_names_the_clips_that_nobody_sees(tmp_path: Path) -> None:
    voice = tone(tmp_path / "voice.wav", seconds=0.5)
    clips = [still(tmp_path / f"{name}.png", (64, 36), name) for name in ("black", "white")]
    made = _cut(tmp_path / "out", *clips, narration=voice, length="speech")
    assert seconds(made.media["film.mp4"]) == pytest.approx(0.5, abs=0.05)
    assert made.lost == ("clips[1] is not seen: the film ends before it",)


def test_a_film_over_a_film_plays_once_and_holds_its_last_frame(tmp_path: Path) -> None:
    ground = still(tmp_path / "a.png", (320, 320), "blue")
    inset = Overlay(media=film(tmp_path / "b.mp4"), position="center", width=0.5, start=0.5)
    made = Composition(clips=(Clip(media=ground, seconds=2),), overlays=(inset,))
    _rendered(made, tmp_path / "out")
    path = tmp_path / "out" / "film.mp4"
    assert _pixel(_image(path, 11), 160, 160) == pytest.approx((0, 0, 255), abs=12)
    seen = [_pixel(_image(path, at), 160, 160)[0] for at in (24, 35, 47)]
    assert seen == pytest.approx([139, 255, 255], abs=14)
    with pytest.raises(MediaError, match=r"overlays\[0\]: .*b\.mp4: not an image"):
        lay_out(Layout(image=ground, overlays=(inset,)), tmp_path)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [("a.webm", "libvpx-vp9", "yuva420p"), ("a.mov", "prores_ks", "yuva444p10le")],
)
def test_a_film_with_transparent_parts_shows_the_film_below_through_them(
    name: str, codec: str, pixels: str, tmp_path: Path
) -> None:
    shape = Image.new("RGBA", (64, 64), (0, 255, 0, 0))
    shape.paste((255, 0, 0, 255), (0, 0, 32, 64))
    over = Overlay(
        media=cut_out(tmp_path / name, codec, pixels, shape), position="center", width=0.5
    )
    ground = Clip(media=still(tmp_path / "a.png", (320, 320), "blue"), seconds=0.5)
    _rendered(Composition(clips=(ground,), overlays=(over,)), tmp_path / "out")
    seen = _image(tmp_path / "out" / "film.mp4", 3)
    for place, colour in (
        ((120, 160), (255, 0, 0)),
        ((200, 160), (0, 0, 255)),
        ((70, 160), (0, 0, 255)),
    ):
        assert _pixel(seen, *place) == pytest.approx(colour, abs=14)


def test_a_film_of_one_frame_is_seen_at_any_speed(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4", seconds=1 / 24, rate=24)
    made = Composition(clips=(Clip(media=source, speed=4),))
    assert _rendered(made, tmp_path / "out").media["film.mp4"].duration_seconds == 0.041667


@pytest.mark.parametrize(
    ("reframe", "side"), [("crop", (0, 0, 254)), ("pad", (0, 255, 1)), ("blur", (0, 0, 127))]
)
def test_another_shape_is_cropped_or_gets_bars(
    reframe: str, side: tuple[int, int, int], tmp_path: Path
) -> None:
    clips = tuple(
        Clip(media=still(tmp_path / f"{width}.png", (width, 200), "blue"), seconds=0.1)
        for width in (200, 50)
    )
    look = Look(colours=("#00ff00",))
    _rendered(Composition(clips=clips, reframe=reframe, look=look), tmp_path / "out")
    seen = _image(tmp_path / "out" / "film.mp4", 3)
    assert _pixel(seen, 20, 100) == pytest.approx(side, abs=12)
    assert _pixel(seen, 100, 100) == pytest.approx((0, 0, 255), abs=12)


@pytest.mark.parametrize(
    ("colour", "side"),
    [("#e0ede6", (224, 237, 230)), ("#c7c7c7", (153, 153, 153)), ("#808080", (64, 64, 64))],
)
def test_a_blurred_ground_has_a_soft_seam_and_is_dark_unless_the_picture_has_a_white_one(
    colour: str, side: tuple[int, int, int], tmp_path: Path
) -> None:
    image = still(tmp_path / "a.png", (200, 100), colour)
    options: Any = {"formats": ("1:1",), "reframe": "blur", "shrink": 2}
    clips = (Clip(media=image, seconds=0.1),)
    _rendered(Composition(clips=clips, **options), tmp_path / "out")
    lay_out(Layout(image=image, **options), tmp_path)
    with Image.open(tmp_path / "1x1.png") as card:
        for seen in (card, _image(tmp_path / "out" / "1x1.mp4", 1)):
            assert _pixel(seen, 270, 30) == pytest.approx(side, abs=6)
            column = [_pixel(seen, 270, y)[0] for y in range(seen.height)]
            ends = (side[0], int(colour[1:3], 16))
            assert (min(column), max(column)) == pytest.approx(ends, abs=6)
            steepest = max(abs(lower - upper) for upper, lower in pairwise(column))
            assert steepest < 8, "twice of what it is at full size"


@pytest.mark.parametrize(("size", "upright"), [((200, 100), False), ((100, 200), True)])
def test_only_the_bar_beside_a_white_edge_stays_white(
    size: tuple[int, int], upright: bool, tmp_path: Path
) -> None:
    picture = Image.new("RGB", size, "#404040")
    picture.paste("white", (0, 0, size[0] // 2, size[1]) if upright else (0, 0, size[0], 50))
    picture.save(tmp_path / "a.png")
    options: Any = {"formats": ("1:1",), "reframe": "blur", "shrink": 2}
    made = Composition(clips=(Clip(media=tmp_path / "a.png", seconds=0.1),), **options)
    _rendered(made, tmp_path / "out")
    lay_out(Layout(image=tmp_path / "a.png", **options), tmp_path)
    with Image.open(tmp_path / "1x1.png") as card:
        for seen in (card, _image(tmp_path / "out" / "1x1.mp4", 1)):
            places = [(10, 270), (530, 270)] if upright else [(270, 10), (270, 530)]
            lights = [_pixel(seen, *place)[0] for place in places]
            assert lights == pytest.approx([255, 32], abs=6)


def test_what_covers_an_overlay_or_has_no_font_is_said(tmp_path: Path) -> None:
    image = still(tmp_path / "a.png", (96, 64))
    wide = Overlay(media=still(tmp_path / "b.png", (96, 32)), width=0.9)
    overlays = (
        *(wide.model_copy(update={"position": one}) for one in ("top", "bottom", "bottom-left")),
        Overlay(text="\U00012000\U00012001", position="center"),
    )
    captions = Captions(
        cues=(Cue(0, 0.2, "Tea \U00012002"), Cue(0.2, 0.4, "\U00012000")), position="middle"
    )
    composition = Composition(
        clips=(Clip(media=image, seconds=0.5),), captions=captions, overlays=overlays
    )
    found = _rendered(composition, tmp_path / "out")
    assert found.lost == (
        "left out of the picture: no font has '\U00012000', '\U00012001', '\U00012002'",
        "1 caption lies on an overlay in film.mp4: there is no room for both",
        "overlays[1] lies on another in film.mp4: there is no room for both",
    )
    assert [cue.text for cue in found.cues] == ["Tea \U00012002", "\U00012000"]
    layout = Layout(image=image, overlays=overlays)
    assert lay_out(layout, tmp_path).lost == (
        "left out of the picture: no font has '\U00012000', '\U00012001'",
        "overlays[1] lies on another in film.png: there is no room for both",
    )


def test_what_is_too_short_for_a_film_is_said_and_fails_nothing(tmp_path: Path) -> None:
    clips = tuple(
        Clip(media=still(tmp_path / f"{shown}.png", (32, 32)), seconds=seconds)
        for shown, seconds in enumerate((1, 0.5))
    )
    late = Overlay(text="Late", start=9)
    captions = Captions(cues=(Cue(0, 1, "Soon"), Cue(1.25, 2, "Late"), Cue(2, 3, "Later")))
    made = Composition(
        clips=clips,
        transition=Transition(kind="fade", seconds=1),
        overlays=(late,),
        captions=captions,
    )
    assert _rendered(made, tmp_path / "out").lost == (
        "the transition after clip 1 takes 0.25 s of 1 s: a clip is too short for it",
        "overlays[0] is not seen: it starts after the end of the clips",
        "captions from 1.25 s on are not seen: they start after the end of the clips",
    )


@pytest.mark.parametrize(
    ("matrix", "dark"),
    [
        pytest.param((0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30), (24, 10), id="clockwise"),
        pytest.param((0, -1 << 16, 0, 1 << 16, 0, 0, 0, 0, 1 << 30), (8, 38), id="back"),
        pytest.param((0, 0, 0, 0, 0, 0, 0, 0, 1 << 30), (8, 10), id="nonsense"),
    ],
)
def test_a_film_from_a_phone_is_turned_upright(
    matrix: tuple[int, ...], dark: tuple[int, int], tmp_path: Path
) -> None:
    image = Image.new("RGB", (48, 32), "white")
    image.paste("black", (0, 0, 24, 16))
    source = film_of(tmp_path / "a.mp4", [image], 10)
    made = _cut(tmp_path / "out", turned(source, *matrix)).media["film.mp4"]
    upright = probe(source)
    assert (made.width, made.height) == (upright.width, upright.height)
    shown = _image(tmp_path / "out" / "film.mp4").convert("L")
    corners = [(x, y) for x in (8, 24) for y in (10, shown.height - 10)]
    assert min(corners, key=lambda corner: _grey(shown, *corner)) == dark


def test_a_film_is_made_for_every_player(tmp_path: Path) -> None:
    rate = Fraction(30_000, 1_001)
    source = film(tmp_path / "a.mp4", seconds=2.5, size=(90, 160), rate=rate, sound=0.2)
    _cut(tmp_path / "out", source)
    made = tmp_path / "out" / "film.mp4"
    with open_media(made) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        keys = [frame.time for frame in container.decode(video) if frame.key_frame]
        context = video.codec_context
        assert (video.width, video.height, video.average_rate) == (90, 160, rate)
        assert video.sample_aspect_ratio == 1
        assert (context.name, context.profile, context.pix_fmt) == ("h264", "High", "yuv420p")
        assert (context.color_primaries, context.color_trc, context.colorspace) == (1, 1, 1)
        assert context.color_range == 1
        sound = (audio.codec_context.name, audio.rate, audio.layout.name)
        assert sound == ("aac", RATE, "stereo")
    assert len(keys) > 1
    assert max(b - a for a, b in pairwise(keys)) <= 2
    data = made.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_a_film_for_a_platform_has_chapters_and_subtitles_that_a_player_can_turn_off(
    tmp_path: Path,
) -> None:
    source = film(tmp_path / "a.mp4", sound=0.2)
    made = Composition.model_validate(
        {
            "clips": [
                {"media": source, "chapter": "Black"},
                {"media": still(tmp_path / "b.png", (96, 64)), "seconds": 1, "chapter": "Teal"},
            ],
            "captions": {"cues": [Cue(0.25, 0.75, "चाय")], "style": "none", "language": "hi-IN"},
            "for": ["tiktok", "linkedin"],
            "formats": ["1:1"],
            "codec": "h265",
            "extras": ["subtitles", "poster"],
            "posters": 2,
            "shrink": 8,
        }
    )
    found = _rendered(made, tmp_path / "out")
    posters = ["poster.jpg", "poster-2.jpg"]
    assert list(found.media) == ["1x1.mp4", "tiktok.mp4", "linkedin.mp4", *posters]
    assert found.lost == ()
    for name, size in (("1x1", (136, 136)), ("tiktok", (136, 240)), ("linkedin", (136, 168))):
        with open_media(tmp_path / "out" / f"{name}.mp4") as container:
            video, track = container.streams.video[0], container.streams.subtitles[0]
            assert (video.width, video.height) == size
            assert video.average_rate == 24
            context = video.codec_context
            assert (context.name, context.codec_tag) == ("hevc", "hvc1")
            assert len(container.streams.audio) == 1
            assert (track.codec_context.name, track.language) == ("mov_text", "hin")
            assert not track.disposition, "shown only where a viewer asks for it"
            assert [
                (one["metadata"]["title"], one["start"] * (one["time_base"] or 0))
                for one in container.chapters()
            ] == [("Black", 0), ("Teal", 1)]
            shown = [(one.pts, one.duration, bytes(one)[2:]) for one in container.demux(track)]
            assert (250, 500, "चाय".encode()) in shown
    greens = [_pixel(_poster(tmp_path / "out" / name), 60, 60)[1] for name in posters]
    assert abs(greens[0] - greens[1]) > 20, "of different shots"


def test_a_film_that_a_platform_does_not_take_is_said(tmp_path: Path) -> None:
    clip = Clip(media=still(tmp_path / "a.png", (64, 36)), seconds=181)
    made = {"clips": (clip,), "for": ("shorts", "linkedin"), "fps": 60, "shrink": 64}
    assert _rendered(Composition.model_validate(made), tmp_path / "out").lost == (
        "shorts takes at most 180 s: this film has 181.0",
        "linkedin takes at most 30 frames a second: this film has 60",
    )


def test_sounds_lie_under_the_voice_and_music_does_not_lengthen_the_film(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4", sound=0.9)
    voice = tone(tmp_path / "voice.wav", amplitude=0.05, pitch=880)
    music = tone(tmp_path / "music.wav", seconds=3, amplitude=0.8)
    audio = (Sound(media=voice), Sound(media=music, role="music"))
    found = _cut(tmp_path / "out", source, audio=audio)
    assert seconds(found.media["film.mp4"]) == pytest.approx(1, abs=0.1)
    wave = heard(tmp_path / "out" / "film.mp4")
    assert min(strength(wave, pitch) for pitch in (220, 440)) > 0.005
    assert strength(wave, 880) > 2.5 * max(strength(wave, pitch) for pitch in (220, 440))


def test_stills_without_sound_stand_for_three_seconds_each_and_have_no_track(
    tmp_path: Path,
) -> None:
    images = tuple(still(tmp_path / f"{name}.png", (64, 36), name) for name in ("black", "white"))
    made = _rendered(Composition.model_validate({"clips": images}), tmp_path / "out").media[
        "film.mp4"
    ]
    assert seconds(made) == pytest.approx(6, abs=0.1)
    assert not made.has_audio
    shown = greys(tmp_path / "out" / "film.mp4")
    assert shown[0] < 10
    assert shown[-1] > 245


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    image = still(tmp_path / "a.png", (96, 64))
    moved = Clip(media=image, seconds=1, motion="push-in")
    composition = Composition(
        clips=(Clip(media=film(tmp_path / "a.mp4", sound=0.2)), moved),
        transition=Transition(kind="fade"),
        captions=_CUES,
        extras=("gif",),
    )
    for name in ("one", "two"):
        _rendered(composition, tmp_path / name)
    for name in ("film.mp4", "loop.gif"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_share_that_is_done_grows_to_one_and_no_film_is_made_twice_without_captions(
    tmp_path: Path,
) -> None:
    clips = (Clip(media=still(tmp_path / "a.png", (64, 36)), seconds=0.2),)
    made = Composition(clips=clips, formats=("1:1", "5:4"), extras=("clean",), shrink=8)
    shares: list[float] = []
    assert list(render(made, tmp_path, shares.append).media) == ["1x1.mp4", "5x4.mp4"]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] == 1


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1500])


def _broken_inside(path: Path) -> None:
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat") + 2_000
    data[begin:-2_000] = bytes(len(data) - 2_000 - begin)
    path.write_bytes(data)


@pytest.mark.parametrize("formats", [(), ("1:1", "9:16", "5:4")])
@pytest.mark.parametrize("damage", [_cut_short, _broken_inside])
def test_a_broken_clip_is_named_and_leaves_nothing(
    damage: Any, formats: Any, tmp_path: Path
) -> None:
    broken = film(tmp_path / "broken.mp4", seconds=4, size=(320, 240))
    damage(broken)
    image = still(tmp_path / "a.png", (64, 36))
    with pytest.raises(MediaError, match=r"^clips\[1\]: .*broken\.mp4"):
        _cut(tmp_path / "out", image, broken, formats=formats, shrink=8 if formats else 1)
    assert not list((tmp_path / "out").iterdir())


def test_a_file_of_the_wrong_kind_is_named(tmp_path: Path) -> None:
    sound, image = tone(tmp_path / "v.wav"), still(tmp_path / "a.png", (64, 36))
    clips = (Clip(media=image, seconds=0.1),)
    for number, (words, options) in enumerate({
        r"clips\[0\]: .*a sound": {"clips": (Clip(media=sound),)},
        r"overlays\[0\]: .*not an image": {"clips": clips, "overlays": (Overlay(media=sound),)},
        r"end_card\.image: .*not an image": {"clips": clips, "end_card": EndCard(image=sound)},
        r"narration: .*not a sound": {"clips": clips, "narration": image},
        r"music: .*a\.png": {"clips": clips, "music": Sound(role="music", repeat=True, media=image)},
        r"audio\[1\]: .*not a sound": {"clips": clips, "audio": (sound, image)},
    }.items()):  # fmt: skip
        with pytest.raises(MediaError, match=words):
            _rendered(Composition.model_validate(options), tmp_path / str(number))


def test_a_film_that_gets_smaller_shows_nothing_but_itself(tmp_path: Path) -> None:
    source = tmp_path / "a.webm"
    with av.open(str(source), "w") as container:
        shown = container.add_stream("libvpx", rate=12)
        shown.width, shown.height, shown.pix_fmt = 640, 360, "yuv420p"
        for begin, size in ((0, (640, 360)), (6, (32, 18))):
            encoder = av.VideoCodecContext.create("libvpx", "w")
            encoder.width, encoder.height = size
            encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, 12)
            for index in range(6):
                frame: av.VideoFrame = av.VideoFrame.from_image(  # type: ignore[no-untyped-call]  # so in av
                    Image.new("RGB", size, "white")
                )
                frame.pts, frame.time_base = begin + index, Fraction(1, 12)
                packets = [*encoder.encode(frame), *(encoder.encode(None) if index == 5 else ())]
                for packet in packets:
                    packet.stream = shown
                    container.mux(packet)
    _cut(tmp_path / "out", source, formats=("9:16",), shrink=4)
    last = _image(tmp_path / "out" / "9x16.mp4", 10).convert("L")
    darkest, _ = last.getextrema()
    assert isinstance(darkest, int)
    assert darkest > 240


def test_a_film_that_claims_any_width_by_its_pixels_is_named(tmp_path: Path) -> None:
    source = tmp_path / "wide.mkv"
    with av.open(str(source), "w") as container:
        video = container.add_stream("libx264", rate=12)
        video.width, video.height, video.pix_fmt = 640, 360, "yuv420p"
        video.codec_context.sample_aspect_ratio = Fraction(250)
        for index in range(6):
            frame = av.VideoFrame(640, 360, "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 12)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    made = Composition(clips=(Clip(media=source),), overlays=(Overlay(text="Order today"),))
    with pytest.raises(MediaError, match=r"^clips\[0\]: .*wide\.mkv: 160,000 × 360 pixels"):
        _rendered(made, tmp_path / "out")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    image = still(tmp_path / "a.png", (64, 36))
    with pytest.raises(MediaError, match="gone: cannot be written"):
        render(Composition(clips=(Clip(media=image),)), tmp_path / "gone", lambda share: None)
    with pytest.raises(MediaError, match="gone: cannot be written"):
        lay_out(Layout(image=image), tmp_path / "gone")


def _rendered_after(first: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A process that does something first and then cuts a film with sound."""
    code = (
        f"import sys; {first}\n"
        "from pathlib import Path\n"
        "from rivya_cut.composition import Clip, Composition\n"
        "from rivya_cut.final_cut import render\n"
        "render(Composition(clips=(Clip(media=Path(sys.argv[1])),)), Path(sys.argv[2]), print)\n"
    )
    source, out = film(folder / "a.mp4", sound=0.2), folder / "out"
    out.mkdir()
    command = [sys.executable, "-c", code, str(source), str(out)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    ended = _rendered_after(
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        " resource.setrlimit(resource.RLIMIT_FSIZE, (1200, 1200))",
        tmp_path,
    )
    assert re.search("MediaError: .* MAX_COMPOSED_BYTES", ended.stderr)
    assert "hint: give a smaller or shorter one\n" in ended.stderr
    assert [*(tmp_path / "out").iterdir()] == []


def test_a_cut_needs_no_numpy(tmp_path: Path) -> None:
    ended = _rendered_after("sys.modules['numpy'] = None", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert probe(tmp_path / "out" / "film.mp4").has_audio


def test_a_layout_is_a_picture_of_each_format_with_the_overlays(tmp_path: Path) -> None:
    logo = Overlay(media=still(tmp_path / "logo.png", (20, 20), "red"), width=0.3)
    image = still(tmp_path / "a.png", (64, 36), "blue")
    found = lay_out(Layout(image=image, overlays=(logo,), formats=("1:1", "9:16")), tmp_path)
    assert list(found.media) == ["1x1.png", "9x16.png"]
    with Image.open(tmp_path / "9x16.png") as made:
        assert (made.size, made.mode) == ((1080, 1920), "RGB")
        assert made.getpixel((900, 300)) == (255, 0, 0)
        assert made.getpixel((100, 1800)) == (0, 0, 255)


def test_a_layout_keeps_size_and_transparency_and_turns_a_photo_as_its_camera_was_held(
    tmp_path: Path,
) -> None:
    Image.new("RGBA", (41, 33), (0, 0, 255, 0)).save(tmp_path / "a.png")
    lay_out(Layout(image=tmp_path / "a.png"), tmp_path)
    with Image.open(tmp_path / "film.png") as made:
        assert (made.size, made.mode) == ((41, 33), "RGBA")
        assert made.getpixel((5, 5)) == (0, 0, 255, 0)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
    lay_out(Layout(image=tmp_path / "a.jpg"), tmp_path)
    with Image.open(tmp_path / "film.png") as made:
        assert made.size == (20, 40)


def _greys(image: Image.Image) -> bytes:
    return image.convert("L").tobytes()


def _scene(path: Path, *cues: Cue) -> Clip:
    """A film of 2 s with a tone, and what is said in it."""
    media = film(path, seconds=2, size=(96, 64), rate=10, sound=0.2)
    return Clip(media=media, speaks=True, cues=cues)


def test_a_joined_film_has_the_captions_of_its_clips_at_their_places(tmp_path: Path) -> None:
    joined = (Cue(0.0, 0.9, "One"), Cue(1.0, 1.9, "Two", burned_in=True))
    first, cut = _scene(tmp_path / "a.mp4", *joined), _scene(tmp_path / "b.mp4", *joined)
    cut = cut.model_copy(update={"start": 0.5, "seconds": 1.0})
    made = Composition(clips=(first, cut), captions=Captions(), extras=("clean",))
    found = _rendered(made, tmp_path / "out")
    shown = (Cue(2.0, 2.4, "One"), Cue(2.5, 3.0, "Two", burned_in=True))
    assert (found.cues, found.lost) == ((*joined, *shown), ())
    assert _drawn(tmp_path / "out", 5, 15, 22, 28) == [True, False, True, False]


def _drawn(folder: Path, *frames: int) -> list[bool]:
    """Whether a film shows captions at these frames that it has not without them."""
    names = ("film.mp4", "film-clean.mp4")
    both = [[_image(folder / name, at) for name in names] for at in frames]
    return [max(_greys(ImageChops.difference(*one))) > 40 for one in both]


def test_own_captions_are_drawn_over_those_of_a_clip_and_it_is_said(tmp_path: Path) -> None:
    scene = _scene(tmp_path / "a.mp4", Cue(0.0, 0.9, "One", burned_in=True))
    own = (Cue(0.5, 1.2, "Uno"), Cue(1.4, 1.9, "Due"))
    captions = Captions(cues=own, estimated=True)
    found = _rendered(
        Composition(clips=(scene,), captions=captions, extras=("clean",)), tmp_path / "out"
    )
    assert (found.cues, found.estimated) == ((replace(own[0], burned_in=True), own[1]), True)
    assert found.lost == ("captions lie on those of a clip from 0.5 s on",)
    assert _drawn(tmp_path / "out", 7, 16) == [True, True]


def test_captions_without_a_style_to_draw_are_known_and_not_seen(tmp_path: Path) -> None:
    scene = _scene(tmp_path / "a.mp4", Cue(0.5, 1.5, "One"))
    made = Composition(clips=(scene,), captions=Captions(style="none"), extras=("clean",))
    found = _rendered(made, tmp_path / "out")
    assert (found.cues, [*found.media]) == ((Cue(0.5, 1.5, "One"),), ["film.mp4"])


def test_a_clip_that_shall_speak_and_has_no_sound_is_named(tmp_path: Path) -> None:
    silent = Clip(media=film(tmp_path / "a.mp4", seconds=0.5), speaks=True)
    found = _rendered(Composition(clips=(silent,)), tmp_path / "out")
    assert found.lost == ("clips[0] does not speak: it has no sound",)


def test_a_transition_shows_no_caption_twice_at_a_time(tmp_path: Path) -> None:
    clips = tuple(
        _scene(tmp_path / f"{name}.mp4", Cue(0.1, 1.9, name.upper())) for name in ("a", "b")
    )
    made = Composition(clips=clips, transition=Transition(kind="fade", seconds=0.4))
    assert _rendered(made, tmp_path / "out").cues == (Cue(0.1, 1.9, "A"), Cue(1.9, 3.5, "B"))


def test_a_beat_has_its_own_narration_with_captions_by_its_pauses(tmp_path: Path) -> None:
    words = ((0.1, 0.9), (2.0, 2.8))
    narration = voice(tmp_path / "v.wav", words, 3)
    image = still(tmp_path / "a.png", (96, 64))
    beats: list[dict[str, Any]] = [
        {
            "media": image,
            "seconds": 1,
            "captions": {"cues": [{"start": 0.2, "end": 5, "text": "Zero"}]},
        },
        {"media": image, "narration": narration, "captions": "One fine word. " * 3},
        {"media": image, "narration": narration},
    ]
    made = {"clips": beats, "transition": {"kind": "fade", "seconds": 0.5}, "extras": ["clean"]}
    found = _rendered(Composition.model_validate(made), tmp_path / "out")
    assert seconds(found.media["film.mp4"]) == pytest.approx(7, abs=0.05)
    first, *spoken = found.cues
    assert (first.start, first.end) == (0.2, 1.0)
    assert spoken[0].start == pytest.approx(1.1, abs=0.1)
    assert spoken[1].start == pytest.approx(3.0, abs=0.1)
    assert all(cue.end <= 4.0 for cue in spoken)
    assert _drawn(tmp_path / "out", 12, 34, 110) == [True, True, False]
    wave = heard(tmp_path / "out" / "film.mp4")
    levels = [strength(wave[round(at * RATE) :][: RATE // 2], 180) for at in (1.2, 2.2, 4.2, 5.2)]
    assert min(levels[0], levels[2]) > 50 * max(levels[1], levels[3])


def test_what_is_not_heard_as_asked_for_is_said(tmp_path: Path) -> None:
    image, sound = still(tmp_path / "a.png", (64, 36)), tone(tmp_path / "a.wav", seconds=1)
    clips = (Clip(media=image, seconds=0.5),)
    late = Sound(media=sound, at=2, role="effect")
    found = _rendered(
        Composition(clips=clips, audio=(late, Sound(media=sound, seconds=3))), tmp_path / "out"
    )
    assert found.lost == (
        "audio[0] is not heard: it begins after the end of the film",
        "audio[1] lasts 1 s of 3 s: its medium ends",
    )
    beyond = Composition(clips=clips, audio=(late, Sound(media=sound, start=1)))
    with pytest.raises(MediaError, match=r"^audio\[1\]: .*a\.wav: lasts 1\.00 s; `start` is 1 s"):
        _rendered(beyond, tmp_path / "beyond")
