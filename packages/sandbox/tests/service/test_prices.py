"""Prices of generations."""

from __future__ import annotations

import pytest

from rivya_sandbox.service import catalogue
from rivya_sandbox.service.prices import price

CATALOGUE = catalogue.shipped()


@pytest.mark.parametrize(
    ("model", "params", "prompt", "credits"),
    [
        ("z-image", {}, "x", 1),
        ("z-image", {"aspect_ratio": "9:16"}, "x", 1),
        ("nano-banana-2", {"resolution": "4K"}, "x", 12),  # 5 × 1.5²
        ("wan-2-7-image", {"resolution": "1K"}, "x", 5),  # never below the base price
        ("seedream-4-0", {"max_images": 3}, "x", 18),
        ("sora-2", {"n_frames": "15"}, "x", 9),
        ("sora-2-pro", {"size": "standard"}, "x", 75),
        ("sora-2-pro", {"size": "high"}, "x", 113),
        ("kling-3-0", {"duration": "10", "sound": "true"}, "x", 270),
        ("grok-imagine-video", {"mode": "spicy"}, "x", 10),
        ("elevenlabs-turbo-2-5", {}, "x" * 1000, 6),
        ("elevenlabs-turbo-2-5", {}, "x" * 1001, 12),
        ("elevenlabs-dialogue-v3", {"dialogue": [{"text": "x" * 600}] * 2}, "", 28),
        ("elevenlabs-sound-effect-v2", {}, "x", 3),
        ("elevenlabs-sound-effect-v2", {"duration_seconds": 3.5}, "x", 6),
        ("elevenlabs-sound-effect-v2", {"duration_seconds": 0.5}, "x", 3),
    ],
)
def test_prices_grow_from_the_base_price(
    model: str, params: dict[str, object], prompt: str, credits: int
) -> None:
    assert price(CATALOGUE.models[model], params, prompt) == credits
