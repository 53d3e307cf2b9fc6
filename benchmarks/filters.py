"""Measures what rivya-cut does beside the filters of FFmpeg: ``python -m benchmarks.filters [--json]``.

Sound: a spoken text of 8 s over a steady tone of 60 Hz, which the voice lacks, so that the gain of the music can be
read off. Camera: a white dot while the camera moves in for 3 s; a smooth move has no second difference. Fade: 24
frames in Full HD.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
import wave
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

from av.audio.frame import AudioFrame
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from PIL import Image, ImageDraw

from rivya_cut.graphs import link, ready
from rivya_cut.placing import PlacedSound
from rivya_cut.rendering.planes import frame_of, frame_of_image, image_of, planes_of
from rivya_cut.rendering.reframe import placement
from rivya_cut.rendering.shots import _place
from rivya_cut.rendering.transitions import blend
from rivya_cut.sound import RATE, Piece, apply_filters, samples
from rivya_cut.soundtrack import _loudness, soundtrack
from rivya_cut.speech import find_speech
from rivya_sandbox.renderers.render import render as generated
from rivya_sandbox.renderers.request import RenderRequest

_WORDS = (
    "Meet the Aurora desk lamp. Warm light, made for you. Order today, and see it tomorrow. "
    "It is small, it is quiet, and it stays cool."
)
_PITCH, _SECONDS, _STEP = 60, 20, RATE // 4
_MOVES, _FADES, _FULL_HD = 72, 24, (1920, 1080)
_SHAPE = ("aformat", f"sample_fmts=fltp:channel_layouts=stereo:sample_rates={RATE}")


def media(folder: Path) -> tuple[Path, Path]:
    """A voice and a tone."""
    voice, tone = folder / "voice.wav", folder / "tone.wav"
    order = RenderRequest("elevenlabs-turbo-2-5", "audio", _WORDS, {"output_format": "wav"}, seed=1)
    voice.write_bytes(generated(order)[0].data)
    with wave.open(str(tone), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        turn = 2 * math.pi * _PITCH / RATE
        values = (round(9_800 * math.sin(turn * at)) for at in range((_SECONDS + 4) * RATE))
        file.writeframes(array("h", values).tobytes())
    return voice, tone


def by_filters(voice: Path, tone: Path) -> Iterator[AudioFrame]:
    """The same mix by loudnorm and sidechaincompress."""
    graph, total = Graph(), _SECONDS * RATE
    clock = Fraction(1, RATE)
    pads = [
        graph.add_abuffer(sample_rate=RATE, format="fltp", layout="stereo", time_base=clock)
        for _ in range(2)
    ]
    said = link(graph, pads[0], [("apad", f"whole_len={total}"), ("asplit", "2")])
    music = link(graph, pads[1], [("loudnorm", "I=-20:TP=-2"), _SHAPE])
    duck = graph.add("sidechaincompress", "threshold=0.02:ratio=12:attack=80:release=600")
    mix = graph.add("amix", "2:normalize=0:duration=longest")
    music.link_to(duck, 0, 0)
    said.link_to(duck, 1, 1)
    said.link_to(mix, 0, 0)
    duck.link_to(mix, 0, 1)
    cut = ("atrim", f"end_sample={total}")
    sink = link(graph, mix, [cut, ("loudnorm", "I=-16:TP=-1.5"), _SHAPE, ("abuffersink", "")])
    graph.configure()
    for pad, path in zip(pads, (voice, tone), strict=True):
        for frame in samples(path):
            pad.push(frame)
        pad.push(None)
    for made in ready(sink.pull):
        assert isinstance(made, AudioFrame)
        yield made


def strength(frames: Iterable[AudioFrame]) -> list[float]:
    """Amplitude of the tone in each quarter of a second."""
    left = array("f")
    for frame in apply_filters(iter(frames), ("lowpass", "f=90"), ("lowpass", "f=90")):
        left.frombytes(bytes(frame.planes[0])[: 4 * frame.samples])
    steps = (left[at : at + _STEP] for at in range(0, len(left) - _STEP, _STEP))
    return [math.sqrt(sum(value * value for value in one) / _STEP) for one in steps]


def sound(make: Callable[[], Iterable[AudioFrame]], voice: Path, tone: Path) -> dict[str, float]:
    """Loudness, true peak and how far the gain of the music moves, in LU, dBTP and dB."""
    began = time.process_time()
    frames = list(make())
    seconds = time.process_time() - began
    found = _loudness(iter(frames))
    pairs = zip(strength(frames), strength(samples(tone)), strict=False)
    gains = [20 * math.log10(made / given) for made, given in pairs]
    speech = find_speech(samples(voice))
    spans = [(at / 4, at / 4 + 0.25, gain) for at, gain in enumerate(gains)]
    inside = [
        gain
        for begin, end, gain in spans
        if any(one + 0.3 <= begin and end <= other - 0.1 for one, other in speech)
    ]
    after = [gain for begin, _, gain in spans if speech[-1][1] + 1.5 <= begin < _SECONDS - 2]
    return {
        "lufs": found.lufs,
        "true_peak": found.true_peak,
        "under_speech": sum(inside) / len(inside) - sum(after) / len(after),
        "moves_in_speech": max(inside) - min(inside),
        "processor": seconds,
    }


def camera(frames: Callable[[VideoFrame], Sequence[VideoFrame]]) -> dict[str, float]:
    """Second difference of the dot's way in pixels, root mean square, and milliseconds for a frame."""
    image = Image.new("RGB", _FULL_HD)
    ImageDraw.Draw(image).ellipse((1500, 700, 1560, 760), fill="white")
    began = time.process_time()
    made = frames(frame_of_image(image))
    seconds = time.process_time() - began
    ways = []
    for frame in made:
        seen = image_of(frame).convert("L").point([0] * 9 + [*range(9, 256)]).tobytes()
        columns = [sum(seen[x :: frame.width]) for x in range(frame.width)]
        ways.append(sum(x * light for x, light in enumerate(columns)) / sum(columns))
    jolts = [ways[at] - 2 * ways[at + 1] + ways[at + 2] for at in range(len(ways) - 2)]
    trembles = math.sqrt(sum(one * one for one in jolts) / len(jolts))
    return {"trembles": trembles, "processor_ms": 1000 * seconds / len(made)}


def our_camera(still: VideoFrame) -> list[VideoFrame]:
    place = placement(_FULL_HD, (1280, 720), "crop", "push-in")
    canvas = still.reformat(*place.canvas)
    return [_place(canvas, place, at / (_MOVES - 1), None) for at in range(_MOVES)]


def zoompan(larger: int) -> Callable[[VideoFrame], list[VideoFrame]]:
    def frames(still: VideoFrame) -> list[VideoFrame]:
        share = f"(on/{_MOVES})"
        zoom = f"z='1+0.12*{share}*{share}*(3-2*{share})':x='(iw-iw/zoom)/2':y='(ih-ih/zoom)/2'"
        graph = Graph()
        clock = Fraction(1, 24)
        begin = graph.add_buffer(
            width=still.width, height=still.height, format=VideoFormat("yuv420p"), time_base=clock
        )
        steps = [("scale", f"iw*{larger}:-1"), ("zoompan", f"{zoom}:d={_MOVES}:s=1280x720:fps=24")]
        link(graph, begin, [*steps, ("format", "yuv420p"), ("buffersink", "")])
        graph.configure()
        still.pts, still.time_base = 0, clock
        graph.vpush(still)
        graph.vpush(None)
        return list(ready(graph.vpull))[:_MOVES]

    return frames


def fades() -> dict[str, float]:
    """Milliseconds for a frame of a fade, by Pillow and by xfade."""
    noise = frame_of_image(Image.effect_noise(_FULL_HD, 80).convert("RGB"))
    grey = frame_of_image(Image.new("RGB", _FULL_HD, "grey"))
    began = time.process_time()
    for step in range(_FADES):
        blend(noise, grey, step / _FADES)
    ours = time.process_time() - began
    graph, clock = Graph(), Fraction(1, 24)
    pads = [
        graph.add_buffer(width=1920, height=1080, format=VideoFormat("yuv420p"), time_base=clock)
        for _ in range(2)
    ]
    given = [[frame_of(planes_of(one)) for one in (noise, grey)] for _ in range(_FADES + 1)]
    began = time.process_time()
    fade = graph.add("xfade", f"transition=fade:duration={_FADES / 24}:offset=0")
    for number, pad in enumerate(pads):
        link(graph, pad, [("settb", "1/24"), ("fps", "24")]).link_to(fade, 0, number)
    sink = link(graph, fade, [("buffersink", "")])
    graph.configure()
    made = 0
    for at, pair in enumerate(given):
        for pad, frame in zip(pads, pair, strict=True):
            frame.pts, frame.time_base = at, clock
            pad.push(frame)
        made += len(list(ready(sink.pull)))
    theirs = time.process_time() - began
    return {"pillow": 1000 * ours / _FADES, "xfade": 1000 * theirs / max(1, made)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="Print the numbers as JSON.")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rivya-flows-bench-") as folder:
        voice, tone = media(Path(folder))
        length = round(_SECONDS * RATE)
        speech, under = (Piece(partial(samples, path), 0, length) for path in (voice, tone))
        sounds = [
            PlacedSound(
                "narration", "speech", speech, -16, None, speech=find_speech(samples(voice))
            ),
            PlacedSound("music", "music", under, -20, True),
        ]

        def ours() -> Iterator[AudioFrame]:
            track = soundtrack(sounds, -16, _SECONDS)
            assert track is not None
            return track.frames()

        rows = {
            "sound, rivya-cut": sound(ours, voice, tone),
            "sound, filters": sound(lambda: by_filters(voice, tone), voice, tone),
            "camera, rivya-cut": camera(our_camera),
            **{f"camera, zoompan at {n}x": camera(zoompan(n)) for n in (1, 2, 4)},
            "fade, ms for a frame": fades(),
        }
    if wanted.json:
        print(json.dumps(rows))
        return
    for name, row in rows.items():
        print(f"{name}: " + ", ".join(f"{key} {value:.2f}" for key, value in row.items()))


if __name__ == "__main__":
    main()
