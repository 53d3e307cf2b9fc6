"""Checks of the files that outputs are written to."""

from __future__ import annotations

from pathlib import PurePath

from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.output_types import Shape
from rivya_flows.language.outputs import OutputFile, read_output, wrong_kind, wrong_name
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import an, preview
from rivya_flows.spec.names import NamesInScope


def check_output_files(names: NamesInScope, report: DiagnosticCollector) -> None:
    """Reports names of files that cannot be, that two outputs have, or that do not fit their value."""
    taken: dict[str, str] = {}
    unnamed: dict[str, tuple[str, ...]] = {}  # media of outputs that get the name of the output
    for name, written in names.spec.outputs.items():
        value, file = read_output(written)
        if file is None and (shape := names.shape_of(value)).kind == "asset":
            unnamed[name] = _media(shape)
    for name, written in names.spec.outputs.items():
        value, file = read_output(written)
        place: Path = ("outputs", name, "file")
        if isinstance(written, dict) and written.keys() > OutputFile.model_fields.keys():
            message = f"the output {name!r} has more than `value` and `file`"
            report.add(place[:2], "wrong-value", message, "write further outputs beside it")
        if file is None:
            continue
        if hint := wrong_name(file):
            report.add(place, "wrong-value", f"{preview(file)} cannot name a file", hint)
            continue
        shape = names.shape_of(value)
        media, stem = _media(shape), PurePath(file).stem
        if stem in unnamed and not wrong_kind(file, "asset", unnamed[stem]):
            message = f"the file {file} is that of the output {stem!r} too"
            report.add(place, "wrong-value", message, "give each output another name")
        elif (other := taken.setdefault(file.lower(), name)) != name:
            message = f"the file {file} is that of the output {other!r} too"
            report.add(place, "wrong-value", message, "give each output another name")
        elif hint := wrong_kind(file, shape.kind, media):
            message = f"the file {file} cannot hold {an(_kind(shape))}"
            report.add(place, "wrong-value", message, hint)


def _media(shape: Shape) -> tuple[str, ...]:
    return shape.either or ((shape.media,) if shape.media else ())


def _kind(shape: Shape) -> str:
    return shape.media or shape.kind
