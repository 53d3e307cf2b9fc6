"""The media and texts of a cut, the folder that it is rendered in, and what is said of its losses."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av

from rivya_client.errors import MediaError
from rivya_cut.composition import Composition, Layout, Overlay
from rivya_cut.encoding import unwritable
from rivya_cut.fonts import missing_characters, name_characters, open_font
from rivya_cut.metadata import MAX_LOST
from rivya_cut.placing import sounds_of
from rivya_cut.reading import probe


@contextmanager
def own_folder(folder: Path) -> Iterator[Path]:
    """A folder inside of the given one, deleted at the end; errors of writing become `MediaError`."""
    try:
        work = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except MemoryError:  # FFmpeg's own is one too
        raise
    except (av.FFmpegError, OSError) as error:
        raise unwritable(folder, error) from error


def drawn_texts(work: Composition | Layout) -> Iterator[str]:
    """What is drawn, but for captions."""
    yield from (one.text for one in named_overlays(work).values() if one.text)
    if isinstance(work, Composition) and work.end_card is not None:
        yield from filter(None, (work.end_card.title, work.end_card.line))


def losses(
    texts: Iterable[str], font: str | Path, crowded: Sequence[str], metadata: Sequence[str]
) -> tuple[str, ...]:
    if missing := missing_characters("".join(texts), font):
        crowded = [f"left out of the picture: no font has {name_characters(missing)}", *crowded]
    return (*crowded, *metadata)[:MAX_LOST]


def named_overlays(work: Composition | Layout) -> dict[str, Overlay]:
    """By where they stand."""
    clips = work.clips if isinstance(work, Composition) else ()
    of_clips = {
        f"clips[{index}].overlays[{at}]": one
        for index, clip in enumerate(clips)
        for at, one in enumerate(clip.overlays)
    }
    return of_clips | {f"overlays[{index}]": one for index, one in enumerate(work.overlays)}


def images_of(work: Composition | Layout) -> dict[str, Path]:
    """The pictures over the film or still, by where they stand."""
    named = {name: one.media for name, one in named_overlays(work).items()}
    if isinstance(work, Composition) and work.end_card is not None:
        named["end_card.image"] = work.end_card.image
    return {name: path for name, path in named.items() if path is not None}


def check_images(work: Composition | Layout) -> None:
    if isinstance(work.look.font, Path):
        with naming("look.font"):
            open_font(work.look.font)
    for name, path in images_of(work).items():
        films = isinstance(work, Composition) and name != "end_card.image"
        with naming(name):
            if probe(path).kind not in (("image", "video") if films else ("image",)):
                raise MediaError(f"{path}: not an image", "give jpeg, png, webp or gif")


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Say in an error which part of the composition it is about."""
    try:
        yield
    except MediaError as error:
        raise MediaError(f"{name}: {error.message}", error.hint) from error


def sources_of(work: Composition | Layout) -> list[Path]:
    """The media of a composition or layout, each once."""
    if isinstance(work, Layout):
        return [*dict.fromkeys([work.image, *images_of(work).values()])]
    clips = (path for clip in work.clips for path in clip.media)
    sounds = (one.media for one in sounds_of(work).values())
    return [*dict.fromkeys([*clips, *images_of(work).values(), *sounds])]
