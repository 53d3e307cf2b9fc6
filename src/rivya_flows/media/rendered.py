"""The answer of a decoder that rendered, as untrusted input: which files, and what it says of them."""

from __future__ import annotations

import math
import shutil
import stat
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from rivya_client.mime_types import mime_type_of_suffix, suffix_of
from rivya_cut.composition import Composition, Layout
from rivya_cut.metadata import MAX_LOST
from rivya_cut.results import GIF, POSTER, Probe, Rendered, clean_name, film_names
from rivya_cut.subtitles import MAX_SUBTITLE_CHARACTERS, MAX_SUBTITLES

MAX_LOST_CHARACTERS = 500
_RENDERED = TypeAdapter(Rendered)


def wanted_names(work: Composition | Layout) -> tuple[frozenset[str], frozenset[str]]:
    """The files that a rendering must leave, and those that it may leave too."""
    if isinstance(work, Layout):
        return frozenset(film_names(work.formats, ".png")), frozenset()
    films = film_names(work.formats)
    extras = [name for one, name in (("poster", POSTER), ("gif", GIF)) if one in work.extras]
    clean = films if "clean" in work.extras else ()
    return frozenset([*films, *extras]), frozenset(map(clean_name, clean))


def checked_probe(probe: Probe) -> Probe:
    """The same probe.

    Raises:
        ValueError: Its type has no file suffix, or its length is no number.
    """
    # File names are made from the type, and JSON has no infinity.
    if not suffix_of(probe.mime_type) or not math.isfinite(probe.duration_seconds or 0):
        raise ValueError("not a medium")
    return probe


def checked_rendered(found: object, work: Composition | Layout, folder: Path) -> Rendered:
    """What was rendered, if it is what was asked for; deletes every other file of the folder."""
    rendered = _RENDERED.validate_python(found)
    must, may = wanted_names(work)
    if not must <= rendered.media.keys() <= must | may:
        raise ValueError("other files than those asked for")
    for name, probe in rendered.media.items():
        about = (folder / name).lstat()
        whole = stat.S_ISREG(about.st_mode) and about.st_size == checked_probe(probe).size_bytes
        if not whole or probe.mime_type != mime_type_of_suffix(Path(name).suffix):
            raise ValueError(f"{name} is not what it is said to be")
    sound = rendered.loudness
    if sound and not (math.isfinite(sound.lufs) and math.isfinite(sound.true_peak)):
        rendered = replace(rendered, loudness=None)  # silence: minus infinity
    numbers = [number for cue in rendered.cues for number in (cue.start, cue.end)]
    texts = [cue.text for cue in rendered.cues]
    if not (
        all(map(math.isfinite, numbers))
        and all(0 <= cue.start <= cue.end for cue in rendered.cues)
        and len(texts) <= MAX_SUBTITLES
        and max(map(len, texts), default=0) <= MAX_SUBTITLE_CHARACTERS
        and len(rendered.lost) <= MAX_LOST
        and max(map(len, rendered.lost), default=0) <= MAX_LOST_CHARACTERS
    ):
        raise ValueError("captions or lost metadata out of bounds")
    for path in folder.iterdir():
        if path.name not in rendered.media:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    return rendered
