"""Checks of the requests of all steps: each kind examines its own, as it does before a run and in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.inference import is_bare, known_shape
from rivya_flows.language.expressions.output_types import TEXT, Scope, Shape, Unknown
from rivya_flows.language.expressions.resolve import is_computed, template, whole_reference
from rivya_flows.language.expressions.values import ExpressionError
from rivya_flows.language.final_cut import CutMedium
from rivya_flows.language.syntax import media_references
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import an, shown
from rivya_flows.spec.checks.expressions import check_expressions, computed_arguments
from rivya_flows.spec.names import NamesInScope
from rivya_flows.steps.arguments import Arguments, World
from rivya_flows.steps.branding import Branding
from rivya_flows.steps.cut_rules import wrong_kind
from rivya_flows.steps.kind import Kind, WrittenStep

_MAX_VALUES = 50
_MODELS = "`rivya-flows models ID` shows what a model takes"


def check_requests(
    names: NamesInScope, folder: FilePath | None, report: DiagnosticCollector
) -> None:
    """Reports arguments that a kind of step does not take, or that the service would refuse."""
    for step in names.spec.steps:
        if report.dropped:
            return
        if step.kind is not None and step.arguments is not None:
            written = _Written(step, step.kind, names, folder, report)
            found = list(written.problems(step.arguments))
            report.add_inside((*step.path, "with"), found)
            written.check_fallbacks(step.arguments, found)


class _Written:
    """The arguments of a step as its author wrote them; the `Surroundings` of its kind."""

    def __init__(
        self,
        step: WrittenStep,
        kind: Kind,
        names: NamesInScope,
        folder: FilePath | None,
        report: DiagnosticCollector,
    ) -> None:
        self.siblings: Mapping[str, WrittenStep] = names.spec.parts[step.part]
        self._step, self._kind, self._names, self._folder = step, kind, names, folder
        self._report, self._scope = report, names.inside(step)
        self._world = World(names.catalogue, branding=Branding(names.brand))

    def infer(self, value: Any, path: Path, names: Scope) -> Shape:
        place, scope = (*self._step.path, "with", *path), {**self._scope, **names}
        return check_expressions(value, place, scope, self._report)

    def problems(self, arguments: Mapping[str, Any]) -> Iterator[Diagnostic]:
        """What is wrong with arguments, which may be those of a fallback."""
        given = self._evaluated(arguments)
        self._kind.request(given, self._world)
        for one in (*given.problems, *self._kind.check(given, self._step, self)):
            yield replace(one, hint=one.hint or _MODELS)
        for medium in self._kind.files(arguments):
            yield from self._file_problems(medium)

    def _evaluated(self, arguments: Mapping[str, Any]) -> Arguments:
        """The arguments with `Unknown` for each expression in them."""
        computed = {name for name, _ in computed_arguments(self._kind)}
        values = {
            name: self._evaluate(one) if name in computed else one
            for name, one in arguments.items()
        }
        return Arguments(self._kind.takes, values, stage="written")

    def _evaluate(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._evaluate(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self._evaluate(part) for part in value]
        if not isinstance(value, str) or "${{" not in value:
            return value
        try:
            parts = template(value)
        except ExpressionError:
            return Unknown(written=value)  # reported with the expressions
        if not parts.whole:
            least = sum(len(part) for part in parts.parts if isinstance(part, str))
            return Unknown(TEXT, least, written=value)
        shape, named = known_shape(value, self._scope), whole_reference(value)
        possible = self._names.possible(named, self._step)[0] if named else ()
        return Unknown(shape, 0, possible[:_MAX_VALUES], value, named is not None)

    def _file_problems(self, medium: CutMedium) -> Iterator[Diagnostic]:
        """Whether a literal file exists, and is of one of the kinds, if there are any."""
        value, path, kinds = medium.value, medium.path, medium.kinds
        if is_computed(value):
            return
        if not isinstance(value, str):
            message = f"a file must be a path or a URL, not {shown(value)}"
            hint = "write a path such as photos/logo.png"
            yield Diagnostic("wrong-type", message, hint, path=path)
            return
        if is_bare(value, self._scope):
            return  # reported with the references
        found = media_references.kind_of(value)
        if len(kinds) > 1 and found is not None and found not in kinds:
            yield wrong_kind(path, found, kinds)
            return
        kind = kinds[0] if len(kinds) == 1 else None
        try:
            if self._folder is None and not media_references.is_url(value):
                media_references.check_kind(value, kind, required=False)
            else:
                media_references.resolve(value, kind=kind, root=self._folder, inside=True)
        except ValueError as error:
            hint = "paths are relative to the folder of the spec"
            yield Diagnostic("bad-file", str(error), hint, path=path)

    def check_fallbacks(self, arguments: Mapping[str, Any], found: list[Diagnostic]) -> None:
        """Reports alternatives that the service would refuse: each is a request of its own."""
        reported = {(one.code, one.message) for one in found}
        media = self._makes(arguments)
        for index, one in self._step.fallbacks:
            place: Path = (*self._step.path, "fallback", index)
            own = {key: value for key, value in one.items() if value is not None}
            if not own:
                message = f"item {index + 1} of 'fallback' changes nothing"
                hint = "write what is different, such as {model: seedream-5-lite}, or remove it"
                self._report.add(place, "missing-key", message, hint)
                continue
            if media and (others := sorted(self._makes(own) - media)):
                message = f"{shown(own['model'])} makes {an(others[0])}, but the step makes "
                message += " or ".join(an(one) for one in sorted(media))
                hint = f"pick a model that makes {an(min(media))}"
                self._report.add((*place, "model"), "wrong-fallback", message, hint)
            for problem in self.problems({**arguments, **own}):
                key = str(problem.path[0]) if problem.path else ""
                if key in own:
                    self._report.add_inside(place, [problem])
                elif (problem.code, problem.message) not in reported:
                    hint = f"write `{key}:` in the fallback: without it, that of `with` is taken"
                    at = (*place, next(iter(own)))
                    self._report.add(at, problem.code, problem.message, hint)

    def _makes(self, arguments: Mapping[str, Any]) -> set[str]:
        """The kinds of media that the models of a request make, as far as they are known."""
        named = self._evaluated(arguments).get("model")
        ids = named.possible if isinstance(named, Unknown) else (named,)
        models = [self._names.catalogue.get(one) for one in ids if isinstance(one, str)]
        return {model.makes for model in models if model is not None and model.makes is not None}
