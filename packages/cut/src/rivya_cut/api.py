"""What `rivya_cut` offers: read a cut, render it, probe and measure a file, take frames of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rivya_client.errors import MediaError, UsageError
from rivya_cut import final_cut, frames, measuring, reading, stills
from rivya_cut.captions import srt
from rivya_cut.composition import (
    Captions,
    Clip,
    Composition,
    EndCard,
    Layout,
    Look,
    Overlay,
    Sound,
    Transcript,
    Transition,
)
from rivya_cut.measures import Measures
from rivya_cut.results import Probe, Rendered
from rivya_cut.sources import sources_of
from rivya_cut.subtitles import MAX_SUBTITLE_BYTES, Cue, parse_subtitles

SRT = "captions.srt"
_Transcript = TypeVar("_Transcript", bound=Transcript)
_PARTS: dict[str, type] = {
    "clips": Clip,
    "transition": Transition,
    "narration": Sound,
    "music": Sound,
    "audio": Sound,
    "captions": Captions,
    "cues": Cue,
    "overlays": Overlay,
    "end_card": EndCard,
    "look": Look,
}

_FIRST = ("media", "start", "text")
"""The key of a part that its example has, else its first."""


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
        wrong = "\n".join(f"{path}: {one}" for one in _mistakes(error, kind))
        raise UsageError(wrong, "correct the file; the README of rivya-cut has all keys") from error


def render(
    cut: Composition | Layout, folder: Path | str, progress: Callable[[float], object] | None = None
) -> Rendered:
    """Render a cut into a folder, which is created; its files replace those of the same names.

    With `srt` among its extras, its captions are written to ``captions.srt`` too, and with `otio` its
    timeline to ``timeline.otio``. `progress` is called
    with the share of a film that is done, from 0 to 1, one call at a time, from several threads.

    Raises:
        MediaError: A medium is missing, broken or of the wrong kind, parts contradict each other, the
            whole exceeds a bound of `rivya_cut.bounds`, or a file cannot be written. Nothing is left.
    """
    with create_folder(Path(folder)) as made:
        font = [cut.look.font] if isinstance(cut.look.font, Path) else []
        for path in [*sources_of(cut), *font]:
            _check_opens(path)
        if isinstance(cut, Layout):
            return stills.lay_out(cut, made)
        rendered = final_cut.render(_with_files(cut), made, progress or (lambda _: None))
        if "srt" not in cut.extras or not rendered.cues:
            return rendered
        (made / SRT).write_text(srt(rendered.cues), "utf-8")
        return replace(rendered, subtitles=SRT)


def probe(path: Path | str) -> Probe:
    """Kind, size, length and shape of a media file, by its bytes and not its name.

    Raises:
        MediaError: It is missing, empty, of an unknown type, too large, broken or truncated.
    """
    _check_opens(Path(path))
    return reading.probe(Path(path))


def measure(path: Path | str) -> Measures:
    """What is black, still, silent, clipped or of one colour in a media file.

    Raises:
        MediaError: As `probe`, and where a later part cannot be decoded.
    """
    _check_opens(Path(path))
    return measuring.measure(Path(path))


def extract_frames(path: Path | str, folder: Path | str, count: int = 1) -> tuple[str, ...]:
    """Write frames of a film, evenly spaced, as PNG into a folder, which is created; gives their names.

    The first and the last are among them; one alone is the middle one. A picture gives itself.

    Raises:
        MediaError: It is a sound, or as `measure`, or the folder cannot be written to.
    """
    _check_opens(Path(path))
    with create_folder(Path(folder)) as made:
        return frames.extract_frames(Path(path), made, count)


@contextmanager
def create_folder(folder: Path) -> Iterator[Path]:
    """The folder, which is created; what of it was not there goes again if nothing gets into it."""
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{folder}: cannot be made: {error.strerror}"
        raise MediaError(message, "give another folder") from error
    try:
        yield folder
    except BaseException:
        with suppress(OSError):  # not empty
            for one in new:
                one.rmdir()
        raise


def _check_opens(path: Path) -> None:
    """Refuse a pipe, which would wait for its writer, and a URL; what is missing is found later."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise MediaError(f"{path}: cannot be read: it is not a regular file", "give a file")
    if not path.exists() and {"http:", "https:"} & {*path.parts}:
        raise MediaError(f"{path}: cannot be read: it is a URL", "download it first")


def _with_files(cut: Composition) -> Composition:
    """The cut with the cues of its subtitle files."""
    captions = cut.captions and _with_cues("captions", cut.captions)
    clips = tuple(
        clip.model_copy(update={"captions": _with_cues(f"clips[{index}].captions", clip.captions)})
        if clip.captions
        else clip
        for index, clip in enumerate(cut.clips)
    )
    return cut.model_copy(update={"captions": captions, "clips": clips})


def _with_cues(name: str, transcript: _Transcript) -> _Transcript:
    file = transcript.file
    if file is None:
        return transcript
    if transcript.text or transcript.cues:
        raise MediaError(f"{name}: expected `text`, `file` or `cues`, one of them", "remove one")
    _check_opens(file)
    try:
        with file.open(encoding="utf-8") as opened:
            cues = parse_subtitles(opened.read(MAX_SUBTITLE_BYTES + 1))
    except OSError as error:
        raise MediaError(f"{name}.file: {file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        message = f"{name}.file: {file}: {error}"
        raise MediaError(message, "give SRT or WebVTT in UTF-8") from error
    return transcript.model_copy(update={"cues": cues, "file": None})


def _mistakes(error: ValidationError, kind: type[Composition | Layout]) -> Iterator[str]:
    for one in error.errors(include_url=False):
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in one["loc"])
        yield f"{place.removeprefix('.')}: {_describe(one, kind)}"


def _describe(error: ErrorDetails, kind: type[Composition | Layout]) -> str:
    *inside, key = [step for step in error["loc"] if isinstance(step, str)] or [""]
    value = error["input"]
    match error["type"]:
        case "extra_forbidden" | "unexpected_keyword_argument":
            if kind is Layout and not inside and key in _keys(Composition):
                return f"a layout, which has an `image`, takes no `{key}`; remove one of them"
            model = _PARTS[inside[-1]] if inside else kind
            if inside == ["clips", "captions"]:
                model = Transcript
            near = get_close_matches(key, _keys(model), 1)
            return "unknown key" + (f"; did you mean {near[0]!r}?" if near else "; remove it")
        case "tuple_type":
            items = json.dumps([value], ensure_ascii=False) if isinstance(value, str) else "[…]"
            return f"expected a list; write `{key}: {items}`"
        case "model_type" | "dataclass_type":
            keys = _keys(_PARTS[key])
            part = f"{{{next((one for one in _FIRST if one in keys), keys[0])}: …}}"
            part = part if error["loc"][-1] == key else f"[{part}]"  # one of a list
            return f"expected a map; write `{key}: {part}`"
        case "path_type":
            return "expected the path of a file, such as lamp.mp4"
        case "string_type":
            return "expected text; put it in quotes"
        case "literal_error" if isinstance(value, int):  # YAML reads 9:16 as 556
            return f"expected {error['ctx']['expected']}; write it in quotes"
    message = error["msg"].removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _keys(part: type) -> list[str]:
    if not issubclass(part, BaseModel):
        return [*part.__annotations__]
    return [field.alias or name for name, field in part.model_fields.items()]
