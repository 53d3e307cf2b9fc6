"""Included specs: find, read and check them, and the inputs that they get."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath, PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.brand import Brand
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.output_types import Shape
from rivya_flows.language.syntax.source import MAX_BYTES
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.workflow import PARTS, Included, Workflow
from rivya_flows.spec.checks.input_values import check_values, missing
from rivya_flows.spec.names import WrittenSpec

MAX_LEVELS = 8
MAX_STEPS = 10_000
"""Steps of a spec with all that it includes."""


class Checked(NamedTuple):
    """A spec after its check: no workflow if it has mistakes, the shapes of its outputs, and the mistakes in
    the order of its text, then those of what it includes.
    """

    workflow: Workflow | None
    outputs: Mapping[str, Shape] = MappingProxyType({})
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class Place:
    """The place of a spec among those that include each other: its path from the folder of the outermost
    one, the paths of those that include it, the outermost first, and the brand of the last of them.
    """

    path: PurePosixPath
    above: tuple[PurePosixPath, ...] = ()
    brand: Brand | None = None


class TextFile(NamedTuple):
    """A text file that a spec names: what it is, the code of its diagnostics, a path as an example."""

    what: str
    code: str
    example: str


_SPEC = TextFile("an included spec", "bad-include", "parts/intro.yaml")
_RELATIVE = "paths are relative to the folder of this spec"


@dataclass(frozen=True)
class IncludeSources:
    """Where included specs come from.

    Attributes:
        folder: Of the outermost spec; None if unknown.
        texts: All texts by path, as stored with a run; None: read from the folder.
        known: Checked specs by path, and by the brand that they are given.
    """

    folder: FilePath | None
    texts: Mapping[str, str] | None
    check: Callable[[str, Place], Checked]
    known: dict[tuple[PurePosixPath, Brand | None], tuple[str, Checked]] = field(
        default_factory=dict
    )

    def checked(self, place: Place) -> tuple[str, Checked]:
        """The text of a spec, and its check; a `ValueError` says why it cannot be read."""
        known = (place.path, place.brand)
        if known not in self.known:
            if len(self.known) >= MAX_STEPS:  # each has a step, so the whole is too large
                raise ValueError(f"more than {MAX_STEPS:,} specs are included, with their brands")
            text = self.text(place.path)
            self.known[known] = (text, self.check(text, place))
        return self.known[known]

    def text(self, path: PurePosixPath) -> str:
        """The text of a file by its path from the outermost folder; a `ValueError` says why there is none."""
        if self.texts is not None:
            if str(path) not in self.texts:
                raise ValueError(f"the text of {str(path)!r:.200} is missing")
            return self.texts[str(path)]
        if self.folder is None:
            raise ValueError("other files cannot be read here: the folder of this one is not known")
        try:
            base = self.folder.expanduser().resolve()
            file = base.joinpath(path).resolve()
            # A link may lead out of the folder.
            if not file.is_relative_to(base.joinpath(path).parent):
                raise ValueError(f"{str(path)!r:.200} is outside the folder of the spec")
            if not file.is_file():
                raise ValueError(f"there is no file {str(path)!r:.200}")
            if file.stat().st_size > MAX_BYTES:
                raise ValueError(f"{str(path)!r:.200} is larger than {MAX_BYTES:,} bytes")
            return file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{str(path)!r:.200} is not text in UTF-8") from error
        except (OSError, RuntimeError) as error:
            raise ValueError(f"{str(path)!r:.200} cannot be read: {error}") from error


def find_includes(
    spec: WrittenSpec, place: Place, sources: IncludeSources, report: DiagnosticCollector
) -> dict[str, tuple[Included | None, Checked]]:
    """What each `include` step includes, by step id; reports includes that are not valid."""
    found: dict[str, tuple[Included | None, Checked]] = {}
    for step in spec.steps:
        written = (step.arguments or {}).get("spec") if step.get("uses") == "include" else None
        if isinstance(written, str) and written:
            at = (*step.path, "with", "spec")
            if one := _include(written, at, place, sources, report):
                found[step.id] = one
    return found


def _include(
    written: str, at: Path, place: Place, sources: IncludeSources, report: DiagnosticCollector
) -> tuple[Included | None, Checked] | None:
    path = path_beside(written, at, place, _SPEC, report)
    if path is None:
        return None
    above = (*place.above, place.path)
    if path in above:
        chain = " → ".join(map(str, (*above[above.index(path) :], path)))
        hint = "remove one of these includes"
        report.add(at, "cycle", f"specs include each other: {chain}", hint)
        return None
    if len(above) > MAX_LEVELS:
        message = f"specs include each other more than {MAX_LEVELS} levels deep"
        report.add(at, "too-deep", message, "include that spec at a higher level")
        return None
    try:
        text, checked = sources.checked(Place(path, above, place.brand))
    except ValueError as error:
        report.add(at, "bad-include", str(error), _RELATIVE)
        return None
    if checked.workflow is None:
        return None, checked
    for part in PARTS[1:]:
        if checked.workflow.part(part):
            message = f"{written!r:.200} has `{part}`, which only the outermost spec can have"
            report.add(at, "bad-include", message, "move it to this spec")
    return Included(path=str(path), text=text, workflow=checked.workflow), checked


def path_beside(
    written: str, at: Path, place: Place, kind: TextFile, report: DiagnosticCollector
) -> PurePosixPath | None:
    """A written path from the folder of the outermost spec; None, and reported, if it leaves."""
    if "${{" in written:
        message = f"the path of {kind.what} cannot be an expression"
        report.add(at, "expression-not-allowed", message, "write its path")
        return None
    path = PurePosixPath(written)
    if path.is_absolute() or ".." in path.parts or "\\" in written or ":" in written:
        message = f"{written!r:.200} is outside the folder of this spec"
        report.add(at, kind.code, message, f"write a path such as {kind.example}")
        return None
    return place.path.parent / path


def read_beside(
    written: str,
    at: Path,
    place: Place,
    kind: TextFile,
    sources: IncludeSources,
    report: DiagnosticCollector,
) -> tuple[PurePosixPath, str] | None:
    """The path and the text of a file that a spec names; None, and reported, if there is none."""
    path = path_beside(written, at, place, kind, report)
    if path is not None:
        try:
            return path, sources.text(path)
        except ValueError as error:
            report.add(at, kind.code, str(error), _RELATIVE)
    return None


def check_expanded(
    spec: WrittenSpec, found: Mapping[str, Included], report: DiagnosticCollector
) -> None:
    """Reports names that two inlined steps would share, and too many steps."""
    taken = {step.id: step.path for step in spec.steps}
    count = len(taken)
    for step in spec.steps:
        if (included := found.get(step.id)) is None:
            continue
        # Counted before they are listed: includes that include a file twice grow exponentially.
        count += size_of(included.workflow)
        if count > MAX_STEPS:
            message = f"more than {MAX_STEPS:,} steps, those of included specs counted"
            hint = "remove steps, or run some of them as a spec of their own"
            report.add((*step.path, "with", "spec"), "too-large", message, hint)
            return
        for name in names_in(included.workflow, step.id):
            if name in taken:
                message = f"{name!r} is also the name of an included step"
                hint = "rename one of them"
                report.add(taken[name], "duplicate-name", message, hint, key=True)
            taken.setdefault(name, step.path)


def size_of(workflow: Workflow) -> int:
    """How many steps a workflow has, with all that it includes."""
    sizes: dict[int, int] = {}

    def size(one: Workflow) -> int:
        if id(one) not in sizes:
            inner = (included_by(one, step_id) for step_id in one.all_steps)
            sizes[id(one)] = len(one.all_steps) + sum(size(i.workflow) for i in inner if i)
        return sizes[id(one)]

    return size(workflow)


def included_by(workflow: Workflow, step_id: str) -> Included | None:
    """What a step includes; None for a step of another kind."""
    arguments = workflow.all_steps[step_id].with_
    return workflow.includes.get(getattr(arguments, "spec", ""))


def inlined_name(space: str, step_id: str) -> str:
    """The name of a step in the plan: ``intro__still`` for `still` of what `intro` includes."""
    return f"{space}__{step_id}" if space else step_id


def names_in(workflow: Workflow, space: str = "") -> Iterator[str]:
    """The names of all steps in the plan, those of an included spec after the step that includes it."""
    for step_id in workflow.all_steps:
        name = inlined_name(space, step_id)
        yield name
        if included := included_by(workflow, step_id):
            yield from names_in(included.workflow, name)


def check_given(
    spec: WrittenSpec,
    found: Mapping[str, Included],
    folder: FilePath | None,
    report: DiagnosticCollector,
) -> None:
    """Reports inputs of an include that are unknown, missing, or literals that do not fit."""
    for step in spec.steps:
        included, arguments = found.get(step.id), step.arguments
        if included is None or arguments is None:
            continue
        declared = included.workflow.inputs
        path: Path = (*step.path, "with", "inputs")
        given = held if isinstance(held := arguments.get("inputs"), dict) else {}
        check_values(declared, given, path, report, folder, inside=True)
        for name in missing(declared, given):
            message = f"{included.path!r:.200} needs the input {name!r}"
            report.add(path, "missing-input", message, f"add `inputs: {{{name}: …}}`", key=True)


def included_texts(workflow: Workflow) -> dict[str, str]:
    """The texts of all specs, brands and subtitles that a workflow names, for `load` to take again."""
    texts: dict[str, str] = {}
    waiting = [workflow]
    while waiting:
        texts |= (one := waiting.pop()).texts
        for included in one.includes.values():
            if included.path not in texts:
                texts[included.path] = included.text
                waiting.append(included.workflow)
    return texts
