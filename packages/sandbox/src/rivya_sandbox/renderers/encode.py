"""Pictures and sound as files: PNG, JPEG, WebP; MP3, WAV, Ogg Opus, M4A."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rivya_sandbox.renderers.png import png
from rivya_sandbox.renderers.request import Rendered

Samples = NDArray[np.floating[Any]]


SOFTWARE = "rivya-flows sandbox"  # written into every picture, so that it can be recognized

_EXIF_SOFTWARE = 0x0131
_MP3 = {"compression_level": "7"}  # LAME's "fast": two thirds of the time at the same rate


def is_ours(picture: Image.Image) -> bool:
    """Whether the opened file is a picture written by `encode_picture`."""
    if SOFTWARE in (picture.info.get("Software"), picture.getexif().get(_EXIF_SOFTWARE)):
        return True
    comment = picture.info.get("comment", b"")
    return bool(comment == SOFTWARE.encode())


def encode_picture(picture: Image.Image, kind: str) -> Rendered:
    """An RGB picture as a file.

    Args:
        picture: Mode RGB.
        kind: ``png``, ``jpeg`` or ``webp``.
    """
    stream = io.BytesIO()
    if kind == "jpeg":
        picture.save(stream, "JPEG", quality=92, subsampling=0, comment=SOFTWARE)
        return Rendered(stream.getvalue(), "image/jpeg", ".jpg")
    if kind == "webp":
        exif = Image.Exif()
        exif[_EXIF_SOFTWARE] = SOFTWARE
        picture.save(stream, "WEBP", quality=90, method=2, exif=exif)
        return Rendered(stream.getvalue(), "image/webp", ".webp")
    return Rendered(png(np.asarray(picture), SOFTWARE), "image/png", ".png")


@dataclass(frozen=True)
class _Coding:
    container: str
    codec: str
    sample_format: str
    rate: int
    bit_rate: int
    mime_type: str
    extension: str


def encode_sound(samples: Samples, rate: int, kind: str) -> Rendered:
    """Sound as a file.

    Args:
        samples: Shape ``(channels, n)`` with one or two channels, -1 to 1.
        rate: Samples in a second.
        kind: A container (``mp3 wav ogg opus m4a aac``) or one of the catalogue's formats
            (``mp3_44100_128``, ``pcm_16000``, ``ulaw_8000``, ``opus_48000_96``); PCM is
            wrapped in WAV, which has the rate. Anything else gives MP3.
    """
    coding = _coding(kind, rate, stereo=samples.shape[0] == 2)
    layout = "stereo" if samples.shape[0] == 2 else "mono"
    stream = io.BytesIO()
    with av.open(stream, "w", format=coding.container, options={"fflags": "+bitexact"}) as file:
        options: dict[str, Any] = {"layout": layout}
        if coding.codec == "libmp3lame":
            options["options"] = _MP3
        track = cast(av.AudioStream, file.add_stream(coding.codec, rate=coding.rate, **options))
        track.format = coding.sample_format
        if coding.bit_rate:
            track.bit_rate = coding.bit_rate
        for frame in _frames(samples, rate, coding, layout, track.codec_context):
            file.mux(track.encode(frame))
        file.mux(track.encode(None))
    return Rendered(stream.getvalue(), coding.mime_type, coding.extension)


def _coding(kind: str, rate: int, *, stereo: bool) -> _Coding:
    name, *numbers = kind.split("_")
    figures = [int(figure) for figure in numbers if figure.isdigit()]
    asked_rate = figures[0] if figures else 0
    kilobits = figures[1] if len(figures) > 1 else (160 if stereo else 96)
    if name in ("wav", "pcm"):
        return _Coding("wav", "pcm_s16le", "s16", asked_rate or rate, 0, "audio/wav", ".wav")
    if name in ("ulaw", "alaw"):
        codec = "pcm_mulaw" if name == "ulaw" else "pcm_alaw"
        return _Coding("wav", codec, "s16", asked_rate or 8000, 0, "audio/wav", ".wav")
    if name in ("opus", "ogg"):
        return _Coding("ogg", "libopus", "s16", 48000, kilobits * 1000, "audio/ogg", ".ogg")
    if name in ("m4a", "aac"):
        # The `ipod` muxer writes the M4A brand; plain `mp4` is read as video by other programs.
        return _Coding("ipod", "aac", "fltp", 44100, kilobits * 1000, "audio/mp4", ".m4a")
    return _Coding(
        "mp3", "libmp3lame", "s16p", asked_rate or 44100, kilobits * 1000, "audio/mpeg", ".mp3"
    )


def _frames(
    samples: Samples, rate: int, coding: _Coding, layout: str, context: av.AudioCodecContext
) -> list[av.AudioFrame]:
    whole = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples, np.float32), format="fltp", layout=layout
    )
    whole.sample_rate = rate
    whole.pts = 0
    context.open()  # only an open encoder has its frame size
    resampler = av.AudioResampler(
        format=coding.sample_format,
        layout=layout,
        rate=coding.rate,
        frame_size=context.frame_size or 4096,
    )
    return [*resampler.resample(whole), *resampler.resample(None)]
