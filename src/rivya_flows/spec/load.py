"""Text -> Workflow: all checks of the language in one pass, before anything is bought."""

from __future__ import annotations

import re
import typing
from pathlib import Path as FilePath, PurePath, PurePosixPath

from rivya_client.catalogue.catalogue import Catalogue
from rivya_client.catalogue.snapshot import shipped
from rivya_flows.diagnostics import LINTS, Diagnostic
from rivya_flows.errors import SpecError
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.syntax.tree import Mapping, Node, Path, Sequence, plain
from rivya_flows.language.workflow import Workflow
from rivya_flows.spec.brand_files import check_end_cards, is_brand_file
from rivya_flows.spec.build_models import build, normalize
from rivya_flows.spec.checks.conditions import check_conditions, warn
from rivya_flows.spec.checks.expressions import check_names
from rivya_flows.spec.checks.input_values import (
    check_budget_inputs,
    check_declarations,
    check_given,
)
from rivya_flows.spec.checks.output_files import check_output_files
from rivya_flows.spec.checks.repeats import check_repeats
from rivya_flows.spec.checks.steps import check_order, check_requests, check_steps
from rivya_flows.spec.deploy_block import check_deployments
from rivya_flows.spec.files import CheckedSpec, Place, Sources, SpecFiles
from rivya_flows.spec.inlining import check_expanded
from rivya_flows.spec.names import NamesInScope, WrittenSpec

_PLAIN_TEXT = re.compile(
    r"(title|description|inputs/[^/]+/(title|description|pattern)|(steps|on_failure|finally)/[^/]+/title"
    r"|deploy(?!/[0-9]+/(triggers/[0-9]+/inputs|budget)/))(/|$)"
)
"""Places of text that is not evaluated; elsewhere the models refuse an expression, or it is evaluated."""

_NOT_A_MAP = "the file is empty, or is not a map of keys", "start with `version: 1`"


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

    def check_at(text: str, place: Place, sources: Sources) -> CheckedSpec:
        return _check_one(text, catalogue, place, sources)

    sources = Sources(file, folder, includes, check_at)
    checked = check_at(text, Place(PurePosixPath(PurePath(file).name)), sources)
    return checked.workflow, checked.diagnostics


def lint(
    text: str, *, file: str, workflow: Workflow, catalogue: Catalogue | None = None
) -> tuple[Diagnostic, ...]:
    """Warnings about the text of a workflow: see `LINTS` of `diagnostics`; without a `catalogue`, by the shipped one."""
    report = DiagnosticCollector(file, text)
    if root := report.read_map("not-a-spec", *_NOT_A_MAP):
        report.root = tree = normalize(root, report, catalogue or shipped())
        place = Place(PurePosixPath(PurePath(file).name))
        sources = Sources(file, None, workflow.texts, lambda *_: CheckedSpec(None))
        SpecFiles(place, sources, report).read_texts(tree)
        warn(WrittenSpec(plain(tree)), workflow, report)
    return tuple(one for one in report.diagnostics if one.code in LINTS)


def _check_one(text: str, catalogue: Catalogue, place: Place, sources: Sources) -> CheckedSpec:
    file = sources.name_of(place.path) if place.above else sources.file
    folder = sources.folder_of(place.path)
    report = DiagnosticCollector(file, text)
    root = report.read_map("not-a-spec", *_NOT_A_MAP)
    if root is None:
        return CheckedSpec(None, diagnostics=report.diagnostics)
    if is_brand_file(root):
        hint = "name a spec that uses it, with `brand:`"
        report.add((), "not-a-spec", "the file is a brand and not a spec", hint)
        return CheckedSpec(None, diagnostics=report.diagnostics)
    report.root = tree = normalize(root, report, catalogue)
    files = SpecFiles(place, sources, report)
    beside = files.read_texts(tree)
    if not files.is_small(tree):
        return CheckedSpec(None, diagnostics=report.diagnostics)
    workflow = build(tree, report)
    spec = WrittenSpec(plain(tree))
    brand, texts, in_brand = files.read_brand(workflow.brand)
    brand = place.brand if spec.values.get("brand") is None else brand
    texts |= {**beside, **files.read_subtitles(spec)}
    inputs, tables, in_tables = files.read_tables(workflow.inputs)
    texts |= tables
    workflow = workflow.model_copy(update={"inputs": inputs})
    found = files.read_includes(spec, brand)
    included = {step_id: one for step_id, (one, _) in found.items() if one is not None}
    outputs = {step_id: one.outputs for step_id, (_, one) in found.items()}
    names = NamesInScope(spec, catalogue, outputs, brand)
    _check_places(tree, report)
    check_steps(names, report)
    check_repeats(names, report)
    wanted = {step_id: one.workflow.inputs for step_id, one in included.items()}
    check_names(names, report, wanted)
    check_output_files(names, report)
    if sources.texts is None:
        # A run or a deployment that an earlier version accepted must still run.
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
    in_files = [*in_brand, *in_tables, *files.in_files]
    problems = (*report.diagnostics, *dict.fromkeys([*inner, *in_files]))
    if problems:
        return CheckedSpec(None, names.outputs(), problems)
    steps = workflow.all_steps
    includes = {str(getattr(steps[name].with_, "spec", "")): one for name, one in included.items()}
    read = {"includes": includes, "texts": texts, "branding": brand}
    workflow = workflow.model_copy(update=read)
    if sources.texts is None:
        check_budget_inputs(spec, workflow, report)
    problems = report.diagnostics
    return CheckedSpec(None if problems else workflow, names.outputs(), problems)


def _check_places(tree: Mapping, report: DiagnosticCollector) -> None:
    """Reports expressions in keys and in text that is not evaluated."""
    waiting: list[tuple[Path, Node]] = [((), tree)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, Sequence):
            waiting.extend(((*path, index), value) for index, value in enumerate(node.members))
        elif isinstance(node, Mapping):
            waiting.extend(((*path, key), value) for key, (_, value) in node.pairs.items())
            for key in node.pairs if path else ():
                if "${{" in key:
                    message = "a key cannot be an expression"
                    hint = "write the key itself; only values can be expressions"
                    report.add((*path, key), "expression-not-allowed", message, hint, key=True)
        elif "${{" in str(node.value) and _PLAIN_TEXT.match("/".join(map(str, path))):
            message = "expressions are not evaluated here"
            report.add(path, "expression-not-allowed", message, "write the text itself")
