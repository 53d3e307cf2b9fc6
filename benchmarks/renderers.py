"""Measures the renderers against plain encoding: ``python benchmarks/renderers.py``.

Prints a table: median and minimum of several runs after a warm-up, and the median processor time,
which other work on the machine affects least. The ratio of medians is to a
peer measured in the same run: Pillow's PNG encoder on the same picture, x264 on as many plain
frames of the same size, and the speech itself, which takes as long as it is heard.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from rivya_sandbox.renderers.film import FPS
from rivya_sandbox.renderers.h264 import encode_film
from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import RenderRequest
from rivya_sandbox.renderers.still import draw

RUNS = 5
_PROMPTS = ("'Aurora' perfume bottle", "A red sneaker", "Mountains at dawn", "lamp, poster", "chai")
_SENTENCE = "Meet the Aurora desk lamp. Warm light, made for you. "


@dataclass(frozen=True)
class Took:
    """Times of several runs in seconds.

    Attributes:
        median: Of wall time.
        least: Minimum wall time, which other work on the machine affects least.
        processor: Median of processor time, of all threads together.
    """

    median: float
    least: float
    processor: float


def took(call: Callable[[int], object], runs: int = RUNS) -> Took:
    """Times of ``call(0) … call(runs - 1)``, after a warm-up call."""
    call(0)
    walls, processors = [], []
    for run in range(runs):
        wall, processor = time.perf_counter(), time.process_time()
        call(run)
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return Took(float(np.median(walls)), min(walls), float(np.median(processors)))


def still(run: int) -> object:
    order = RenderRequest("z-image", "image", _PROMPTS[run], {"aspect_ratio": "1:1"}, seed=run)
    return render(order)


def png(run: int) -> object:
    stream = io.BytesIO()
    _PICTURE.save(stream, "PNG")
    return stream


def film(run: int) -> object:
    params = {"aspectRatio": "16:9", "duration": "5", "resolution": "720p"}
    return render(RenderRequest("veo3-1-lite", "video", _PROMPTS[run], params, seed=run))


def plain_film(run: int) -> object:
    frames = (np.full((1080, 1280), 40 + index, np.uint8) for index in range(5 * FPS))
    return encode_film(frames, (1280, 720), fps=FPS)


def speech(run: int) -> object:
    return render(RenderRequest("elevenlabs-turbo-2-5", "audio", _SENTENCE * 3, seed=run))


_PICTURE: Image.Image = draw(_PROMPTS[0], 0, (1024, 1024))


def main() -> None:
    rows = (
        ("still, 1024 x 1024", still, "PNG encode by Pillow", took(png).median),
        ("film, 5 s of 720p", film, "x264 on plain frames", took(plain_film, 3).median),
        ("speech, 10 s", speech, "listening to it", 10.0),
    )
    print("| request | median | minimum | processor | peer | its time | ratio |")
    print("| --- | ---: | ---: | ---: | --- | ---: | ---: |")
    for name, call, peer, other in rows:
        own = took(call, 3 if call is film else RUNS)
        print(
            f"| {name} | {own.median:.2f} s | {own.least:.2f} s | {own.processor:.2f} s "
            f"| {peer} | {other:.2f} s | {own.median / other:.2f} |"
        )
    print(f"\nload {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
