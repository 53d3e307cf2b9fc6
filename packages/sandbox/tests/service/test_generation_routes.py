"""Results of generations over HTTP."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pytest
from PIL import Image

from support.sandbox_calls import ended, fetch, order

VOICE = {"voice": "TX3LPaxmHKxFdv7VOQHJ"}


@pytest.mark.parametrize(
    ("body", "mime_types", "count"),
    [
        ({"model": "z-image", "params": {"aspect_ratio": "9:16"}}, {"image/png"}, 1),
        ({"model": "seedream-4-0", "params": {"max_images": 3}}, None, 3),
        ({"model": "veo3-1-lite", "params": {"seeds": 10000}}, {"video/mp4"}, 1),
        ({"model": "elevenlabs-turbo-2-5", "params": VOICE}, {"audio/mpeg"}, 1),
    ],
)
def test_a_result_is_real_media_at_absolute_urls(
    client: httpx.Client, body: dict[str, Any], mime_types: set[str] | None, count: int
) -> None:
    job = ended(client, order(client, **body).json()["id"])
    assert job["status"] == "succeeded", job
    assert job["result"]["primary_url"] == job["result"]["urls"][0]
    assert len(set(job["result"]["urls"])) == count
    for url in job["result"]["urls"]:
        media = fetch(url)
        assert media.status_code == 200
        assert mime_types is None or media.headers["Content-Type"] in mime_types
        part = fetch(url, Range="bytes=2-5")
        assert (part.status_code, part.content) == (206, media.content[2:6])


def test_the_aspect_ratio_is_kept(client: httpx.Client) -> None:
    job = ended(client, order(client, params={"aspect_ratio": "9:16"}).json()["id"])
    image = Image.open(io.BytesIO(fetch(job["result"]["primary_url"]).content))
    assert image.width * 16 == image.height * 9


def test_equal_seeds_give_equal_media_and_no_seed_gives_different_ones(
    client: httpx.Client,
) -> None:
    asked: list[dict[str, Any]] = [{"seed": 7}, {"seed": 7}, {}, {}]
    pictures = []
    for params in asked:
        job = ended(client, order(client, model="qwen2-image", params=params).json()["id"])
        pictures.append(fetch(job["result"]["primary_url"]).content)
    assert pictures[0] == pictures[1]
    assert len(set(pictures)) == 3
