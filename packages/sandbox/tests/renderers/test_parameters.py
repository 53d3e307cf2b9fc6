"""Every parameter of the catalogue is in the docs, and has the effect that they name."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from rivya_client.catalogue.snapshot import shipped
from rivya_sandbox.renderers import audio, frame, music
from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import Kind, ReferenceMedium, RenderRequest
from rivya_sandbox.service.generations import Job

pytestmark = pytest.mark.usefixtures("small_pictures")
TABLE = Path(__file__).parents[4] / "docs" / "reference" / "sandbox.md"
ROWS = dict(
    re.findall(r"^\| `(\w+)` \| (acts|no effect) \|", TABLE.read_text("utf-8"), re.MULTILINE)
)
SMALL = {"aspect_ratio": "8:1", "image_size": "square"}
SHORT = {"duration": "1", "resolution": "480p", "aspect_ratio": "8:1"}
LINE = "Warm light. Made for you."
TURNS = [{"text": "Yes. No."}]


# Parameter, category, prompt, other parameters, and a value that is not the default.
ACTING: tuple[tuple[str, str, str, dict[str, Any], Any], ...] = (
    ("aspectRatio", "image", "lamp", {"image_size": "square"}, "9:16"),
    ("aspect_ratio", "image", "lamp", {"image_size": "square"}, "9:16"),
    ("imageSize", "image", "lamp", {"resolution": "1K"}, "1:8"),
    ("image_size", "image", "lamp", {}, "portrait_16_9"),
    ("max_images", "image", "lamp", SMALL, 2),
    ("output_format", "image", "lamp", SMALL, "jpg"),
    ("outputFormat", "image", "lamp", SMALL, "jpeg"),
    ("negative_prompt", "image", "Lamp 'Aurora'", SMALL, "text"),
    ("style", "image", "lamp", SMALL, "DESIGN"),
    ("watermark", "image", "lamp", SMALL, "draft"),
    ("watermark", "video", "lamp", SHORT, "draft"),
    ("waterMark", "video", "lamp", SHORT, "draft"),
    ("sound", "video", "lamp", SHORT, "true"),
    ("generate_audio", "video", "lamp", SHORT, "true"),
    ("fixed_lens", "video", "lamp", SHORT, "true"),
    ("multi_shots", "video", "lamp", SHORT, "true"),
    ("voice", "audio", LINE, {}, "cgSgspJ2msm6clMCkdW9"),
    ("speed", "audio", LINE, {}, 1.2),
    ("stability", "audio", LINE, {}, 1),
    ("language_code", "audio", "Sale 50", {}, "hi"),
    ("dialogue", "audio", "", {"dialogue": TURNS}, [*TURNS, *TURNS]),
    ("default_voice", "audio", "", {"dialogue": TURNS}, "Lily"),
    ("duration_seconds", "sound", "wind", {"duration_seconds": 1}, 2),
    ("loop", "sound", "wind", {"duration_seconds": 1}, "true"),
    ("soundLoop", "sound", "wind", {"duration_seconds": 1}, "true"),
    ("soundKey", "sound", "calm", {"soundKey": "Am"}, "C"),
    ("soundTempo", "sound", "calm", {"soundKey": "Am"}, 120),
)  # fmt: skip
# Parameters of size and length, which are tested without drawing.
MEASURED: tuple[tuple[str, Callable[[RenderRequest], Any], Any, Any], ...] = (
    ("resolution", lambda order: frame.film_size(order, Fraction(1)), "480p", "720p"),
    ("image_resolution", lambda order: frame.picture_size(order, Fraction(1)), "1K", "4K"),
    ("quality", lambda order: frame.picture_size(order, Fraction(1)), "medium", "high"),
    ("enable_pro", lambda order: frame.picture_size(order, Fraction(1)), "false", "true"),
    ("size", lambda order: frame.film_size(order, Fraction(1)), "standard", "high"),
    ("mode", lambda order: frame.film_size(order, Fraction(1)), "std", "pro"),
    ("duration", frame.film_seconds, "5", "10"),
    ("n_frames", frame.film_seconds, "10", "15"),
)


# Tested separately.
ELSEWHERE = {"seed", "seeds", "instrumental", "generationType", "seedance_scene"}


def made(
    category: str, prompt: str, params: dict[str, Any], *given: ReferenceMedium
) -> list[bytes]:
    model = "elevenlabs-sound-effect-v2" if category == "sound" else "any"
    kind = cast(Kind, "audio" if category == "sound" else category)
    return [one.data for one in render(RenderRequest(model, kind, prompt, params, given, seed=1))]


def test_every_parameter_of_the_catalogue_is_in_the_table() -> None:
    known = {param.key for model in shipped().models.values() for param in model.params}
    assert set(ROWS) == known


def test_every_parameter_marked_as_acting_is_tested() -> None:
    acting = {key for key, says in ROWS.items() if says == "acts"}
    assert acting == {row[0] for row in (*ACTING, *MEASURED)} | ELSEWHERE


_WITHOUT: dict[str, list[bytes]] = {}


@pytest.mark.parametrize(
    ("key", "category", "prompt", "others", "value"),
    [pytest.param(*row, id=f"{row[0]}-{row[1]}") for row in ACTING],
)
def test_a_parameter_that_acts_changes_what_comes_out(
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    category: str,
    prompt: str,
    others: dict[str, Any],
    value: Any,
) -> None:
    monkeypatch.setattr(audio, "_SOUND", 2.0)
    same = repr((category, prompt, others))
    if same not in _WITHOUT:  # several parameters have the same medium without them
        _WITHOUT[same] = made(category, prompt, others)
    assert made(category, prompt, others | {key: value}) != _WITHOUT[same]


@pytest.mark.parametrize(
    ("key", "measured", "one", "other"), [pytest.param(*row, id=row[0]) for row in MEASURED]
)
def test_a_parameter_of_size_or_length_changes_it(
    key: str, measured: Callable[[RenderRequest], Any], one: Any, other: Any
) -> None:
    first, second = (
        measured(RenderRequest("any", "video", "x", {key: value})) for value in (one, other)
    )
    assert first < second


@pytest.mark.parametrize("key", ["seed", "seeds"])
def test_every_spelling_of_a_seed_sets_the_seed(key: str) -> None:
    job = Job("task_1", "a", "any", "image", "x", {key: 12345}, (), None, None, 0.0, 0.0, 1)
    assert job.seed == 12345


def test_music_that_is_not_instrumental_has_a_voice() -> None:
    played, sung = (music.compose("upbeat", 4.0, 1, sung=sung) for sung in (False, True))
    assert played.shape == sung.shape
    assert float(np.abs(played - sung).mean()) > 0.005


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("generationType", "FIRST_AND_LAST_FRAMES_2_VIDEO", "REFERENCE_2_VIDEO"),
        ("seedance_scene", "frames", "reference"),
    ],
)
def test_references_are_shown_in_turn_or_together(
    tmp_path: Path, key: str, one: str, other: str
) -> None:
    given = []
    for colour in ("red", "blue"):
        Image.new("RGB", (160, 90), colour).save(tmp_path / f"{colour}.png")
        given.append(ReferenceMedium("image", tmp_path / f"{colour}.png", "image/png"))
    first, second = (made("video", "x", SHORT | {key: value}, *given) for value in (one, other))
    assert first != second


def test_equal_requests_give_equal_bytes_in_any_thread() -> None:
    order = RenderRequest(
        "z-image", "image", "Coffee 'Aurora', warm", {"image_size": "square"}, seed=5
    )
    with ThreadPoolExecutor(3) as pool:
        first, *others = pool.map(render, [order] * 3)
    assert all(other == first for other in others)


def test_several_images_of_one_request_differ() -> None:
    results = render(
        RenderRequest("seedream-4-0", "image", "lamp", {"max_images": 2, "size": "1:8"})
    )
    assert len(results) == 2
    assert results[0].data != results[1].data
