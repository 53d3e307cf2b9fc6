"""What a decoder says that it rendered is believed only where it was asked for and is there."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from rivya_cut.composition import Captions, Clip, Composition, Layout
from rivya_cut.results import Loudness, Probe, Rendered
from rivya_cut.subtitles import MAX_SUBTITLES, Cue
from rivya_flows.media.decoding import checked_rendered, wanted_names

WORK = Composition(
    clips=(Clip(media=Path("a.png")),),
    formats=("9:16",),
    captions=Captions(text="Hi"),
    extras=("clean",),
)
FILM = Probe("video", "video/mp4", 4, 1080, 1920, 2.0)
GOOD = Rendered({"9x16.mp4": FILM}, (Cue(0, 1, "Hi"),), True, Loudness(-16, -1))


def answer(folder: Path, **changes: Any) -> Any:
    """The answer for a folder with one film."""
    folder.mkdir()
    (folder / "9x16.mp4").write_bytes(b"film")
    return asdict(GOOD) | changes


def test_files_have_the_names_that_the_request_implies() -> None:
    extras = Composition(
        clips=WORK.clips, formats=("9:16", "1:1"), extras=("poster", "gif", "clean")
    )
    must, may = wanted_names(extras)
    assert must == {"9x16.mp4", "1x1.mp4", "poster.jpg", "loop.gif"}
    assert may == {"9x16-clean.mp4", "1x1-clean.mp4"}
    assert wanted_names(Composition(clips=WORK.clips))[0] == {"film.mp4"}
    both = Composition(
        clips=WORK.clips, formats=("1:1",), platforms=("tiktok",), extras=("poster",), posters=3
    )
    must, may = wanted_names(both)
    assert must == {"1x1.mp4", "tiktok.mp4", "poster.jpg"}
    assert may == {"poster-2.jpg", "poster-3.jpg"}
    assert wanted_names(Layout(image=Path("a.png"), formats=("4:5",)))[0] == {"4x5.png"}


def test_what_was_asked_for_is_taken_and_everything_else_deleted(tmp_path: Path) -> None:
    found = answer(tmp_path / "out")
    (tmp_path / "out" / "pass-1.log").write_text("left behind")
    assert checked_rendered(found, WORK, tmp_path / "out") == GOOD
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["9x16.mp4"]


def test_a_timeline_is_taken_only_where_it_was_asked_for(tmp_path: Path) -> None:
    found = answer(tmp_path / "out", timeline="timeline.otio")
    (tmp_path / "out" / "timeline.otio").write_text("{}" + " " * 7_000_000)
    with pytest.raises(ValueError, match="a timeline that was not asked for"):
        checked_rendered(found, WORK, tmp_path / "out")
    asked = WORK.model_copy(update={"extras": ("otio",)})
    assert checked_rendered(found, asked, tmp_path / "out").timeline == "timeline.otio"
    assert (tmp_path / "out" / "timeline.otio").is_file()
    for text in ("[" * 100_000, "no JSON", "[]", '{"a": "\udcff"}'):
        (tmp_path / "out" / "timeline.otio").write_text(text, errors="surrogateescape")
        with pytest.raises(ValueError, match=r"no JSON object|Expecting value|can't decode"):
            checked_rendered(found, asked, tmp_path / "out")
    with pytest.raises(ValueError, match="a timeline"):
        checked_rendered({**found, "timeline": "9x16.mp4"}, asked, tmp_path / "out")


def linked(folder: Path) -> None:
    (folder.parent / "secret").write_bytes(b"mine")
    (folder / "9x16.mp4").unlink()
    (folder / "9x16.mp4").symlink_to(folder.parent / "secret")


def piped(folder: Path) -> None:
    (folder / "9x16.mp4").unlink()
    os.mkfifo(folder / "9x16.mp4")


@pytest.mark.parametrize(
    "change",
    [
        linked,
        piped,
        lambda folder: (folder / "9x16.mp4").write_bytes(b"another film"),
        lambda folder: (folder / "9x16.mp4").unlink(),
    ],
    ids=["a link", "a pipe", "another size", "no file"],
)
def test_a_file_that_is_not_what_it_is_said_to_be_is_refused(
    change: Callable[[Path], object], tmp_path: Path
) -> None:
    found = answer(tmp_path / "out")
    change(tmp_path / "out")
    with pytest.raises((ValueError, OSError)):
        checked_rendered(found, WORK, tmp_path / "out")


@pytest.mark.parametrize(
    "changes",
    [
        {"media": {}},
        {"media": {"9x16.mp4": FILM, "../../other.mp4": FILM}},
        {"media": {"1x1.mp4": FILM}},
        {"media": {"9x16.mp4": Probe("video", "video/webm", 4)}},
        {"media": {"9x16.mp4": Probe("video", "text/html", 4)}},
        {"media": {"9x16.mp4": Probe("video", "video/mp4", 4, 1, 1, float("inf"))}},
        {"cues": [{"start": 0, "end": float("nan"), "text": ""}]},
        {"cues": [{"start": 2, "end": 1, "text": ""}]},
        {"cues": [{"start": 0, "end": 1, "text": "a"}] * (MAX_SUBTITLES + 1)},
        {"cues": [{"start": 0, "end": 1, "text": "a" * 501}]},
        {"lost": ["a"] * 101},
        {"lost": ["a" * 501]},
    ],
)
def test_an_answer_out_of_bounds_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    found = answer(tmp_path / "out", **changes)
    with pytest.raises(ValueError, match=r"asked for|said to be|not a medium|bounds|validation"):
        checked_rendered(found, WORK, tmp_path / "out")


def test_silence_has_no_loudness(tmp_path: Path) -> None:
    found = answer(tmp_path / "out", loudness={"lufs": float("-inf"), "true_peak": float("-inf")})
    assert checked_rendered(found, WORK, tmp_path / "out").loudness is None
