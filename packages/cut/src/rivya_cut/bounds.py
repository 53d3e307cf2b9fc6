"""Bounds on media that are read and made. Each error names the bound that was exceeded."""

from __future__ import annotations

from rivya_client.errors import MediaError

MAX_PIXELS = 40_000_000
"""Pixels of an image; a 100 KB file can claim 900 million."""

MAX_DURATION_SECONDS = 3_600
"""Length of a film or sound, given or composed; a 2 KB file can claim years."""

MAX_PACKETS = 1_000_000
"""Packets of one file: an hour of film at 60 frames a second with sound has 400,000."""

MAX_FRAMES = 216_000
"""Frames of one composition: an hour at 60 frames a second."""

MAX_DRAWN_CHARACTERS = 2_000
"""Of one text that is drawn into a picture."""

MAX_COMPOSED_BYTES = 4 * 2**30
"""Size of a composed film, and of each file that is rendered."""


def beyond(where: object, what: str, bound: str) -> MediaError:
    """The error of a medium, given or to be made, that exceeds a bound: in words, and its name."""
    hint = "give a smaller or shorter one"
    return MediaError(f"{where}: more than {what}; the bound is {bound}", hint)
