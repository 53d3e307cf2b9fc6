"""Bounds on the processes that decode untrusted media; those on the media are in `rivya_cut.bounds`."""

from __future__ import annotations

import os
from dataclasses import dataclass

from rivya_cut.bounds import MAX_COMPOSED_BYTES

MAX_STILL_BYTES = 4 * 2**20
"""Size of the small picture of a film or picture."""

SMALL_SIDE, DIALOG_SIDE = 360, 160
"""Pixels of the longer side of a small picture on Prefect's pages."""

MAX_ANSWER_BYTES = 2 * MAX_STILL_BYTES
"""Of the answer of one decoding; a longer one is discarded."""

MAX_POSTERS = 200
"""Small pictures in one contact sheet, and in the memory of one process; further media are linked."""

MAX_MEASURED = 2_000
"""Media whose measures one process remembers."""

MAX_FRAME_BYTES = 2**27
"""Size of one frame of a film as a file."""

MAX_MEMORY_BYTES = 4 * 2**30
"""Address space of one decoding beyond that of the idle decoder. macOS ignores this limit; the other
bounds hold there."""

MAX_DECODINGS = max(1, min(4, os.cpu_count() or 1))
"""Concurrent decoding processes of one kind in one process, at most one a core; further requests
wait."""


@dataclass(frozen=True)
class Limits:
    """Resources that one decoding may use.

    Attributes:
        kind: Errors name the bounds by it: ``MAX_PROBE_SECONDS``, ``MAX_PROBE_CPU_SECONDS``.
        seconds, cpu_seconds: Wall time and processor time.
        file_bytes: Of a file that it writes.
    """

    kind: str
    seconds: float
    cpu_seconds: int
    file_bytes: int = 0
    memory_bytes: int = MAX_MEMORY_BYTES


_COMPOSE = Limits("COMPOSE", 3_600, 4 * 3_600, MAX_COMPOSED_BYTES)
LIMITS = {
    "probe": Limits("PROBE", 120, 60),
    "poster": Limits("POSTER", 20, 20),
    "measure": Limits("MEASURE", 240, 120),
    "frames": Limits("FRAMES", 240, 120, MAX_FRAME_BYTES),
    "credentials": Limits("VERIFY", 120, 60),
    "render": _COMPOSE,
    "lay_out": _COMPOSE,
}
"""By call of the decoder: to probe one file, draw the small picture of one film or picture, measure
one file, take frames of it, read the content credentials of one file, and render all formats of one composition or layout."""
