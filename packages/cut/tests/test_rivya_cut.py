"""`rivya-cut` and the Python API by themselves; the examples of the README at a small size."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import rivya_cut
from rivya_client.errors import MediaError, UsageError
from rivya_cut.cli import run
from rivya_cut.subtitles import Cue
from support.composed_media import film, still, tone

pytestmark = pytest.mark.slow

README = Path(__file__).parents[1].joinpath("README.md").read_text("utf-8")


def example(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The media of the README's examples, as the current folder."""
    monkeypatch.chdir(tmp_path)
    film(tmp_path / "lamp.mp4", seconds=4, sound=0.1)
    still(tmp_path / "lamp.png", (96, 96), "gold")
    still(tmp_path / "logo.png", (40, 16), "red")
    tone(tmp_path / "voice.wav", seconds=3)
    tone(tmp_path / "music.wav", pitch=220)
    return tmp_path


def test_the_cut_of_the_readme_renders(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "cut.yaml").write_text(example("yaml"))
    assert run(["render", "cut.yaml", "--shrink", "16"]) == 0
    shown, notes = capsys.readouterr()
    assert notes == ""
    assert "out/9x16.mp4  68×120  8.1 s\n" in shown
    assert "out/captions.srt\n" in shown
    assert re.search(r"^-1[56]\.\d LUFS, true peak ", shown, re.MULTILINE)
    films = [f"{one}{clean}.mp4" for one in ("9x16", "1x1", "16x9") for clean in ("", "-clean")]
    wanted = {*films, "poster.jpg", "loop.gif", "captions.srt"}
    assert {path.name for path in (folder / "out").iterdir()} == wanted
    assert "Meet the Aurora lamp." in (folder / "out" / "captions.srt").read_text()


def test_the_python_example_of_the_readme_runs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = example("python").replace('"formats":', '"shrink": 8, "formats":')
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[-1] == "96"
    assert [path.name for path in (folder / "out").iterdir()] == ["9x16.mp4"]


def test_measure_prints_what_the_readme_says(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["measure", "lamp.mp4"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["media"] == "video"
    assert all(f"`{name}`" in README for name in found)


def test_probe_prints_what_a_file_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["probe", "lamp.png"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["width"], found["duration_seconds"]) == ("image", 96, None)
    assert run(["probe", "missing.png"]) == 1
    assert capsys.readouterr().err == (
        "error: missing.png: cannot be read: No such file or directory\n"
    )


def test_paths_and_subtitles_of_a_cut_count_from_its_folder(folder: Path) -> None:
    (folder / "subs.srt").write_text("1\n00:00:00,100 --> 00:00:00,400\nOrder today\n")
    path = folder / "cut.yaml"
    path.write_text("clips: [{media: lamp.png, seconds: 0.5}]\ncaptions: {file: subs.srt}\n")
    cut = rivya_cut.load(path)
    rendered = rivya_cut.render(cut, folder / "new" / "out")
    assert [cue.text for cue in rendered.cues] == ["Order today"]
    assert not rendered.estimated
    assert rendered.subtitles is None


def test_a_file_with_an_image_is_a_layout(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "card.yaml").write_text('image: lamp.png\noverlays: [{text: Hi}]\nformats: ["4:5"]\n')
    assert run(["render", "card.yaml", "--folder", ".", "--shrink", "8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["media"]["4x5.png"]["width"] == 136
    os.mkfifo("pipe")
    (folder / "card.yaml").write_text("image: pipe")
    assert run(["render", "card.yaml"]) == 1
    assert "pipe: cannot be read: it is not a regular file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clips: [", "not YAML: "),
        ("- a.mp4", "expected a map"),
        ("clips: [{media: a.mp4, secconds: 2}]", "clips[0].secconds: unknown key; did you mean 'seconds'?"),
        ("image: a.png\nclips: [a.mp4]", "clips: a layout, which has an `image`, takes no `clips`; remove one"),
        ("clips: [a.mp4]\nmusic: {font: x}", "music.font: unknown key; remove it"),
        ("formats: '1:1'", 'formats: expected a list; write `formats: ["1:1"]`'),
        ("image: a.png\nfor: [tiktok]", "for: a layout, which has an `image`, takes no `for`"),
        ("clips: [a.mp4]\nfor: [tictoc]", "for[0]: input should be 'tiktok', 'reels', "),
        ("clips: [a.mp4]\nfps: 12", "fps: input should be greater than or equal to 23.976"),
        ("clips: [a.mp4]\ncodec: av1", "codec: input should be 'h264' or 'h265'"),
        ("clips: a.mp4\nlength: long", "length: 'long' is not the length of a film; write speech, pic"),
        ("clips: [{media: a.mp4, seconds: 2 sec}]", "clips[0].seconds: '2 sec' is not a duration"),
        ("clips: [3]", "clips[0].media[0]: expected the path of a file"),
        ("captions: 5", "captions: expected a map; write `captions: {text: …}`"),
        ("overlays: [hello]", "overlays[0]: expected a map; write `overlays: [{media: …}]`"),
        ("overlays: [{text: 5}]", "overlays[0].text: expected text; put it in quotes"),
        ("captions: {cues: [hello]}", "captions.cues[0]: expected a map; write `cues: [{start: …}]`"),
        ("clips: [{media: a.mp4, captions: {style: plate}}]", "clips[0].captions.style: unknown key; remove it"),
        ("clips: [{media: a.mp4, cues: [{start: 0, end: 1, text: a, words: [.nan]}]}]", "words[0]: input should be a finite"),
        ("1: 2", "[1]: keys should be strings"),
        ("clips: [a.mp4]\nformats: [9:16]", "formats[0]: expected '16:9', '9:16', "),
        ("clips: [{media: a.mp4, seconds: 0}]", "clips[0].seconds: input should be greater than 0"),
        ("clips: [a.mp4]\nlook: {colours: [green]}", "look.colours[0]: 'green' is not a colour"),
        ("clips: [a.mp4]\noverlays: [{text: ' '}]", "overlays[0].text: the text is empty; write it"),
    ],
)  # fmt: skip
def test_a_wrong_file_says_where_and_what(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "cut.yaml").write_text(text)
    with pytest.raises(UsageError, match=re.escape(words)) as wrong:
        rivya_cut.load(tmp_path / "cut.yaml")
    assert str(wrong.value).startswith(f"{tmp_path / 'cut.yaml'}: ")
    assert wrong.value.hint


def test_a_wrong_file_or_call_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["render", str(tmp_path / "gone.yaml")]) == 2
    assert capsys.readouterr().err.splitlines()[1:] == ["hint: check the path"]
    assert run(["render"]) == 2
    (tmp_path / "cut.yaml").write_text("clips: [a.mp4]")
    assert run(["render", str(tmp_path / "cut.yaml"), "--shrink", "4"]) == 2
    assert "cut.yaml: no `formats` to shrink" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_render_with_its_code_and_leaves_nothing(
    number: signal.Signals, folder: Path
) -> None:
    (folder / "cut.yaml").write_text("clips: [{media: lamp.png, seconds: 3600}]")
    called = [sys.executable, "-m", "rivya_cut", "render", "cut.yaml", "-o", "new/out"]
    with subprocess.Popen(called, stderr=subprocess.PIPE, text=True) as render:
        while not list(folder.glob("new/out/.part-*/film.mp4")) and render.poll() is None:
            time.sleep(0.01)
        render.send_signal(number)
        assert render.communicate()[1] == f"error: stopped by {number.name}\n"
    assert render.returncode == 128 + number
    assert not (folder / "new").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "there is no picture"),
        ({"clips": "lamp.png", "length": "speech"}, "length: there is no speech"),
        ({"clips": "lamp.png", "posters": 3}, "posters: there is no `poster` among the `extras`"),
        ({"clips": ["lamp.png"], "overlays": [{}]}, r"overlays\[0\]: expected `media` or `text`"),
        ({"clips": [{"media": "lamp.png", "overlays": [{}]}]}, r"clips\[0\]\.overlays\[0\]: expected `media` or `text`"),
        ({"clips": ["lamp.png"], "captions": {"file": "lamp.srt"}}, r"captions\.file: lamp\.srt: cannot be read"),
        ({"clips": ["lamp.png"], "captions": {"file": "lamp.png"}}, r"captions\.file: lamp\.png: .*utf-8"),
        ({"clips": ["lamp.png"], "captions": {"text": "Hi", "file": "a"}}, "expected `text`, `file` or `cues`"),
        ({"clips": [{"media": "lamp.png", "captions": {"text": "Hi", "cues": [Cue(0, 1, "Hi")]}}]}, r"clips\[0\]\.captions: expected `text`, `file` or `cues`"),
        ({"clips": ["lamp.png"], "captions": {"file": "long.srt"}}, "more than 1,000,000 bytes: split the file"),
        ({"clips": ["lamp.png"], "look": {"font": Path("pipe")}}, "pipe: cannot be read: it is not a regular file"),
        ({"clips": ["lamp.png"], "codec": "h265", "formats": ["1:1"], "shrink": 32}, r"1x1\.mp4: 34 × 34 pixels are too few for H\.265"),
        ({"clips": ["gone.mp4"]}, r"clips\[0\]: gone\.mp4: cannot be read"),
        ({"clips": ["https://example.com/a.mp4"]}, "https:/example.com/a.mp4: cannot be read: it is a URL"),
        ({"clips": ["pipe"]}, "pipe: cannot be read: it is not a regular file"),
        ({"clips": ["lamp.png"], "captions": {"file": "pipe"}}, "pipe: cannot be read: it is not a regular file"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused_and_leaves_nothing(
    given: dict[str, object], words: str, folder: Path
) -> None:
    os.mkfifo("pipe")
    Path("long.srt").write_text("ā" * 600_000)
    with pytest.raises(MediaError, match=words):
        rivya_cut.render(rivya_cut.Composition.model_validate(given), "out")
    assert not (folder / "out").exists()


def test_a_timeline_needs_its_library_before_anything_is_rendered(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentimelineio", None)
    cut = rivya_cut.Composition.model_validate({"clips": "gone.png", "extras": ["otio"]})
    with pytest.raises(MediaError, match="`otio` needs OpenTimelineIO") as wrong:
        rivya_cut.render(cut, "out")
    assert "extra `otio`" in (wrong.value.hint or "")
