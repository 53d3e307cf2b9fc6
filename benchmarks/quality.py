"""Measures what the measures of quality find, and what they refuse by mistake: ``python -m benchmarks.quality``.

Makes 400 good media of many kinds and 200 with each fault by a seed, measures each as a run does, and
prints a table: how many of the good ones would be refused, and how many of each fault are found. The
defaults were chosen on seed 1; the table of docs/reference/quality.md is of another.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from benchmarks import quality_media as media
from benchmarks.quality_media import RATE, SIZES, Film, Medium, Random, Scene
from PIL import Image

from rivya_cut.measures import Measures
from rivya_cut.measuring import measure
from rivya_flows.language.quality import FAULTS, Expected, Fault, FaultName, Limits, faults

GOOD, EACH = 400, 200
_ASPECTS = {
    "1:1": (256, 256), "16:9": (336, 192), "9:16": (192, 336), "4:3": (288, 224), "3:4": (224, 288),
    "3:2": (304, 208), "2:3": (208, 304), "21:9": (384, 160), "4:5": (224, 280),
}  # fmt: skip
"""Sizes as models make them: by multiples of 8, a few percent beside what was asked for."""


@dataclass(frozen=True)
class Result:
    """A medium of the corpus, and what was measured on it."""

    what: str
    fault: FaultName | None
    expected: Expected
    found: Measures
    seconds: float

    def faults(self, limits: Limits) -> tuple[Fault, ...]:
        return faults(self.found, self.expected, limits)


# The corpus


def film(random: Random, scene: Scene, size: tuple[int, int], seconds: float) -> Film:
    """As some encoder would write it."""
    made = Film(scene, seconds, size, rate=int(random.choice([8, 12, 16])))
    made.options = {"g": str(random.choice([12, 24, 60, 250]))}
    match int(random.integers(12)):
        case 0:
            made.codec, made.options["deadline"] = "libvpx-vp9", "realtime"
            made.options |= {"cpu-used": "8", "crf": str(random.integers(20, 45)), "b": "0"}
        case 1:
            made.codec, made.options["preset"] = "libx265", "ultrafast"
            made.options |= {"crf": str(random.integers(20, 34)), "x265-params": "log-level=none"}
        case _:
            made.options |= {"preset": "veryfast", "crf": str(random.integers(17, 31))}
    return made


def good(random: Random, stem: Path) -> Medium:
    kind = random.random()
    if kind < 0.5:
        return good_film(random, stem)
    if kind < 0.75:
        return good_image(random, stem)
    name, sound = media.good_sound(random)
    path = stem.with_suffix(str(random.choice([".wav", ".mp3", ".m4a", ".ogg", ".flac"])))
    media.write_sound(path, sound)
    return Medium(path, name, None, Expected(sound=True))


def good_film(random: Random, stem: Path) -> Medium:
    size, asked = SIZES[random.integers(len(SIZES))], random.uniform(2, 3.5)
    kind = media.GOOD_FILMS[random.integers(len(media.GOOD_FILMS))]
    made = film(random, kind(random, size), size, asked * random.uniform(0.96, 1.05))
    if kind is media.grain:  # else the encoder smooths it away
        made.options["crf"] = str(random.integers(17, 25))
    sounds = random.random() < 0.5
    if sounds:
        made.sound = media.good_sound(random)[1]
    expected = Expected(asked, size[0] / size[1], sounds)
    return _film(stem, made, random, kind.__name__.replace("_", " "), None, expected)


def _film(
    stem: Path, made: Film, random: Random, what: str, fault: FaultName | None, expected: Expected
) -> Medium:
    path = stem.with_suffix(
        ".webm" if made.codec == "libvpx-vp9" and made.sound is None else ".mp4"
    )
    media.write_film(path, made, random)
    return Medium(path, what, fault, expected)


def good_image(random: Random, stem: Path) -> Medium:
    name = str(random.choice([*_ASPECTS]))
    size = _ASPECTS[name]
    kind, frame = media.good_image(random, size)
    width, height = map(int, name.split(":"))
    path = stem.with_suffix(str(random.choice([".png", ".jpeg", ".webp"])))
    media.write_image(path, frame, random)
    return Medium(path, kind, None, Expected(aspect=width / height))


def black(random: Random, stem: Path) -> Medium:
    size, seconds = SIZES[random.integers(len(SIZES))], random.uniform(2, 3.5)
    kind = str(
        random.choice(["black", "noise", "dark grey", "ghost", "after a moment", "before a moment"])
    )
    level, sigma = random.uniform(0, 9), random.uniform(0.5, 5)
    seen = media.push(random, size)
    dark = media.plain(size, np.zeros(3, np.float32))
    until = seconds * random.uniform(0.05, 0.15)
    scenes: dict[str, Scene] = {
        "black": lambda t: dark,
        "noise": lambda t: dark + media.noise(random, size, sigma),
        "dark grey": lambda t: dark + np.float32(level) + media.noise(random, size, sigma / 3),
        "ghost": lambda t: seen(t) * np.float32(0.02 + level / 400),
        "after a moment": lambda t: (
            seen(t) if t < until else dark + media.noise(random, size, sigma / 2)
        ),
        "before a moment": lambda t: seen(t) if t > seconds - until else dark,
    }
    made = film(random, scenes[kind], size, seconds)
    return _film(stem, made, random, kind, "black", Expected())


def frozen(random: Random, stem: Path) -> Medium:
    size, seconds = SIZES[random.integers(len(SIZES))], random.uniform(2.5, 4)
    kind = str(
        random.choice(
            ["all of it", "with its grain", "after a moment", "encoded twice", "few bits"]
        )
    )
    whole = media.GOOD_FILMS[random.integers(len(media.GOOD_FILMS))](random, size)
    held = whole(1.3)
    if kind == "with its grain":
        held = held + media.noise(random, size, random.uniform(1, 7))
    moves = random.uniform(0.05, 0.2) * seconds if kind == "after a moment" else 0
    made = film(random, lambda t: whole(t) if t < moves else held, size, seconds)
    if kind == "few bits":
        bits = round(random.uniform(0.06, 0.15) * size[0] * size[1] * made.rate)
        made.codec, made.options = "libx264", {"b": str(bits), "g": "12", "preset": "veryfast"}
    path = stem.with_suffix(".mp4")
    media.write_film(path, made, random)
    if kind == "encoded twice":
        frames = media.read_film(path)
        again = film(
            random, lambda t: frames[min(round(t * made.rate), len(frames) - 1)], size, seconds
        )
        again.rate = made.rate
        media.write_film(path, again, random)
    return Medium(path, kind, "frozen")


def silent(random: Random, stem: Path) -> Medium:
    seconds = random.uniform(2, 4)
    what, sound = media.silence(random, seconds)
    if sound is not None and random.random() < 0.6:
        path = stem.with_suffix(str(random.choice([".wav", ".mp3", ".m4a", ".ogg", ".flac"])))
        media.write_sound(path, sound)
        return Medium(path, what, "silent", Expected(sound=True))
    size = SIZES[0]
    made = film(random, media.handheld(random, size), size, seconds)
    made.sound, made.codec = sound, "libx264"
    made.options = {"preset": "veryfast"}
    return _film(stem, made, random, what, "silent", Expected(sound=True))


def clipped(random: Random, stem: Path) -> Medium:
    what, sound = media.overdriven(random)
    path = stem.with_suffix(str(random.choice([".wav", ".mp3", ".m4a", ".ogg", ".flac"])))
    media.write_sound(path, sound)
    return Medium(path, what, "clipped", Expected(sound=True))


def short(random: Random, stem: Path) -> Medium:
    made = good_film(random, stem) if random.random() < 0.3 else None
    if made is None:
        path = stem.with_suffix(str(random.choice([".wav", ".mp3", ".m4a", ".ogg", ".flac"])))
        _, sound = media.good_sound(random)
        media.write_sound(path, sound)
        made = Medium(path, "sound", None, Expected(len(sound) / RATE, sound=True))
    missing = random.uniform(0.15, 0.6)
    asked = (made.expected.seconds or 1) / (1 - missing)
    what = f"{made.path.suffix.removeprefix('.')}"
    return Medium(made.path, what, "short", replace(made.expected, seconds=asked))


def _exact_size(aspect: str) -> tuple[int, int]:
    """As models make it that do not round: about as many pixels as those of `_ASPECTS`."""
    width, height = map(int, aspect.split(":"))
    scale = 2 * max(1, round((64_000 / (width * height)) ** 0.5 / 2))
    return width * scale, height * scale


def shape(random: Random, stem: Path) -> Medium:
    one, other = map(str, random.choice([*_ASPECTS], 2, replace=False))
    width, height = map(int, other.split(":"))
    asked = Expected(aspect=width / height)
    size = _ASPECTS[one] if random.random() < 0.5 else _exact_size(one)
    what = f"{one} for {other}"
    if random.random() < 0.3:
        made = film(random, media.handheld(random, size), size, 1.5)
        return _film(stem, made, random, what, "shape", asked)
    path = stem.with_suffix(".jpeg")
    media.write_image(path, media.still(int(random.integers(9)), size), random)
    return Medium(path, what, "shape", asked)


def blank(random: Random, stem: Path) -> Medium:
    size = SIZES[random.integers(len(SIZES))]
    what, frame = media.blank_image(random, size)
    if random.random() < 0.4:
        sigma = random.uniform(0, 4) if random.random() < 0.5 else 0
        made = film(random, lambda t: frame + media.noise(random, size, sigma), size, 2)
        return _film(stem, made, random, f"film: {what}", "blank", Expected())
    if what == "transparent":
        path = stem.with_suffix(".png")
        Image.new("RGBA", size, (*map(int, frame[0, 0]), 0)).save(path)
    else:
        path = stem.with_suffix(str(random.choice([".png", ".jpeg", ".webp"])))
        media.write_image(path, frame, random)
    return Medium(path, what, "blank")


_MAKERS: dict[FaultName | None, Callable[[Random, Path], Medium]] = {
    None: good, "black": black, "frozen": frozen, "silent": silent, "clipped": clipped,
    "short": short, "shape": shape, "blank": blank,
}  # fmt: skip


# The table


def measured(folder: Path, keep: bool, job: tuple[int, int, FaultName | None]) -> Result:
    seed, number, fault = job
    random = np.random.default_rng([seed, number])
    made = _MAKERS[fault](random, folder / f"{seed}-{number:04}")
    began = time.process_time()
    found = measure(made.path)
    took = time.process_time() - began
    if not keep:
        made.path.unlink()
    return Result(made.what, made.fault, made.expected, found, took)


def corpus(seed: int, share: float, folder: Path, keep: bool = False) -> Iterator[Result]:
    wanted = [None] * round(GOOD * share)
    jobs = [*wanted, *(one for one in FAULTS for _ in range(round(EACH * share)))]
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        yield from pool.map(
            partial(measured, folder, keep),
            [(seed, number, fault) for number, fault in enumerate(jobs)],
            chunksize=8,
        )


def table(results: list[Result], limits: Limits) -> Iterator[str]:
    yield "| media | made | refused | share | missed, or refused by mistake |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for fault in (None, *FAULTS):
        group = [one for one in results if one.fault == fault]
        names = [{found.name for found in one.faults(limits)} for one in group]
        enough = (
            {fault, "black"} if fault in ("frozen", "blank") else {fault}
        )  # a black film is both
        hits = [bool(one & enough) if fault else bool(one) for one in names]
        wrong = Counter(
            one.what + ("" if fault else f": {', '.join(sorted(found))}")
            for one, found, hit in zip(group, names, hits, strict=True)
            if hit == (fault is None)
        )
        told = ", ".join(f"{what} ({many})" for what, many in sorted(wrong.items()))
        share = sum(hits) / max(len(group), 1)
        yield f"| {fault or 'good'} | {len(group)} | {sum(hits)} | {share:.1%} | {told} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--share", type=float, default=1.0, help="Of the corpus; 0.1 for a look.")
    parser.add_argument("--keep", type=Path, help="A folder for the media and measures.json.")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rivya-flows-bench-") as temporary:
        folder = wanted.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        results = [*corpus(wanted.seed, wanted.share, folder, wanted.keep is not None)]
    print("\n".join(table(results, Limits())))
    films = [one for one in results if one.found.seconds]
    pace = sum(one.seconds for one in films) / sum(one.found.seconds or 0 for one in films)
    print(
        f"\nseed {wanted.seed}; measured in {pace:.1%} of real time; load {os.getloadavg()[0]:.1f}"
    )
    if wanted.keep:
        rows = [
            [n, one.what, one.fault, vars(one.expected), vars(one.found)]
            for n, one in enumerate(results)
        ]
        (wanted.keep / "measures.json").write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
