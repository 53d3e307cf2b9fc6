"""What a composition shows, how long it lasts, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from rivya_client.errors import MediaError
from rivya_cut.reading import probe
from support.composed_media import RATE, compose, film, greys, seconds, still, tone, turned


def test_the_last_frame_is_held_to_the_end_of_the_voice(tmp_path: Path) -> None:
    voice = tone(tmp_path / "voice.wav", seconds=2.5)
    found = compose(tmp_path / "out.mp4", film(tmp_path / "a.mp4"), audio=(voice,))
    assert seconds(found) == pytest.approx(2.5, abs=0.1)
    shown = greys(tmp_path / "out.mp4")
    assert len(shown) == 30
    assert min(shown[12:]) > 245
    assert shown[0] < 10


def test_a_looped_film_begins_again(tmp_path: Path) -> None:
    voice = tone(tmp_path / "voice.wav", seconds=2.5)
    compose(tmp_path / "out.mp4", film(tmp_path / "a.mp4"), audio=(voice,), fit="loop")
    shown = greys(tmp_path / "out.mp4")
    assert len(shown) == 30
    assert max(shown[12], shown[24]) < 10


@pytest.mark.parametrize(("film_seconds", "voice_seconds"), [(1.0, 2.0), (2.0, 1.0)])
def test_cut_ends_with_whichever_ends_first(
    film_seconds: float, voice_seconds: float, tmp_path: Path
) -> None:
    source = film(tmp_path / "a.mp4", seconds=film_seconds)
    voice = tone(tmp_path / "voice.wav", seconds=voice_seconds)
    found = compose(tmp_path / "out.mp4", source, audio=(voice,), fit="cut")
    assert seconds(found) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("fit", ["hold", "loop"])
def test_a_short_voice_leaves_the_film_its_length(fit: str, tmp_path: Path) -> None:
    voice = tone(tmp_path / "voice.wav", seconds=0.5)
    source = film(tmp_path / "a.mp4", seconds=1.5)
    found = compose(tmp_path / "out.mp4", source, audio=(voice,), fit=fit)
    assert seconds(found) == pytest.approx(1.5, abs=0.1)


def test_size_and_pace_of_the_film_are_kept(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4", size=(90, 160), rate=25)
    found = compose(tmp_path / "out.mp4", source, audio=(tone(tmp_path / "v.wav"),))
    assert (found.width, found.height) == (90, 160)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].average_rate == 25


@pytest.mark.parametrize(
    ("matrix", "dark"),
    [
        pytest.param((0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30), (24, 10), id="clockwise"),
        pytest.param((0, -1 << 16, 0, 1 << 16, 0, 0, 0, 0, 1 << 30), (8, 38), id="back"),
    ],
)
def test_a_film_from_a_phone_is_turned_upright(
    matrix: tuple[int, ...], dark: tuple[int, int], tmp_path: Path
) -> None:
    source = tmp_path / "a.mp4"
    with av.open(str(source), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 48, 32, "yuv420p"
        image = Image.new("L", (48, 32), "white")
        image.paste(0, (0, 0, 24, 16))
        frame: av.VideoFrame = av.VideoFrame.from_image(image.convert("RGB"))  # type: ignore[no-untyped-call]  # so in av
        frame.pts, frame.time_base = 0, Fraction(1, 10)
        container.mux(video.encode(frame))
        container.mux(video.encode(None))
    turned(source, *matrix)
    found = compose(tmp_path / "out.mp4", source)
    assert (found.width, found.height) == (probe(source).width, probe(source).height) == (32, 48)
    with av.open(str(tmp_path / "out.mp4")) as container:
        shown: Image.Image = next(container.decode(video=0)).to_image()  # type: ignore[no-untyped-call]  # so in av
        pixels = shown.convert("L").tobytes()
    corners = [(8, 10), (24, 10), (8, 38), (24, 38)]
    shades = [pixels[y * 32 + x] for x, y in corners]
    assert corners[shades.index(min(shades))] == dark


def test_a_nonsense_display_matrix_turns_nothing(tmp_path: Path) -> None:
    source = turned(film(tmp_path / "a.mp4"), 0, 0, 0, 0, 0, 0, 0, 0, 1 << 30)
    found = compose(tmp_path / "out.mp4", source)
    assert (found.width, found.height) == (96, 64)


def test_the_result_is_made_for_every_player(tmp_path: Path) -> None:
    compose(tmp_path / "o.mp4", film(tmp_path / "a.mp4"), audio=(tone(tmp_path / "v.wav"),))
    with av.open(str(tmp_path / "o.mp4")) as container:
        video, audio = container.streams.video[0].codec_context, container.streams.audio[0]
        assert (video.name, video.pix_fmt) == ("h264", "yuv420p")
        assert (video.color_primaries, video.color_trc, video.colorspace) == (1, 1, 1)
        assert (audio.codec_context.name, audio.rate, audio.layout.name) == ("aac", RATE, "stereo")
    data = (tmp_path / "o.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    source, voice = film(tmp_path / "a.mp4"), tone(tmp_path / "v.wav")
    for name in ("one.mp4", "two.mp4"):
        compose(tmp_path / name, source, audio=(voice,))
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


def test_stills_share_the_length_of_the_sound(tmp_path: Path) -> None:
    names = ("black", "white")
    images = tuple(still(tmp_path / f"{name}.png", (64, 36), name) for name in names)
    voice = tone(tmp_path / "voice.wav", seconds=2)
    found = compose(tmp_path / "out.mp4", images=images, audio=(voice,))
    shown = greys(tmp_path / "out.mp4")
    assert seconds(found) == pytest.approx(2, abs=0.1)
    assert shown[0] < 10
    assert shown[-1] > 245
    assert any(60 < grey < 200 for grey in shown)


def test_stills_without_sound_stand_for_three_seconds_each(tmp_path: Path) -> None:
    images = tuple(still(tmp_path / f"{n}.png", (64, 36)) for n in range(2))
    found = compose(tmp_path / "out.mp4", images=images)
    assert seconds(found) == pytest.approx(6, abs=0.1)
    assert not found.has_audio


@pytest.mark.parametrize(
    ("first", "shown"), [((2161, 3841), (1080, 1920)), ((63, 37), (62, 36)), ((1, 1), (2, 2))]
)
def test_the_first_still_gives_an_even_size_of_at_most_1080p(
    first: tuple[int, int], shown: tuple[int, int], tmp_path: Path
) -> None:
    images = (still(tmp_path / "a.png", first), still(tmp_path / "b.png", (40, 30)))
    voice = tone(tmp_path / "voice.wav", seconds=0.2)
    found = compose(tmp_path / "out.mp4", images=images, audio=(voice,))
    assert (found.width, found.height) == shown


def test_files_in_the_wrong_place_are_refused(tmp_path: Path) -> None:
    source, image = film(tmp_path / "a.mp4"), still(tmp_path / "a.png", (8, 8))
    with pytest.raises(MediaError, match="not a film"):
        compose(tmp_path / "out.mp4", video=image)
    with pytest.raises(MediaError, match="not an image"):
        compose(tmp_path / "out.mp4", images=(image, source))
    with pytest.raises(MediaError, match="not a sound"):
        compose(tmp_path / "out.mp4", source, audio=(image,))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    code = (
        "import resource, sys, signal; from pathlib import Path\n"
        "from rivya_cut.composition import Clip, Composition\n"
        "from rivya_cut.final_cut import render\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1200, 1200))\n"
        "render(Composition(clips=(Clip(media=Path(sys.argv[1])),)), Path(sys.argv[2]), print)\n"
    )
    source, out = film(tmp_path / "a.mp4"), tmp_path / "out"
    out.mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", code, str(source), str(out)], capture_output=True, text=True
    )
    message, hint = ended.stderr.splitlines()[-2:]
    assert "MediaError" in message
    assert "MAX_COMPOSED_BYTES" in message
    assert hint == "hint: give a smaller or shorter one"
    assert [*out.iterdir()] == []


def test_compose_needs_no_numpy(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['numpy'] = None; from pathlib import Path\n"
        "from rivya_cut.composition import Clip, Composition\n"
        "from rivya_cut.final_cut import render\n"
        "made = Composition(clips=(Clip(media=Path(sys.argv[1])),), audio=(Path(sys.argv[2]),))\n"
        "render(made, Path(sys.argv[3]), lambda share: None)\n"
    )
    image, voice = still(tmp_path / "a.png", (16, 16)), tone(tmp_path / "v.wav", seconds=0.2)
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run([sys.executable, "-c", code, str(image), str(voice), str(out)], check=True)
    assert probe(out / "film.mp4").has_audio
