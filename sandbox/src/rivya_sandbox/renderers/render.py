"""The entry point of all renderers."""

from __future__ import annotations

import threading

from rivya_sandbox.renderers.audio import render_audio
from rivya_sandbox.renderers.film import render_film
from rivya_sandbox.renderers.order import Rendered, RenderOrder
from rivya_sandbox.renderers.restyle import render_restyled
from rivya_sandbox.renderers.still import render_stills

# A large still takes half a gigabyte, and more threads than cores only wait.
_places = threading.BoundedSemaphore(2)


def render(order: RenderOrder) -> list[Rendered]:
    """Render a request; equal requests with equal seeds give equal bytes.

    May be called from several threads; two run at a time.

    Raises:
        ValueError: A reference cannot be used.
    """
    with _places:
        return _rendered(order)


def _rendered(order: RenderOrder) -> list[Rendered]:
    if order.category == "image":
        return render_restyled(order) if order.references else render_stills(order)
    if order.category == "video":
        return render_film(order)
    return render_audio(order)
