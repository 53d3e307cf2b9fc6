"""What a final cut shows and leaves; films are tiny, and stills short."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from PIL import Image

from rivya_client.errors import MediaError
from rivya_cut.composition import (
    Captions,
    Clip,
    Composition,
    EndCard,
    Layout,
    Look,
    Music,
    Overlay,
    Transition,
)
from rivya_cut.final_cut import clip_sounds, lay_out, render
from rivya_cut.reading import open_media
from rivya_cut.rendering.timeline import ClipMedium, Shot, Timeline
from rivya_cut.results import Rendered
from rivya_cut.subtitles import Cue
from rivya_cut.terms import Format, Position
from support.composed_media import RATE, film, greys, heard, seconds, still, strength, tone, turned

_CUES = Captions(cues=(Cue(0.1, 0.5, "Order today"),))


def _rendered(composition: Composition, folder: Path) -> Rendered:
    folder.mkdir()
    return render(composition, folder, lambda share: None)


def _image(path: Path, frame: int = 0) -> Image.Image:
    with open_media(path) as container:
        for index, shown in enumerate(container.decode(video=0)):
            if index == frame:
                image: Image.Image = shown.to_image()  # type: ignore[no-untyped-call]  # so in av
                return image
    raise AssertionError(frame)


def _pixel(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    pixel = image.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return pixel


def test_each_format_is_a_film_of_its_size(tmp_path: Path) -> None:
    image = still(tmp_path / "a.png", (64, 36))
    clips = (Clip(media=image, seconds=0.25),)
    found = _rendered(Composition(clips=clips, formats=("1:1", "4:5")), tmp_path / "out")
    assert list(found.media) == ["1x1.mp4", "4x5.mp4"]
    assert [(one.width, one.height) for one in found.media.values()] == [(1080, 1080), (1080, 1350)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1x1.mp4", "4x5.mp4"]


def test_films_and_stills_follow_each_other_in_the_size_of_the_first(tmp_path: Path) -> None:
    black = still(tmp_path / "black.png", (64, 36), "black")
    clips = (Clip(media=film(tmp_path / "a.mp4"), start=0.5), Clip(media=black, seconds=0.5))
    found = _rendered(Composition(clips=clips), tmp_path / "out")
    made = found.media["film.mp4"]
    assert (made.width, made.height) == (96, 64)
    shown = greys(tmp_path / "out" / "film.mp4")
    assert len(shown) == 12
    assert shown[0] > 120
    assert shown[5] > 240
    assert max(shown[6:]) < 10


@pytest.mark.parametrize("kind", ["fade", "slide"])
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


def test_the_end_card_comes_after_the_narration_and_fades_in(tmp_path: Path) -> None:
    composition = Composition(
        clips=(Clip(media=still(tmp_path / "a.png", (64, 36), "white"), seconds=0.5),),
        narration=tone(tmp_path / "voice.wav", seconds=1.5),
        end_card=EndCard(seconds=0.5),
        look=Look(colours=("#000000",)),
    )
    found = _rendered(composition, tmp_path / "out")
    assert seconds(found.media["film.mp4"]) == pytest.approx(2, abs=0.1)
    shown = greys(tmp_path / "out" / "film.mp4")
    assert len(shown) == 48
    assert min(shown[:36]) > 245
    assert shown[-1] < 10
    assert 10 < shown[37] < 245


def test_captions_are_in_the_film_and_not_in_the_clean_one(tmp_path: Path) -> None:
    image = still(tmp_path / "a.png", (320, 180), "black")
    composition = Composition(
        clips=(Clip(media=image, seconds=0.6),), captions=_CUES, extras=("clean",)
    )
    found = _rendered(composition, tmp_path / "out")
    assert list(found.media) == ["film.mp4", "film-clean.mp4"]
    assert (found.cues, found.estimated) == (_CUES.cues, False)
    brightest = [
        max(_image(tmp_path / "out" / name, frame).convert("L").tobytes())
        for name in found.media
        for frame in (0, 7)
    ]
    assert [value > 150 for value in brightest] == [False, True, False, False]


def test_a_text_is_cut_and_timed_and_its_cues_are_estimated(tmp_path: Path) -> None:
    composition = Composition(
        clips=(Clip(media=film(tmp_path / "a.mp4")),),
        captions=Captions(text="One. Two."),
        end_card=EndCard(),
    )
    found = _rendered(composition, tmp_path / "out")
    assert found.estimated
    assert found.cues[-1].end <= 1.0


def test_no_film_is_made_twice_without_captions(tmp_path: Path) -> None:
    image = still(tmp_path / "a.png", (64, 36))
    composition = Composition(clips=(Clip(media=image, seconds=0.2),), extras=("clean",))
    assert list(_rendered(composition, tmp_path / "out").media) == ["film.mp4"]


def test_an_overlay_is_seen_until_the_end_card(tmp_path: Path) -> None:
    composition = Composition(
        clips=(Clip(media=still(tmp_path / "a.png", (200, 200), "black"), seconds=0.5),),
        overlays=(Overlay(image=still(tmp_path / "logo.png", (20, 20), "red"), width=0.3),),
        end_card=EndCard(seconds=0.5),
        look=Look(colours=("#000000",)),
    )
    _rendered(composition, tmp_path / "out")
    red = [_pixel(_image(tmp_path / "out" / "film.mp4", at), 165, 35)[0] for at in (0, 11, 23)]
    assert min(red[:2]) > 220
    assert red[2] < 20


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
    composition = Composition(clips=clips, reframe=reframe, look=Look(colours=("#00ff00",)))
    _rendered(composition, tmp_path / "out")
    seen = _image(tmp_path / "out" / "film.mp4", 3)
    assert _pixel(seen, 20, 100) == pytest.approx(side, abs=12)
    assert _pixel(seen, 100, 100) == pytest.approx((0, 0, 255), abs=12)


def test_a_blurred_ground_is_dark_unless_the_picture_has_a_white_one(tmp_path: Path) -> None:
    grounds = {"#e0ede6": (224, 237, 230), "#c7c7c7": (153, 153, 153), "#808080": (64, 64, 64)}
    for colour, side in grounds.items():
        image = still(tmp_path / f"{colour[1:]}.png", (200, 100), colour)
        composition = Composition(
            clips=(Clip(media=image, seconds=0.1),), formats=("1:1",), reframe="blur"
        )
        _rendered(composition, tmp_path / colour)
        seen = _image(tmp_path / colour / "1x1.mp4", 1)
        assert _pixel(seen, 540, 60) == pytest.approx(side, abs=6)
        layout = Layout(image=image, formats=("1:1",), reframe="blur")
        lay_out(layout, tmp_path / colour)
        with Image.open(tmp_path / colour / "1x1.png") as card:
            assert _pixel(card, 540, 60) == pytest.approx(side, abs=6)


def test_between_a_picture_and_its_blurred_ground_is_a_soft_seam(tmp_path: Path) -> None:
    image = still(tmp_path / "a.png", (200, 100), "#808080")
    lay_out(Layout(image=image, formats=("1:1",), reframe="blur"), tmp_path)
    film = Composition(clips=(Clip(media=image, seconds=0.1),), formats=("1:1",), reframe="blur")
    _rendered(film, tmp_path / "film")
    with Image.open(tmp_path / "1x1.png") as card:
        for picture in (card, _image(tmp_path / "film" / "1x1.mp4", 1)):
            column = [_pixel(picture, 540, y)[0] for y in range(picture.height)]
            assert (min(column), max(column)) == pytest.approx((64, 128), abs=3)
            assert max(abs(lower - upper) for upper, lower in pairwise(column)) < 4


def test_what_covers_an_overlay_or_has_no_font_is_said(tmp_path: Path) -> None:
    image = still(tmp_path / "a.png", (96, 64))
    wide = Overlay(image=still(tmp_path / "b.png", (96, 32)), width=0.9)
    overlays = (
        *(wide.model_copy(update={"position": one}) for one in ("top", "bottom", "bottom-left")),
        Overlay(text="日本", position="center"),
    )
    captions = Captions(cues=(Cue(0, 0.2, "Tea 🔥 日"), Cue(0.2, 0.4, "日")), position="middle")
    composition = Composition(
        clips=(Clip(media=image, seconds=0.5),), captions=captions, overlays=overlays
    )
    found = _rendered(composition, tmp_path / "out")
    assert found.lost == (
        "left out of the picture: no font has '日', '本', '🔥'",
        "1 caption lies on an overlay in film.mp4: there is no room for both",
        "overlays[1] lies on another in film.mp4: there is no room for both",
    )
    assert [cue.text for cue in found.cues] == ["Tea 🔥 日", "日"]
    layout = Layout(image=image, overlays=overlays)
    assert lay_out(layout, tmp_path).lost == (
        "left out of the picture: no font has '日', '本'",
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


def test_a_film_of_another_pace_keeps_its_length(tmp_path: Path) -> None:
    clips = (
        Clip(media=film(tmp_path / "a.mp4", rate=12)),
        Clip(media=film(tmp_path / "b.mp4", rate=30)),
    )
    found = _rendered(Composition(clips=clips), tmp_path / "out")
    assert seconds(found.media["film.mp4"]) == pytest.approx(2, abs=0.01)
    assert len(greys(tmp_path / "out" / "film.mp4")) == 24


def test_a_film_from_a_phone_is_upright_in_each_format(tmp_path: Path) -> None:
    source = turned(film(tmp_path / "a.mp4"), 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    found = _rendered(Composition(clips=(Clip(media=source, seconds=0.3),)), tmp_path / "out")
    assert (found.media["film.mp4"].width, found.media["film.mp4"].height) == (64, 96)


def test_a_film_is_heard_where_it_is_seen(tmp_path: Path) -> None:
    image = still(tmp_path / "a.png", (96, 64))
    clips = (Clip(media=image, seconds=1), Clip(media=film(tmp_path / "a.mp4", sound=0.3)))
    _rendered(Composition(clips=clips), tmp_path / "out")
    wave = heard(tmp_path / "out" / "film.mp4")
    assert len(wave) / 48_000 == pytest.approx(2, abs=0.05)
    assert strength(wave[57_600:86_400], 220) > 20 * strength(wave[:43_000], 220)


def test_a_held_film_is_silent_and_a_restarted_one_sounds_again(tmp_path: Path) -> None:
    medium = ClipMedium("clips[0]", tmp_path / "a.mp4", (96, 64), Fraction(10), 1.5, has_sound=True)
    shot = Shot(medium, 25, 10, start=0.5)
    held = Timeline(Fraction(10), (shot,), (), Transition(), 25)
    [sound] = clip_sounds(held)[medium.path]
    assert (sound.at, sound.count) == (0, RATE)
    looped = replace(held, shots=(replace(shot, looped=True),))
    found = clip_sounds(looped)[medium.path]
    assert [(one.skip, one.at, one.count) for one in found] == [
        (RATE // 2, 0, RATE),
        (RATE // 2, RATE, RATE),
        (RATE // 2, 2 * RATE, RATE // 2),
    ]


def test_sounds_of_clips_fade_with_their_transition(tmp_path: Path) -> None:
    medium = ClipMedium("clips[0]", tmp_path / "a.mp4", (96, 64), Fraction(10), 2, has_sound=True)
    shots = (Shot(medium, 20, 20), Shot(medium, 20, 20))
    faded = Timeline(Fraction(10), shots, (4,), Transition(kind="fade"), 36)
    one, other = clip_sounds(faded)[medium.path]
    fade, join = 0.4 * RATE, 0.01 * RATE
    assert (one.at, one.fade_in, one.fade_out) == (0, join, fade)
    assert (other.at, other.fade_in, other.fade_out) == (1.6 * RATE, fade, join)


def test_poster_and_loop_are_of_the_first_format(tmp_path: Path) -> None:
    composition = Composition(
        clips=(Clip(media=still(tmp_path / "a.png", (600, 300), "black"), seconds=0.5),),
        overlays=(
            Overlay(image=still(tmp_path / "logo.png", (20, 20), "red"), width=0.3, start=0.3),
        ),
        extras=("poster", "gif"),
        end_card=EndCard(seconds=0.5),
    )
    found = _rendered(composition, tmp_path / "out")
    assert list(found.media) == ["film.mp4", "poster.jpg", "loop.gif"]
    poster = Image.open(tmp_path / "out" / "poster.jpg")
    assert poster.size == (600, 300)
    assert _pixel(poster, 490, 50)[0] > 200
    with Image.open(tmp_path / "out" / "loop.gif") as loop:
        assert (loop.size, loop.n_frames) == ((480, 240), 12)  # type: ignore[attr-defined]  # of a GIF
        assert loop.info["loop"] == 0


def test_a_film_keeps_names_and_tells_what_is_lost(tmp_path: Path) -> None:
    with av.open(str(film(tmp_path / "a.mp4"))) as read:
        stream = read.streams.video[0]
        with av.open(str(tmp_path / "b.mp4"), "w") as container:
            container.metadata.update({"artist": "Aurora", "comment": "take 3"})
            copied = container.add_stream_from_template(stream)
            for packet in read.demux(stream):
                if packet.dts is not None:
                    packet.stream = copied
                    container.mux(packet)
    found = _rendered(Composition(clips=(Clip(media=tmp_path / "b.mp4"),)), tmp_path / "out")
    assert found.lost == ("comment of b.mp4",)
    with av.open(str(tmp_path / "out" / "film.mp4")) as made:
        assert made.metadata["artist"] == "Aurora"


def test_the_film_is_made_for_every_player(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4", seconds=3, sound=0.2)
    _rendered(Composition(clips=(Clip(media=source),)), tmp_path / "out")
    made = tmp_path / "out" / "film.mp4"
    with av.open(str(made)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        keys = [float(one.pts * one.time_base) for one in container.demux(video) if one.is_keyframe]  # type: ignore[operator]  # of a muxed packet
        context = video.codec_context
        assert (context.profile, context.pix_fmt) == ("High", "yuv420p")
        assert (context.color_primaries, context.color_trc, context.colorspace) == (1, 1, 1)
        assert context.color_range == 1
        assert (audio.codec_context.name, audio.rate, audio.layout.name) == (
            "aac",
            48_000,
            "stereo",
        )
    assert keys == [0, 2]
    data = made.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_a_film_has_a_keyframe_every_two_seconds_and_square_pixels(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4", seconds=4.5, rate=Fraction(30_000, 1_001))
    _rendered(Composition(clips=(Clip(media=source),)), tmp_path / "out")
    with open_media(tmp_path / "out" / "film.mp4") as container:
        stream = container.streams.video[0]
        assert stream.sample_aspect_ratio == 1
        keys = [frame.time for frame in container.decode(stream) if frame.key_frame]
    assert len(keys) > 1
    assert max(b - a for a, b in pairwise(keys)) <= 2


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    image = still(tmp_path / "a.png", (96, 64))
    composition = Composition(
        clips=(
            Clip(media=film(tmp_path / "a.mp4", sound=0.2)),
            Clip(media=image, seconds=1, motion="push-in"),
        ),
        transition=Transition(kind="fade"),
        captions=_CUES,
        extras=("gif",),
    )
    for name in ("one", "two"):
        _rendered(composition, tmp_path / name)
    for name in ("film.mp4", "loop.gif"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_share_that_is_done_grows_to_one(tmp_path: Path) -> None:
    image = still(tmp_path / "a.png", (64, 36))
    composition = Composition(clips=(Clip(media=image, seconds=0.2),), formats=("1:1", "5:4"))
    shares: list[float] = []
    render(composition, tmp_path, shares.append)
    assert shares == sorted(shares)
    assert shares[0] > 0
    assert shares[-1] == 1


@pytest.mark.parametrize("formats", [(), ("1:1", "9:16")])
def test_a_broken_clip_is_named_and_leaves_nothing(
    formats: tuple[Format, ...], tmp_path: Path
) -> None:
    good, broken = film(tmp_path / "a.mp4"), tmp_path / "broken.mp4"
    broken.write_bytes(good.read_bytes()[:1500])
    with pytest.raises(MediaError, match=r"^clips\[1\]: .*broken\.mp4"):
        _rendered(
            Composition(clips=(Clip(media=good), Clip(media=broken)), formats=formats),
            tmp_path / "out",
        )
    assert not list((tmp_path / "out").iterdir())


def test_a_clip_that_breaks_inside_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4", seconds=4, size=(320, 240))
    data = bytearray(source.read_bytes())
    begin = data.index(b"mdat") + 2_000
    data[begin:-2_000] = bytes(len(data) - 2_000 - begin)
    source.write_bytes(data)
    image = still(tmp_path / "a.png", (64, 36))
    clips = (Clip(media=image, seconds=0.1), Clip(media=source))
    with pytest.raises(MediaError, match=r"^clips\[1\]: "):
        _rendered(Composition(clips=clips, formats=("1:1", "4:5", "5:4")), tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_file_of_the_wrong_kind_is_named(tmp_path: Path) -> None:
    sound, image = tone(tmp_path / "v.wav"), still(tmp_path / "a.png", (64, 36))
    whole = Composition(clips=(Clip(media=image, seconds=0.1),))
    wrong = {
        r"clips\[0\]: .*a sound": whole.model_copy(update={"clips": (Clip(media=sound),)}),
        r"overlays\[0\]: .*not an image": whole.model_copy(
            update={"overlays": (Overlay(image=sound),)}
        ),
        r"end_card\.image: .*not an image": whole.model_copy(
            update={"end_card": EndCard(image=sound)}
        ),
        r"narration: .*not a sound": whole.model_copy(update={"narration": image}),
        r"music\.audio: .*a\.png": whole.model_copy(update={"music": Music(audio=image)}),
        r"audio\[1\]: .*not a sound": whole.model_copy(update={"audio": (sound, image)}),
    }
    for index, (words, composition) in enumerate(wrong.items()):
        with pytest.raises(MediaError, match=words):
            _rendered(composition, tmp_path / str(index))


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
    made = Composition(clips=(Clip(media=source),), formats=("9:16",))
    _rendered(made, tmp_path / "out")
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


def test_a_text_in_hardly_any_room_is_drawn_as_small_as_it_must(tmp_path: Path) -> None:
    image = still(tmp_path / "a.png", (64, 36))
    places: tuple[Position, ...] = ("top", "left", "lower-third")
    overlays = tuple(Overlay(text="Order\ntoday", position=one, width=5e-324) for one in places)
    made = Composition(clips=(Clip(media=image, seconds=0.1),), overlays=overlays)
    assert _rendered(made, tmp_path / "out").media


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    image = still(tmp_path / "a.png", (64, 36))
    with pytest.raises(MediaError, match="gone: cannot be written"):
        render(Composition(clips=(Clip(media=image),)), tmp_path / "gone", lambda share: None)
    with pytest.raises(MediaError, match="gone: cannot be written"):
        lay_out(Layout(image=image), tmp_path / "gone")


class TestLayout:
    def test_each_format_is_a_picture_with_the_overlays(self, tmp_path: Path) -> None:
        logo = Overlay(image=still(tmp_path / "logo.png", (20, 20), "red"), width=0.3)
        image = still(tmp_path / "a.png", (64, 36), "blue")
        found = lay_out(Layout(image=image, overlays=(logo,), formats=("1:1", "9:16")), tmp_path)
        assert list(found.media) == ["1x1.png", "9x16.png"]
        with Image.open(tmp_path / "9x16.png") as made:
            assert (made.size, made.mode) == ((1080, 1920), "RGB")
            assert made.getpixel((900, 300)) == (255, 0, 0)
            assert made.getpixel((100, 1800)) == (0, 0, 255)

    def test_an_image_keeps_its_own_size_and_transparency(self, tmp_path: Path) -> None:
        Image.new("RGBA", (41, 33), (0, 0, 255, 0)).save(tmp_path / "a.png")
        lay_out(Layout(image=tmp_path / "a.png"), tmp_path)
        with Image.open(tmp_path / "film.png") as made:
            assert (made.size, made.mode) == ((41, 33), "RGBA")
            assert made.getpixel((5, 5)) == (0, 0, 255, 0)

    def test_a_photo_is_turned_as_its_camera_was_held(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
        lay_out(Layout(image=tmp_path / "a.jpg"), tmp_path)
        with Image.open(tmp_path / "film.png") as made:
            assert made.size == (20, 40)
