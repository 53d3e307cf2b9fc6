"""The entry point of all renderers."""

from __future__ import annotations

import threading

from rivya_sandbox.renderers.audio import render_audio
from rivya_sandbox.renderers.film import render_film
from rivya_sandbox.renderers.request import Rendered, RenderRequest
from rivya_sandbox.renderers.restyle import render_restyled
from rivya_sandbox.renderers.still import render_stills

# A large still takes half a gigabyte, and more threads than cores only wait.
_places = threading.BoundedSemaphore(2)


def render(request: RenderRequest) -> list[Rendered]:
    """Render a request; equal requests with equal seeds give equal bytes.

    May be called from several threads; two run at a time.

    Raises:
        ValueError: A reference cannot be used.
    """
    with _places:
        return _render(request)


def _render(request: RenderRequest) -> list[Rendered]:
    if request.category == "image":
        return render_restyled(request) if request.references else render_stills(request)
    if request.category == "video":
        return render_film(request)
    return render_audio(request)
