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

MAX_PROBE_SECONDS = 120
MAX_PROBE_CPU_SECONDS = 60
"""To probe one file: wall time and processor time."""

MAX_POSTER_SECONDS = 20
MAX_POSTER_CPU_SECONDS = 20
"""To make the small picture of one film or picture."""

MAX_VERIFY_SECONDS = 120
MAX_VERIFY_CPU_SECONDS = 60
"""To read the content credentials of one file."""

MAX_COMPOSE_SECONDS = 3_600
MAX_COMPOSE_CPU_SECONDS = 4 * 3_600
"""To compose one film, or to render all formats of one composition or layout."""

MAX_MEMORY_BYTES = 4 * 2**30
"""Address space of one decoding beyond that of the idle decoder. macOS ignores this limit; the other
bounds hold there."""

MAX_DECODINGS = max(1, min(4, os.cpu_count() or 1))
"""Concurrent decoding processes of one kind in one process, at most one a core; further requests
wait."""


@dataclass(frozen=True)
class Limits:
    """Resources that one decoding may use; `file_bytes` are those of a file that it writes."""

    kind: str
    seconds: float
    cpu_seconds: int
    file_bytes: int = 0
    memory_bytes: int = MAX_MEMORY_BYTES


_COMPOSE = Limits("COMPOSE", MAX_COMPOSE_SECONDS, MAX_COMPOSE_CPU_SECONDS, MAX_COMPOSED_BYTES)
LIMITS = {
    "probe": Limits("PROBE", MAX_PROBE_SECONDS, MAX_PROBE_CPU_SECONDS),
    "poster": Limits("POSTER", MAX_POSTER_SECONDS, MAX_POSTER_CPU_SECONDS),
    "credentials": Limits("VERIFY", MAX_VERIFY_SECONDS, MAX_VERIFY_CPU_SECONDS),
    "render": _COMPOSE,
    "lay_out": _COMPOSE,
}
"""By call of the decoder."""
