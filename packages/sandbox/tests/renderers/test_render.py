"""The entry point of all renderers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import RenderRequest

pytestmark = pytest.mark.usefixtures("small_pictures")


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
