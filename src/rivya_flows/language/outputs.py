"""An output of a spec: a value, and perhaps the file of the run's folder that it is written to."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import PurePath
from typing import Any, NamedTuple

from rivya_client.mime_types import mime_type_of_suffix, suffix_of
from rivya_flows.assets import as_asset
from rivya_flows.language.expressions.values import ExpressionError, type_name
from rivya_flows.language.field_types import SpecModel, Value
from rivya_flows.language.wording import an

TEXT_SUFFIXES = (".csv", ".json", ".md", ".otio", ".srt", ".txt", ".vtt")

FILE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$"
_OWN_NAMES = ("receipt.json", "contact-sheet.html")
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])\.", re.IGNORECASE)


class OutputFile(SpecModel):
    """An output that is a file in the folder of the run too.

    Attributes:
        value: The output. A text is written as it is; a list or a map as JSON.
        file: Name of the file: `.txt`, `.md`, `.csv`, `.srt` or `.vtt` for a text, `.json` for any value
            but a medium, and for a medium its own suffix, such as `.mp4`.
    """

    value: Value
    file: str


class Output(NamedTuple):
    """An output as written: its value, and the name of its file."""

    value: Any
    file: Any = None


def read_output(written: Any) -> Output:
    """The parts of an output; a map without both keys is a value."""
    keys = OutputFile.model_fields.keys()
    if isinstance(written, dict) and written.keys() == keys:
        return Output(written["value"], written["file"])
    return Output(written)


def wrong_name(file: Any) -> str | None:
    """What is wrong with the name of a file; None if nothing is."""
    if not isinstance(file, str) or not re.fullmatch(FILE_NAME, file):
        return "write a name without folders, of letters, digits, _, - and ., such as letter.md"
    suffix = PurePath(file).suffix
    if suffix not in TEXT_SUFFIXES and mime_type_of_suffix(suffix) is None:
        return f"end it with {', '.join(TEXT_SUFFIXES)}, or the suffix of a medium, such as .mp4"
    if file.lower() in _OWN_NAMES:
        return "every run has such a file: write another name"
    if _DEVICES.match(file):
        return "Windows has a device of that name: write another one"
    return None


def wrong_kind(file: str, kind: str, media: tuple[str, ...] = ()) -> str | None:
    """How to name the file of a value of this kind instead; None if the name fits, as far as is known."""
    suffix = PurePath(file).suffix
    medium = (mime_type_of_suffix(suffix) or "").partition("/")[0]
    fits = {
        "asset": medium in media if media else bool(medium),
        "list": suffix == ".json",
        "map": suffix == ".json",
    }.get(kind, kind == "any" or suffix in TEXT_SUFFIXES)
    if fits:
        return None
    stem = PurePath(file).stem
    if kind == "asset":
        usual = {"image": ".png", "video": ".mp4", "audio": ".mp3"}
        return f"name it {stem}{usual.get(media[0] if media else '', '.png')}"
    return f"name it {stem}{'.json' if kind in ('list', 'map') else '.txt'}"


def written_name(value: Any, file: str, taken: Container[str]) -> str:
    """The name of the file for a value; a medium of another format keeps the suffix of that.

    That is a name which is not `taken`, see `free_name`.

    Raises:
        ExpressionError: The value cannot be written to such a file.
    """
    asset = as_asset(value)
    kind = type_name(value)
    if hint := wrong_kind(file, kind, () if asset is None else (asset.kind,)):
        raise ExpressionError(f"{an(kind)} cannot be written to {file}", hint)
    if asset is None or mime_type_of_suffix(PurePath(file).suffix) == asset.mime_type:
        return file
    suffix = suffix_of(asset.mime_type) or PurePath(file).suffix
    return free_name(PurePath(file).stem + suffix, taken)


def free_name(file: str, taken: Container[str]) -> str:
    """The same name, with a number if it is `taken`, in lowercase."""
    name, number = PurePath(file), 1
    while str(name).lower() in taken:
        number += 1
        name = name.with_stem(f"{PurePath(file).stem}-{number}")
    return str(name)
