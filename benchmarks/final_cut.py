"""Measures a final cut against plain transcoding: ``python -m benchmarks.final_cut [--json]``.

Both make 30 s in three formats from the same media: the cut has films and moving stills, joined by a
transition of each kind, with captions whose words light up, a logo, a narration and a beat that speaks
over music, and an end card; its peer scales and encodes 30 s of the same films with PyAV, and copies nothing
else. Each run has a process of its own, for its memory, and they take turns, so that other work on the
machine meets both.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import av
from PIL import Image

from rivya_cut.composition import (
    Captions,
    Clip,
    Composition,
    EndCard,
    Overlay,
    Sound,
    Transcript,
    Transition,
)
from rivya_cut.final_cut import render
from rivya_cut.terms import FORMATS, Format
from rivya_sandbox.renderers.render import render as generated
from rivya_sandbox.renderers.request import Kind, RenderRequest

RUNS = 3
_SIZES: tuple[Format, ...] = ("9:16", "1:1", "16:9")
_WORDS = "Meet the Aurora desk lamp. Warm light, made for you. Order today, and see it tomorrow."
_BEAT = "Fold it, and take it with you."
_RATE, _SECONDS, _FILM_SECONDS = 24, 30, 5


def media(folder: Path) -> Path:
    """Write the films, the still, the sounds and the logo."""
    film = {"duration": str(_FILM_SECONDS), "resolution": "720p"}
    wanted: dict[str, tuple[str, Kind, str, dict[str, str]]] = {
        "a.mp4": ("veo3-1-lite", "video", "A red sneaker", film | {"aspectRatio": "16:9"}),
        "b.mp4": ("veo3-1-lite", "video", "'Aurora' lamp", film | {"aspectRatio": "9:16"}),
        "c.png": ("z-image", "image", "Mountains at dawn", {"aspect_ratio": "16:9"}),
        "voice.mp3": ("elevenlabs-turbo-2-5", "audio", _WORDS, {}),
        "beat.mp3": ("elevenlabs-turbo-2-5", "audio", _BEAT, {}),
        "music.mp3": ("elevenlabs-turbo-2-5", "audio", _WORDS * 2, {}),
    }
    for name, (model, kind, prompt, params) in wanted.items():
        made = generated(RenderRequest(model, kind, prompt, params, seed=1))
        (folder / name).write_bytes(made[0].data)
    Image.new("RGBA", (400, 160), (230, 40, 60, 200)).save(folder / "logo.png")
    return folder


def cut(folder: Path, out: Path) -> None:
    beat = Clip(
        media=(folder / "c.png",),
        seconds=4,
        motion="pull-out",
        transition=Transition(kind="wipe"),
        narration=Sound(media=folder / "beat.mp3"),
        captions=Transcript(text=_BEAT),
    )
    composition = Composition(
        clips=(
            Clip(media=(folder / "a.mp4",), seconds=4.4),
            Clip(media=(folder / "c.png",), seconds=4, motion="push-in"),
            Clip(media=(folder / "b.mp4",), seconds=4.4, transition=Transition(kind="slide")),
            Clip(media=(folder / "a.mp4",), seconds=4.4, transition=Transition(kind="push")),
            beat,
            Clip(media=(folder / "b.mp4",), seconds=4.4, transition=Transition(kind="zoom")),
            Clip(media=(folder / "a.mp4",), seconds=4.4, transition=Transition(kind="cut")),
        ),
        transition=Transition(kind="fade", seconds=0.4),
        narration=Sound(media=folder / "voice.mp3"),
        music=Sound(media=folder / "music.mp3", role="music", repeat=True),
        captions=Captions(text=_WORDS, style="highlight"),
        overlays=(Overlay(media=folder / "logo.png"),),
        end_card=EndCard(title="Aurora", line="Order today"),
        formats=_SIZES,
        length=float(_SECONDS),
    )
    render(composition, out, lambda share: None)


def transcode(folder: Path, out: Path) -> None:
    for name in _SIZES:
        width, height = FORMATS[name]
        with av.open(str(out / "peer.mp4"), "w") as container:
            options = {"crf": "19", "preset": "veryfast"}
            stream = container.add_stream("libx264", rate=_RATE, options=options)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            sources = islice(cycle(("a.mp4", "b.mp4")), _SECONDS // _FILM_SECONDS)
            index = 0
            for source in sources:
                with av.open(str(folder / source)) as film:
                    for frame in islice(film.decode(video=0), _FILM_SECONDS * _RATE):
                        scaled = frame.reformat(width, height, "yuv420p")
                        scaled.pts, scaled.time_base = index, Fraction(1, _RATE)
                        scaled.pict_type = av.video.frame.PictureType.NONE
                        container.mux(stream.encode(scaled))
                        index += 1
            container.mux(stream.encode(None))


def measure(call: Callable[[Path, Path], None], folder: Path, out: Path) -> dict[str, float]:
    """Wall and processor time in seconds, and memory in MiB, of a process that does this alone."""
    wall, processor = time.perf_counter(), time.process_time()
    call(folder, out)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {
        "wall": time.perf_counter() - wall,
        "processor": time.process_time() - processor,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
    }


def in_turns(folder: Path, out: Path) -> dict[str, list[dict[str, float]]]:
    """What each run of both measured."""
    calls = {"final cut": cut, "plain transcode": transcode}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in calls}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        for name, call in [*calls.items()] * RUNS:
            found[name].append(pool.submit(measure, call, folder, out).result())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="Print the numbers as JSON.")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rivya-flows-bench-") as temporary:
        folder, out = media(Path(temporary)), Path(temporary) / "out"
        out.mkdir()
        runs = in_turns(folder, out)
    rows = {
        name: {
            "median": statistics.median(run["wall"] for run in made),
            "least": min(run["wall"] for run in made),
            "processor": statistics.median(run["processor"] for run in made),
            "memory": max(run["memory"] for run in made),
        }
        for name, made in runs.items()
    }
    if wanted.json:
        print(json.dumps({"rows": rows, "load": os.getloadavg()[0]}))
        return
    print("| 30 s in 9:16, 1:1 and 16:9 | median | minimum | processor | memory at most |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, row in rows.items():
        columns = " | ".join(f"{row[key]:.1f} s" for key in ("median", "least", "processor"))
        print(f"| {name} | {columns} | {row['memory']:.0f} MiB |")
    own, peer = rows.values()
    print(f"\nratio of medians {own['median'] / peer['median']:.2f}, ", end="")
    print(f"of processor time {own['processor'] / peer['processor']:.2f}")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
