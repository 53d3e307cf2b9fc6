"""What a simulated judge sees in a picture or a text: how good it is, and why, in plain words."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rivya_sandbox.renderers.references import open_picture
from rivya_sandbox.renderers.request import ReferenceMedium

_SIDE = 256  # pixels at which pictures are looked at
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_PASSES = 0.4
_FLAT = 0.02  # contrast below which a picture has one colour
_HYPE = re.compile(
    r"!{2,}|\b(?:best|cheapest|amazing|incredible|unbelievable|revolutionary|ultimate|buy now"
    r"|ever made|guaranteed|world[- ]class)\b|\b[A-Z]{4,}\b"
)
_EMPTY = re.compile(r"\b(?:very|really|nice|good|great|quality|solution|experience)\b", re.I)


@dataclass(frozen=True)
class Review:
    """A judgement.

    Attributes:
        merit: 0 (poor) to 1 (good); equal contents have equal merit.
        reason: Two remarks, such as ``sharp, calm background``.
        faults: The remarks that speak against it; may be empty.
    """

    merit: float
    reason: str
    faults: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether it is good enough: a score of about 5.6 of 10."""
        return self.merit >= _PASSES


@dataclass(frozen=True)
class _Remark:
    """One quality: how much of it there is (0 to 1), its weight, and both words for it."""

    value: float
    weight: float
    good: str
    bad: str


def of_picture(path: Path) -> Review:
    """A judgement by sharpness, contrast, exposure, colour and calm of the picture in a file."""
    content = path.read_bytes() if path.is_file() else b""
    try:
        picture = open_picture(ReferenceMedium("image", path, ""))
    except (OSError, ValueError):
        return Review(0.0, "the picture cannot be read", ("the picture cannot be read",))
    picture.thumbnail((_SIDE, _SIDE))
    remarks = _remarks_on(np.asarray(picture, np.float32) / 255)
    # Two remarks: a picture of one colour, as plain media are.
    least, span = (0.34, 0.5) if len(remarks) > 2 else (0.35, 0.6)
    return _sum_remarks(remarks, content, least=least, span=span, chance=1 / 6)


def _remarks_on(pixels: np.ndarray) -> list[_Remark]:
    light = pixels @ _LUMA
    low, high = np.percentile(light, [5, 95])
    mean, contrast = float(light.mean()), float(high - low)
    warm = pixels[..., 0] - pixels[..., 1]
    cool = (pixels[..., 0] + pixels[..., 1]) / 2 - pixels[..., 2]
    colour = np.hypot(warm.std(), cool.std()) + 0.3 * np.hypot(warm.mean(), cool.mean())
    exposure = _Remark(
        1 - abs(mean - 0.52) / 0.4, 0.2, "well exposed", "dark" if mean < 0.52 else "too bright"
    )
    if contrast < _FLAT or min(light.shape) < 3:
        vivid = float(np.ptp(pixels.mean(axis=(0, 1))))
        return [exposure, _Remark(vivid / 0.8, 0.2, "a vivid plain colour", "a dull plain colour")]
    edges = np.hypot(np.diff(light, axis=1)[:-1], np.diff(light, axis=0)[:, :-1])
    rim = np.ones_like(edges, bool)
    across, down = edges.shape[0] // 5, edges.shape[1] // 5
    rim[across : edges.shape[0] - across, down : edges.shape[1] - down] = False
    busy = float((edges[rim] > 0.06).mean()) if rim.any() else 0.0
    return [
        _Remark((float(np.percentile(edges, 99)) - 0.1) / 0.3, 0.3, "sharp", "a little soft"),
        _Remark((contrast - 0.4) / 0.4, 0.2, "strong contrast", "little contrast"),
        exposure,
        _Remark(float(colour) / 0.38, 0.15, "rich colours", "little colour"),
        _Remark(1 - busy / 0.3, 0.15, "calm background", "busy background"),
    ]


def of_text(text: str) -> Review:
    """A judgement by length, plain words, repetition and concrete detail of a text."""
    words = re.findall(r"[\w\u0900-\u097f]+(?:['’-]\w+)*", text)
    count = max(len(words), 1)
    lowered = [word.lower() for word in words]
    loud = len(_HYPE.findall(text)) + len(_EMPTY.findall(text)) / 2
    long = sum(len(word) >= 5 for word in words) / count
    length = min(count / 4, 1.0) if count <= 30 else max(0.0, 1 - (count - 30) / 120)
    remarks = [
        _Remark(length, 0.3, "the right length", "says little" if count <= 30 else "too long"),
        _Remark(1 - loud / 2, 0.3, "plain words", "promises too much"),
        _Remark(len(set(lowered)) / count * 2 - 1, 0.2, "no word too many", "repeats itself"),
        _Remark(long * 2, 0.2, "concrete", "vague"),
    ]
    return _sum_remarks(remarks, " ".join(lowered).encode(), least=0.55, span=0.6, chance=0.5)


def _sum_remarks(
    remarks: Sequence[_Remark], content: bytes, *, least: float, span: float, chance: float
) -> Review:
    """The judgement of some remarks; sums from `least` on are spread over `span`.

    What looks alike still differs, by up to `chance`, and the same each time.
    """
    values = [min(max(remark.value, 0.0), 1.0) for remark in remarks]
    weights = [remark.weight for remark in remarks]
    total = sum(value * weight for value, weight in zip(values, weights, strict=True))
    lot = int.from_bytes(hashlib.sha256(content).digest()[:2]) / 65535 - 0.5
    linear = (total / sum(weights) - least) / span + lot * chance
    merit = 1 / (1 + math.exp(-5 * (linear - 0.5)))  # towards the ends, ever less
    ranked = sorted(zip(values, remarks, strict=True), key=lambda one: -one[0] * one[1].weight)
    good = [remark.good for value, remark in ranked if value >= 0.5]
    bad = [remark.bad for value, remark in reversed(ranked) if value < 0.5]
    if not bad and merit < 0.5:
        bad = ["nothing new"]
    return Review(merit, _reason(merit, good, bad), tuple(bad[:2]))


def _reason(merit: float, good: Sequence[str], bad: Sequence[str]) -> str:
    if merit >= 0.7 or not bad:
        return ", ".join(good[:2])
    if merit < 0.3 or not good:
        return ", ".join(bad[:2])
    return f"{good[0]}, but {bad[0]}"
