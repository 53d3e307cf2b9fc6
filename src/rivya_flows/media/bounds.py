"""How much of a foreign medium is decoded, and how much of this machine that may take.

Every error that comes from here names the bound that was passed.
"""

from __future__ import annotations

from dataclasses import dataclass

from rivya_flows.errors import MediaError

MAX_PIXELS = 40_000_000
"""Largest picture that is decoded; a 100 KB file can claim 900 million pixels."""

MAX_DURATION_SECONDS = 3_600
"""Longest film or sound, given or composed; a file of 2 KB can claim years."""

MAX_PACKETS = 1_000_000
"""Most packets of one file: an hour of film at 60 frames a second with sound has 400,000."""

MAX_FRAMES = 216_000
"""Most pictures of one composition: an hour at 60 frames a second."""

MAX_STILL_BYTES = 4 * 2**20
"""Largest poster of a film."""

MAX_PROBE_SECONDS = 120
MAX_PROBE_CPU_SECONDS = 60
"""To look at one file, by the clock and on the processor."""

MAX_POSTER_SECONDS = 20
MAX_POSTER_CPU_SECONDS = 20
"""To make the poster of one film."""

MAX_COMPOSE_SECONDS = 3_600
MAX_COMPOSE_CPU_SECONDS = 4 * 3_600
"""To compose one film."""

MAX_MEMORY_BYTES = 4 * 2**30
"""Address space of one decoding beyond what the decoder itself takes. Not kept on macOS, whose
kernel ignores the limit; the other bounds hold there."""

MAX_COMPOSED_BYTES = 4 * 2**30
"""Largest composed film."""

MAX_DECODINGS = 2
"""Decoding processes of one kind at once in one process of ours; further requests wait."""


@dataclass(frozen=True)
class Limits:
    """What one decoding may take of the machine.

    Attributes:
        kind: As in the names of the bounds: ``PROBE``, ``POSTER`` or ``COMPOSE``.
        seconds: By the clock.
        cpu_seconds: On the processor, all threads together.
        file_bytes: Size of a file that it writes; 0 where it writes none.
        memory_bytes: Of address space.
    """

    kind: str
    seconds: float
    cpu_seconds: int
    file_bytes: int = 0
    memory_bytes: int = MAX_MEMORY_BYTES


LIMITS = {
    "probe": Limits("PROBE", MAX_PROBE_SECONDS, MAX_PROBE_CPU_SECONDS),
    "poster": Limits("POSTER", MAX_POSTER_SECONDS, MAX_POSTER_CPU_SECONDS),
    "compose": Limits(
        "COMPOSE", MAX_COMPOSE_SECONDS, MAX_COMPOSE_CPU_SECONDS, file_bytes=MAX_COMPOSED_BYTES
    ),
}
"""By what is asked of the decoder."""


def beyond(where: object, what: str, bound: str) -> MediaError:
    """The error of a medium that passes a bound.

    Args:
        where: The file, or what was being made.
        what: The bound in words, such as ``3,600 s of film``.
        bound: Its name here.
    """
    hint = "give a smaller or shorter one"
    return MediaError(f"{where}: more than {what}; the bound is {bound}", hint)
