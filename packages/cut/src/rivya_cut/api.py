"""What `rivya_cut` offers: read a cut, render it, probe a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rivya_client.errors import MediaError, UsageError
from rivya_cut import final_cut, reading
from rivya_cut.captions import srt
from rivya_cut.composition import (
    Captions,
    Clip,
    Composition,
    EndCard,
    Layout,
    Look,
    Music,
    Overlay,
    Transition,
)
from rivya_cut.results import Probe, Rendered
from rivya_cut.subtitles import parse_subtitles

SRT = "captions.srt"
_MODELS = (Composition, Layout, Clip, Transition, Music, Captions, Overlay, EndCard, Look)
_KEYS = sorted({key for model in _MODELS for key in model.model_fields})


def load(path: Path | str) -> Composition | Layout:
    """The cut that a YAML file describes: a layout if it has an `image`, else a composition.

    Paths in it count from its folder.

    Raises:
        UsageError: It cannot be read, or is wrong; names all that is wrong.
    """
    path = Path(path)
    try:
        written = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", "check the path") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        message = " ".join(str(error).split())
        raise UsageError(f"{path}: not YAML: {message}", "correct the file") from error
    if not isinstance(written, dict):
        raise UsageError(f"{path}: expected a map", "write `clips: [a.mp4]`, for one")
    kind = Layout if "image" in written else Composition
    given = {key: value for key, value in written.items() if value is not None}
    try:
        return kind.model_validate(given, context=path.parent)
    except ValidationError as error:
        wrong = "\n".join(f"{path}: {one}" for one in _mistakes(error))
        raise UsageError(wrong, "correct the file; the README of rivya-cut has all keys") from error


def render(
    cut: Composition | Layout, folder: Path | str, progress: Callable[[float], object] | None = None
) -> Rendered:
    """Render a cut into a folder, which is created; its files replace those of the same names.

    With `srt` among its extras, its captions are written to ``captions.srt`` too. `progress` is told the
    share of a film that is done, from 0 to 1, one call at a time, from several threads.

    Raises:
        MediaError: A medium is missing, broken or of the wrong kind, parts contradict each other, the
            whole exceeds a bound of `rivya_cut.bounds`, or a file cannot be written. Nothing is left.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{folder}: cannot be made: {error.strerror}"
        raise MediaError(message, "give another folder") from error
    if isinstance(cut, Layout):
        return final_cut.lay_out(cut, folder)
    if cut.captions is not None and cut.captions.file is not None:
        cut = cut.model_copy(update={"captions": _with_cues(cut.captions, cut.captions.file)})
    rendered = final_cut.render(cut, folder, progress or (lambda _: None))
    if "srt" in cut.extras and rendered.cues:
        (folder / SRT).write_text(srt(rendered.cues), "utf-8")
    return rendered


def probe(path: Path | str) -> Probe:
    """Kind, size, length and shape of a media file, by its bytes and not its name.

    Raises:
        MediaError: It is missing, empty, of an unknown type, too large, broken or truncated.
    """
    return reading.probe(Path(path))


def _with_cues(captions: Captions, file: Path) -> Captions:
    if captions.text or captions.cues:
        raise MediaError("captions: expected `text`, `file` or `cues`, one of them", "remove one")
    try:
        cues = parse_subtitles(file.read_text("utf-8"))
    except OSError as error:
        raise MediaError(f"captions.file: {file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        message = f"captions.file: {file}: {error}"
        raise MediaError(message, "give SRT or WebVTT in UTF-8") from error
    return captions.model_copy(update={"cues": cues, "file": None})


def _mistakes(error: ValidationError) -> Iterator[str]:
    for one in error.errors(include_url=False):
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in one["loc"])
        yield f"{place.removeprefix('.')}: {_told(one)}"


def _told(error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        near = get_close_matches(str(error["loc"][-1]), _KEYS, 1)
        return "unknown key" + (f"; did you mean {near[0]!r}?" if near else "; remove it")
    if error["type"] == "literal_error" and isinstance(error["input"], int):
        return f"expected {error['ctx']['expected']}; write it in quotes"  # YAML reads 9:16 as 556
    message = error["msg"].removeprefix("Value error, ")
    return message[0].lower() + message[1:]
