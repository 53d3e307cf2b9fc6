"""Files that a spec names beside included specs: its brand, subtitles, and media."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path as FilePath, PurePath, PurePosixPath
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import ValidationError

from rivya_cut.subtitles import parse_subtitles
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.brand import Brand
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.field_types import EVALUATED, keys_of
from rivya_flows.language.final_cut import CaptionsWith
from rivya_flows.language.syntax import media_references, source
from rivya_flows.language.syntax.tree import Mapping as Tree, Path, plain
from rivya_flows.language.wording import shown
from rivya_flows.language.workflow import Input, Workflow
from rivya_flows.spec.build_models import model_at
from rivya_flows.spec.files import Place
from rivya_flows.spec.includes import IncludeSources, TextFile, path_beside, read_beside
from rivya_flows.spec.names import WrittenSpec
from rivya_flows.spec.normalize import TOP_KEYS, known_in
from rivya_flows.steps.connections import IncludeWith
from rivya_flows.steps.cut_rules import CARD_KEYS, end_card_problems
from rivya_flows.steps.registry import known_kind

_BRAND = TextFile("a brand file", "bad-brand", "brand.yaml")
_SUBTITLES = TextFile("a subtitle file", "bad-captions", "subs.srt")


class ReadBrand(NamedTuple):
    """The brand of a spec, the text of its file by path, and what is wrong in that."""

    brand: Brand | None = None
    texts: Mapping[str, str] = MappingProxyType({})
    diagnostics: tuple[Diagnostic, ...] = ()


def read_brand(
    written: Brand | str | None,
    file: str,
    place: Place,
    sources: IncludeSources,
    report: DiagnosticCollector,
) -> ReadBrand:
    """The brand of the spec at `place`, whose name in diagnostics is `file`."""
    if written is None:
        return ReadBrand()
    if isinstance(written, Brand):
        folder = place.path.parent
        root = sources.folder and sources.folder / folder
        _check_media(written, root, sources.folder, ("brand",), report)
        return ReadBrand(written.moved_to(folder))
    found = read_beside(written, ("brand",), place, _BRAND, sources, report)
    if found is None:
        return ReadBrand()
    path, text = found
    inner = DiagnosticCollector(str(PurePath(file).parent / written), text)
    brand = _brand_in(text, inner)
    if brand is not None:
        root = sources.folder and sources.folder / path.parent
        _check_media(brand, root, sources.folder, (), inner)
        brand = brand.moved_to(path.parent)
    return ReadBrand(None if inner.diagnostics else brand, {str(path): text}, inner.diagnostics)


def is_brand_file(root: Tree) -> bool:
    """Whether a file is a brand and no spec, by its keys."""
    keys = root.pairs.keys()
    return keys.isdisjoint(("version", "steps")) and bool(keys & {*keys_of(Brand)} - {*TOP_KEYS})


def check_brand(text: str, file: str, folder: FilePath | None) -> tuple[Diagnostic, ...] | None:
    """What is wrong with a brand file; None if the text is none. Images outside its folder are not looked
    for: which folder bounds them depends on the spec.
    """
    text = text.removeprefix("\ufeff")
    root, _ = source.read(text)
    if not isinstance(root, Tree) or not is_brand_file(root):
        return None
    report = DiagnosticCollector(file, text)
    if (brand := _brand_in(text, report)) is not None:
        _check_media(brand, folder, None, (), report)
    return report.diagnostics


def _brand_in(text: str, report: DiagnosticCollector) -> Brand | None:
    root, mistakes = source.read(text)
    report.add_located(mistakes)
    if not isinstance(root, Tree):
        if not mistakes:
            message = "a brand file is a map of keys such as `name` and `colours`"
            report.add((), "bad-brand", message, "start with `name: Aurora`")
        return None
    report.root = root
    report.root = tree = known_in(Brand, report, root, ())
    return model_at(Brand, plain(tree), (), report)


def _check_media(
    brand: Brand,
    root: FilePath | None,
    bound: FilePath | None,
    at: Path,
    report: DiagnosticCollector,
) -> None:
    """Reports images that are not there; `bound` is the folder of the spec, None of a brand file alone."""
    for keys, written in brand.media.items():
        climbs = bound is None and ".." in PurePosixPath(written).parts
        if (root is None or climbs) and not media_references.is_url(written):
            continue
        try:
            found = media_references.resolve(
                written, kind="image", root=root, inside=True, bound=bound
            )
            if "file_id" in found:
                raise ValueError(f"{shown(written)} is the id of an upload")
        except ValueError as error:
            hint = "write a path from the folder of this file, inside that of the spec, or a URL"
            report.add((*at, *keys), "bad-file", str(error), hint)


def read_subtitles(
    spec: WrittenSpec, place: Place, sources: IncludeSources, report: DiagnosticCollector
) -> dict[str, str]:
    """The texts of the subtitle files that steps name, by path from the outermost folder."""
    texts: dict[str, str] = {}
    for step in spec.steps:
        captions = (step.arguments or {}).get("captions")
        written = captions.get("file") if isinstance(captions, dict) else None
        if not isinstance(written, str) or "${{" in written:
            continue  # reported with the arguments
        at: Path = (*step.path, "with", "captions", "file")
        if PurePosixPath(written).suffix.lower() not in (".srt", ".vtt"):
            message = "captions are read from a subtitle file: .srt or .vtt"
            report.add(at, "bad-captions", message, "write a path such as subs.srt")
        elif sources.folder is None and sources.texts is None:
            path_beside(written, at, place, _SUBTITLES, report)  # its text is not at hand
        elif found := read_beside(written, at, place, _SUBTITLES, sources, report):
            path, text = found
            texts[str(path)] = text
            if wrong := _wrong_subtitles(text):
                report.add(at, "bad-captions", f"{written}: {wrong}", "mend the file")
    return texts


def _wrong_subtitles(text: str) -> str | None:
    try:
        cues = parse_subtitles(text)
        CaptionsWith.model_validate({"cues": [asdict(cue) for cue in cues]}, context=EVALUATED)
    except ValidationError as error:
        [details, *_] = error.errors(include_url=False)
        said = details.get("ctx", {}).get("error") or details["msg"]
        return f"caption {int(details['loc'][1]) + 1}: {said}"
    except ValueError as error:
        return str(error)
    return None


def check_end_cards(spec: WrittenSpec, brand: Brand | None, report: DiagnosticCollector) -> None:
    """Reports end cards that show nothing, neither of their own nor of the brand."""
    card = brand.end_card if brand else None
    if brand is not None and (brand.logo or any(getattr(card, key, None) for key in CARD_KEYS)):
        return
    for step in spec.steps:
        report.add_inside((*step.path, "with"), end_card_problems(step.arguments or {}))


def named_files(workflow: Workflow) -> Iterator[str]:
    """The paths as written, after the folder of an included spec; the id of an upload may be among them."""
    yield from _named(workflow, "", own=True)


def default_files(workflow: Workflow) -> Iterator[str]:
    """The written paths of the defaults of a workflow's own inputs."""
    for declared in workflow.inputs.values():
        yield from _of_input(declared, declared.default)


def _named(workflow: Workflow, folder: str, *, own: bool) -> Iterator[str]:
    if not own:
        # Defaults of the outermost spec are values of its inputs.
        yield from (folder + path for path in default_files(workflow))
    if workflow.branding is not None:
        yield from (
            one for one in workflow.branding.media.values() if not media_references.is_url(one)
        )
    for step in workflow.all_steps.values():
        kind = known_kind(step.uses)
        for arguments in (step.with_, *step.fallback):
            for medium in kind.files(arguments.model_dump(by_alias=True)) if kind else ():
                yield from (folder + path for path in _paths(medium.value))
        if isinstance(step.with_, IncludeWith) and step.with_.spec in workflow.includes:
            inner = workflow.includes[step.with_.spec].workflow
            for name, value in step.with_.inputs.items():
                if name in inner.inputs:
                    yield from (folder + path for path in _of_input(inner.inputs[name], value))
    for included in workflow.includes.values():
        parent = str(PurePosixPath(included.path).parent)
        yield from _named(included.workflow, "" if parent == "." else f"{parent}/", own=False)


def _of_input(declared: Input, value: Any) -> Iterator[str]:
    if "file" in (declared.type, declared.of):
        yield from _paths(value)


def _paths(value: Any) -> Iterator[str]:
    for one in value if isinstance(value, list) else [value]:
        path = media_references.written_path(one)
        if path is not None:
            yield path
