"""Text -> Workflow: all checks of the language in one pass, before anything is bought."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path as FilePath, PurePath, PurePosixPath

from rivya_client.catalogue.catalogue import Catalogue
from rivya_flows.diagnostics import LINTS, Diagnostic
from rivya_flows.errors import SpecError
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.syntax import source
from rivya_flows.language.syntax.tree import Mapping, Node, Path, Scalar, Sequence, plain
from rivya_flows.language.workflow import Workflow
from rivya_flows.spec.build_models import build, normalize
from rivya_flows.spec.checks.conditions import check_conditions, warn
from rivya_flows.spec.checks.deploy_block import check_deployments
from rivya_flows.spec.checks.expressions import check_names
from rivya_flows.spec.checks.input_values import check_declarations
from rivya_flows.spec.checks.steps import check_order, check_requests, check_steps
from rivya_flows.spec.includes import (
    Checked,
    IncludeSources,
    Place,
    check_expanded,
    check_given,
    find_includes,
)
from rivya_flows.spec.named_files import check_end_cards, is_brand_file, read_brand, read_subtitles
from rivya_flows.spec.names import NamesInScope, WrittenSpec

_PLAIN_TEXT = re.compile(
    r"(title|description|inputs/[^/]+/(title|description|pattern)|(steps|on_failure|finally)/[^/]+/title"
    r"|deploy(?!/[0-9]+/triggers/[0-9]+/inputs/))(/|$)"
)
"""Places of text that is not evaluated; elsewhere the models refuse an expression, or it is evaluated."""


def load(
    text: str,
    *,
    file: str,
    catalogue: Catalogue,
    folder: FilePath | None = None,
    includes: typing.Mapping[str, str] | None = None,
) -> Workflow:
    """The workflow that a text describes; raises a `SpecError` with all mistakes in it.

    Args:
        file: The name of the file in diagnostics.
        folder: The folder of the spec; None: files that it names are not checked.
        includes: What `included_texts` returned; None: included specs are read from the folder.
    """
    workflow, problems = check(
        text, file=file, catalogue=catalogue, folder=folder, includes=includes
    )
    if workflow is None:
        raise SpecError(problems)
    return workflow


def check(
    text: str,
    *,
    file: str,
    catalogue: Catalogue,
    folder: FilePath | None = None,
    includes: typing.Mapping[str, str] | None = None,
) -> tuple[Workflow | None, tuple[Diagnostic, ...]]:
    """The workflow, or None and its mistakes; see `load`."""

    def check_at(text: str, place: Place) -> Checked:
        name = file if not place.above else str(PurePath(file).parent / place.path)
        own = None if folder is None else folder / place.path.parent
        return _check_one(text, name, catalogue, own, place, sources)

    sources = IncludeSources(folder, includes, check_at)
    checked = check_at(text, Place(PurePosixPath(PurePath(file).name)))
    return checked.workflow, checked.diagnostics


def lint(text: str, *, file: str, workflow: Workflow) -> tuple[Diagnostic, ...]:
    """Warnings about the text of a workflow: see `LINTS` of `diagnostics`."""
    report = DiagnosticCollector(file, text.removeprefix("\ufeff"))
    root, _ = source.read(text.removeprefix("\ufeff"))
    if isinstance(root, Mapping):
        report.root = tree = normalize(root, report)
        warn(WrittenSpec(plain(tree)), workflow, report)
    return tuple(one for one in report.diagnostics if one.code in LINTS)


def _check_one(
    text: str,
    file: str,
    catalogue: Catalogue,
    folder: FilePath | None,
    place: Place,
    sources: IncludeSources,
) -> Checked:
    text = text.removeprefix("\ufeff")  # some editors start a file with this mark
    report = DiagnosticCollector(file, text)
    root, mistakes = source.read(text)
    report.add_located(mistakes)
    if not isinstance(root, Mapping):
        if not mistakes:
            message = "the file is empty, or is not a map of keys"
            report.add((), "not-a-spec", message, "start with `version: 1`")
        return Checked(None, diagnostics=report.diagnostics)
    report.root = root
    if is_brand_file(root):
        hint = "name a spec that uses it, with `brand:`"
        report.add((), "not-a-spec", "the file is a brand and not a spec", hint)
        return Checked(None, diagnostics=report.diagnostics)
    report.root = tree = normalize(root, report)
    workflow = build(tree, report)
    spec = WrittenSpec(plain(tree))
    own = read_brand(workflow.brand, file, place, sources, report)
    brand = place.brand if spec.values.get("brand") is None else own.brand
    texts = {**own.texts, **read_subtitles(spec, place, sources, report)}
    found = find_includes(spec, replace(place, brand=brand), sources, report)
    included = {step_id: one for step_id, (one, _) in found.items() if one is not None}
    outputs = {step_id: one.outputs for step_id, (_, one) in found.items()}
    names = NamesInScope(spec, catalogue, outputs, brand)
    _check_places(tree, report)
    check_steps(names, report)
    wanted = {step_id: one.workflow.inputs for step_id, one in included.items()}
    check_names(names, report, wanted)
    if sources.texts is None:
        # A run or a deployment that an earlier version accepted goes on.
        check_conditions(names, report)
    check_order(spec, report)
    check_requests(names, folder, report)
    check_declarations(workflow.inputs, folder, report)
    if sources.texts is None:
        check_deployments(workflow, report)
    check_given(spec, included, folder, report)
    check_expanded(spec, included, report)
    if brand is not None or spec.values.get("brand") is None:
        check_end_cards(spec, brand, report)
    inner = [problem for _, one in found.values() for problem in one.diagnostics]
    problems = (*report.diagnostics, *dict.fromkeys([*inner, *own.diagnostics]))
    if problems:
        return Checked(None, names.outputs(), problems)
    steps = workflow.all_steps
    includes = {str(getattr(steps[name].with_, "spec", "")): one for name, one in included.items()}
    read = {"includes": includes, "texts": texts, "branding": brand}
    return Checked(workflow.model_copy(update=read), names.outputs())


def _check_places(tree: Mapping, report: DiagnosticCollector) -> None:
    """Reports expressions in keys and in text that is not evaluated."""
    for path, node in _walk(tree, ()):
        for key in node.pairs if isinstance(node, Mapping) else ():
            if "${{" in key:
                hint = "write the key itself; only values can be expressions"
                message = "a key cannot be an expression"
                report.add((*path, key), "expression-not-allowed", message, hint, key=True)
        written = node.value if isinstance(node, Scalar) else None
        is_computed = isinstance(written, str) and "${{" in written
        if is_computed and _PLAIN_TEXT.match("/".join(map(str, path))):
            message = "expressions are not evaluated here"
            report.add(path, "expression-not-allowed", message, "write the text itself")


def _walk(node: Node, path: Path) -> Iterator[tuple[Path, Node]]:
    waiting = [(path, node)]
    while waiting:
        here, node = waiting.pop()
        if here:
            yield here, node
        if isinstance(node, Mapping):
            waiting.extend(((*here, key), value) for key, (_, value) in node.pairs.items())
        elif isinstance(node, Sequence):
            waiting.extend(((*here, index), value) for index, value in enumerate(node.members))
