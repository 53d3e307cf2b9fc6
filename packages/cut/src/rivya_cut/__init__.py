"""Cut films from clips, stills, speech and music, on this machine.

    import rivya_cut

    cut = rivya_cut.load("cut.yaml")
    rendered = rivya_cut.render(cut, "out")
    print(rendered.loudness, *rendered.media)

The names of `__all__` are the public API. They are imported when they are used, since FFmpeg takes a
moment to load.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rivya_cut.api import (
        extract_frames as extract_frames,
        load as load,
        measure as measure,
        probe as probe,
        render as render,
    )
    from rivya_cut.composition import (
        Captions as Captions,
        Clip as Clip,
        Composition as Composition,
        EndCard as EndCard,
        Layout as Layout,
        Look as Look,
        Overlay as Overlay,
        Sound as Sound,
        Transcript as Transcript,
        Transition as Transition,
    )
    from rivya_cut.measures import Measures as Measures
    from rivya_cut.results import Loudness as Loudness, Probe as Probe, Rendered as Rendered
    from rivya_cut.subtitles import Cue as Cue

_NAMES = {
    "api": "extract_frames load measure probe render",
    "composition": "Captions Clip Composition EndCard Layout Look Overlay Transcript Sound Transition",
    "measures": "Measures",
    "results": "Loudness Probe Rendered",
    "subtitles": "Cue",
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'rivya_cut' has no attribute {name!r}")
    return getattr(importlib.import_module(f"rivya_cut.{_MODULES[name]}"), name)
