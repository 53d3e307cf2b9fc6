"""Filter graphs of FFmpeg: filters in a row, and what has come out of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import av
from av.filter import Graph
from av.filter.context import FilterContext

Step = tuple[str, str]
"""One filter: its name and its arguments."""
_Frame = TypeVar("_Frame")


def link(graph: Graph, start: FilterContext, steps: Iterable[Step]) -> FilterContext:
    """Add filters behind one of a graph; gives the last."""
    end = start
    for name, arguments in steps:
        following = graph.add(name, arguments)
        end.link_to(following)
        end = following
    return end


def ready(pull: Callable[[], _Frame]) -> Iterator[_Frame]:
    """The frames that `pull` gives until the graph needs more, or has ended."""
    while True:
        try:
            frame = pull()
        except (av.BlockingIOError, av.EOFError):
            return
        yield frame
