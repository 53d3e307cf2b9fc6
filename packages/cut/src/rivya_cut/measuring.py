"""Measures a medium: what is black, still, silent, clipped or of one colour in it.

Pictures are looked at small, so that noise, and what encoders do to single pixels, averages out; films
twelve times a second. Sound is weighted as ears do (ITU-R BS.1770).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation
from av.video.stream import VideoStream
from PIL import Image, ImageChops, ImageStat

from rivya_client.errors import MediaError
from rivya_cut.bounds import MAX_PACKETS, beyond
from rivya_cut.graphs import Step
from rivya_cut.measures import Measures
from rivya_cut.reading import decode_all, keeps_alpha, open_media, picture_stream, pictures, probe
from rivya_cut.rendering.planes import view
from rivya_cut.results import Probe
from rivya_cut.sound import METER, apply_filters, samples

_SIDE = 320  # pixels of the longer side at which pictures are looked at
_STEP = 0.08  # seconds between two looks at a film
# Beyond these, frames that no other needs are not decoded, and then only those that need no other.
_MANY_PIXELS_A_SECOND = 1920 * 1080 * 60
_MANY_PIXELS = 120 * _MANY_PIXELS_A_SECOND
_KEYS = 16  # evenly spaced frames that need no other say enough of a film, but not fewer

# All but the shares are of 255.
_BLACK, _SPECKS = 20, 0.001  # no brighter is a black picture, but for this share of its pixels
_NOISE = 12.0  # standard deviation of the pixels of one colour, at most
_FLAT, _FLAT_PART = 6, 8  # beside the noise, no more differ its parts, each of 8 by 8 pixels …
_STANDS_OUT, _SPECK = 8, 2  # … and no more by far its smallest ones
_MOVES = ((8, 12), (32, 4))  # parts of so many pixels change by so much: things, and the light
_SEETHES, _SEETHES_LOOKS = 0.12, 6  # mean change from look to look of grain, for so many looks

_SILENT_LUFS = -60.0  # of 0.4 s; nothing is heard below
_FULL = 116  # of 128: within 1 dB of full scale
_UNFILLED = 3  # windows, before there are 0.4 s
_NO_LUFS = -70.0  # the gate of the meter
_NUMBERS: Step = ("aformat", "sample_fmts=s16")  # the meter hears nothing after a NaN

Planes = Sequence[Image.Image]
"""Luma, two of colour, and opacity where parts may be transparent; each from 0 to 255."""


def measure(path: Path) -> Measures:
    """Measures an untrusted medium by its bytes; MediaError if it cannot be decoded, or exceeds a bound."""
    found = probe(path)
    if found.kind == "image":
        every = [*map(_planes_of, pictures(path, _SIDE))]
        black, blank = float(all(map(_is_black, every))), float(all(map(_is_blank, every)))
        return Measures("image", width=found.width, height=found.height, black=black, blank=blank)
    sound = _hear(path) if found.has_audio else _Sound()
    seen = _watch(path, found) if found.kind == "video" else None
    seconds, silent = sound.seconds if seen is None else seen.seconds, sound.silent
    if silent is not None and sound.seconds < seconds:  # the picture continues without it
        silent = 1 - (1 - silent) * sound.seconds / seconds
    if not seconds:
        raise MediaError(f"{path}: broken or cut short", "download or make it again")
    return Measures(
        media=found.kind,
        seconds=seconds,
        width=found.width,
        height=found.height,
        black=None if seen is None else seen.black / seconds,
        still=None if seen is None else seen.still,
        blank=None if seen is None else seen.blank / seconds,
        sound=found.has_audio,
        silent=silent,
        clipped=sound.clipped,
        loudness=sound.loudness,
        peak=sound.peak,
    )


def _planes_of(image: Image.Image) -> Planes:
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    opacity = [image.getchannel("A")] if image.mode == "RGBA" else []
    return [*image.convert("RGB").convert("YCbCr").split(), *opacity]


@dataclass
class _Seen:
    """Of a film, in seconds."""

    seconds: float = 0.0
    black: float = 0.0
    blank: float = 0.0
    still: float = 0.0


def _watch(path: Path, found: Probe) -> _Seen:
    seen, still, seething = _Seen(), 0.0, 0
    rest: Planes | None = None  # where the film last came to rest: a slow push adds up
    before: Planes | None = None
    for lasts, planes in _looks(path, found):
        seen.seconds += lasts
        seen.black += lasts * _is_black(planes)
        seen.blank += lasts * _is_blank(planes)
        seething = seething + 1 if before is not None and _change(before, planes) >= _SEETHES else 0
        before = planes
        if rest is None or seething >= _SEETHES_LOOKS or _moves(rest, planes):
            rest, still = planes, 0.0
        still += lasts
        seen.still = max(seen.still, still)
    return seen


def _looks(path: Path, found: Probe) -> Iterator[tuple[float, Planes]]:
    """Small pictures of a film, and how long each is seen."""
    with open_media(path) as container:
        stream = picture_stream(container)
        assert stream is not None  # so probed
        leaves_out = _leave_out(path, stream, found)
        looked: tuple[float, Planes] | None = None
        end = 0.0
        for count, frame in enumerate(decode_all(container, stream)):
            if count > MAX_PACKETS:
                raise beyond(path, f"{MAX_PACKETS:,} frames", "MAX_PACKETS")
            at = end if frame.pts is None else frame.time
            end = max(end, at + _duration(frame, stream))
            if looked is None:
                looked = at, _small(frame, stream)
                end = max(end, at + (found.duration_seconds or 0.0)) if leaves_out else end
            elif at >= looked[0] + 0.99 * _STEP:  # times are rounded
                yield at - looked[0], looked[1]
                looked = at, _small(frame, stream)
        if looked is not None:
            yield max(end - looked[0], 0.0), looked[1]


def _leave_out(path: Path, stream: VideoStream, found: Probe) -> bool:
    """Decodes no more of a large or long film than it takes; whether that leaves anything out."""
    context, seconds = stream.codec_context, found.duration_seconds or 0.0
    pace = context.width * context.height * float(stream.average_rate or 24)
    is_long = pace * seconds > _MANY_PIXELS
    if is_long and _longest_gap(path, seconds) <= seconds / _KEYS:
        context.skip_frame = "NONKEY"
    elif is_long or pace > _MANY_PIXELS_A_SECOND:
        context.skip_frame = "NONREF"
    else:
        return False
    return True


def _longest_gap(path: Path, seconds: float) -> float:
    """The longest time in a film without a frame that needs no other."""
    with open_media(path) as container:
        keys = sorted(
            float(packet.pts * packet.time_base)
            for packet in container.demux(picture_stream(container))
            if packet.is_keyframe and packet.pts is not None
        )
    ends = [*keys[1:], keys[0] + seconds] if keys else [seconds]
    return max(end - at for at, end in zip(keys or [0.0], ends, strict=True))


def _duration(frame: VideoFrame, stream: VideoStream) -> float:
    if frame.duration and frame.time_base:
        return float(frame.duration * frame.time_base)
    return 1 / float(stream.average_rate or 24)


def _small(frame: VideoFrame, stream: VideoStream) -> Planes:
    scale = max(frame.width, frame.height, _SIDE) / _SIDE
    width, height = (max(2, 2 * round(side / scale / 2)) for side in (frame.width, frame.height))
    seen = frame.reformat(
        width,
        height,
        "yuva420p" if keeps_alpha(stream) else "yuv420p",
        interpolation=Interpolation.AREA,
        dst_color_range=ColorRange.JPEG,
    )
    return [view(plane).copy() for plane in seen.planes]


def _is_black(planes: Planes) -> bool:
    if len(planes) > 3:  # what is behind transparent parts is not known
        return False
    levels = planes[0].histogram()
    return sum(levels[_BLACK:]) <= _SPECKS * sum(levels)


def _is_blank(planes: Planes) -> bool:
    return all(map(_is_flat, planes))


def _is_flat(plane: Image.Image) -> bool:
    """Whether it is of one level but for noise, out of which nothing stands."""
    noise = ImageStat.Stat(plane).stddev[0]
    return (
        noise <= _NOISE
        and _span(plane.reduce(_FLAT_PART)) <= _FLAT + noise
        and _span(plane.reduce(_SPECK)) <= _STANDS_OUT + 8 * noise
    )


def _span(plane: Image.Image) -> float:
    [(least, most)] = ImageStat.Stat(plane).extrema
    return most - least


def _change(before: Planes, now: Planes) -> float:
    """The mean change of brightness."""
    return ImageStat.Stat(ImageChops.difference(before[0], now[0])).mean[0]


def _moves(before: Planes, now: Planes) -> bool:
    for one, other in zip(before, now, strict=True):
        scale = one.width / before[0].width  # colour has half the pixels
        for side, least in _MOVES:
            part = max(1, round(side * scale))
            change = ImageChops.difference(one.reduce(part), other.reduce(part))
            if ImageStat.Stat(change).extrema[0][1] >= least:
                return True
    return False


@dataclass
class _Sound:
    """Of a sound."""

    seconds: float = 0.0
    silent: float | None = None
    clipped: float | None = None
    loudness: float | None = None
    peak: float | None = None


def _hear(path: Path) -> _Sound:
    levels, loudness = _Levels(), _NO_LUFS
    windows: list[float] = []
    for frame in apply_filters(samples(path, levels.add), _NUMBERS, *METER):
        if (level := frame.metadata.get("lavfi.r128.M")) is not None:
            windows.append(float(level))
            loudness = float(frame.metadata.get("lavfi.r128.I", loudness))
    whole = windows[_UNFILLED:]
    silent = sum(not level > _SILENT_LUFS for level in whole)  # digital silence may be no number
    return _Sound(
        seconds=levels.seconds,
        silent=silent / max(len(whole), 1),
        clipped=levels.full / max(levels.count, 1),
        loudness=loudness if loudness > _NO_LUFS else None,
        peak=20 * math.log10(levels.peak / 32768) if levels.peak else None,
    )


class _Levels:
    """The samples of a sound as they are in its file: mixed or at another rate, they have other peaks."""

    def __init__(self) -> None:
        self.count = self.full = self.peak = 0
        self.seconds = 0.0
        self._convert = AudioResampler(format="s16")

    def add(self, frame: AudioFrame) -> None:
        self.seconds += frame.samples / frame.sample_rate
        for one in self._convert.resample(frame):
            data = bytes(one.planes[0])[: 2 * one.samples * one.layout.nb_channels]
            values = array("h", data)
            if not values:
                continue
            self.count += len(values)
            self.peak = max(self.peak, max(values), -min(values))
            # The high bytes of little-endian numbers. Codecs that lose some round off what was clipped.
            heights = Image.frombytes("L", (len(values), 1), data[1::2]).histogram()
            self.full += sum(heights[_FULL : 256 - _FULL])
