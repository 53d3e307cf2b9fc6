"""Measures and frames from the decoder process: what it says is believed only where it can be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import pytest

from rivya_cut.measures import Measures
from rivya_flows.errors import MediaError
from rivya_flows.media import decoder
from rivya_flows.media.decoding import checked_frames, checked_measures, frames, measure
from support.composed_media import film, tone

GOOD = Measures("video", 5.0, 16, 9, black=0.5, still=1.0, blank=0.0, sound=True, silent=1.0)


def test_measures_of_a_medium_are_taken_as_they_are() -> None:
    assert checked_measures(asdict(GOOD)) == GOOD


@pytest.mark.parametrize(
    "lie",
    [
        {"black": 1.5}, {"silent": -0.1}, {"blank": float("nan")}, {"seconds": float("inf")},
        {"still": -1.0}, {"loudness": float("-inf")}, {"width": -1}, {"media": "text"}, {"sound": None},
    ],
)  # fmt: skip
def test_measures_that_no_medium_has_are_refused(lie: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"bounds|validation error"):
        checked_measures(asdict(GOOD) | lie)


def written(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_bytes(b"png")
    return folder


def linked(folder: Path) -> Path:
    (folder / "0002.png").symlink_to("/etc/hostname")
    return written(folder, "0001.png")


def test_frames_that_were_asked_for_are_taken(tmp_path: Path) -> None:
    folder = written(tmp_path, "0001.png", "0002.png")
    found = checked_frames(["0001.png", "0002.png"], folder, 3)
    assert found == (tmp_path / "0001.png", tmp_path / "0002.png")


@pytest.mark.parametrize(
    ("names", "fill"),
    [
        (["0001.png", "0002.png", "0003.png"], lambda at: written(at, "0001.png", "0002.png", "0003.png")),
        (["0001.png", "0002.png"], lambda at: written(at, "0001.png")),
        (["0001.png"], lambda at: written(at, "0001.png", "more.png")),
        (["0001.png", "0002.png"], linked),
        (["../1.png"], lambda at: written(at, "0001.png")),
        ([], lambda at: at),
    ],
    ids=["too many", "missing", "others", "a link", "another folder", "none"],
)  # fmt: skip
def test_other_frames_are_refused(
    names: list[str], fill: Callable[[Path], Path], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="other frames than those asked for"):
        checked_frames(names, fill(tmp_path), 2)


def test_a_file_is_measured_again_only_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def measured() -> Measures:
        return await measure(path)

    path = film(tmp_path / "a.mp4")
    found = asyncio.run(measured())
    assert (found.media, found.width, found.sound) == ("video", 96, False)

    def refuse() -> NoReturn:
        raise MediaError("it decodes")

    with monkeypatch.context() as patched:
        patched.setattr(decoder, "running", refuse)
        assert asyncio.run(measured()) == found
        film(path, sound=0.1)
        with pytest.raises(MediaError, match="it decodes"):
            asyncio.run(measured())
    assert asyncio.run(measured()).sound  # an error is not remembered


def test_a_medium_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot be read: No such file"):
        asyncio.run(measure(tmp_path / "a.mp4"))


def test_the_folder_of_frames_is_gone_where_there_are_none(tmp_path: Path) -> None:
    found = asyncio.run(frames(film(tmp_path / "a.mp4"), tmp_path / "out", 3))
    assert [path.name for path in found] == ["0001.png", "0002.png", "0003.png"]
    with pytest.raises(MediaError, match="has no picture"):
        asyncio.run(frames(tone(tmp_path / "a.wav"), tmp_path / "none", 3))
    assert not (tmp_path / "none").exists()
