"""Checks of steps: conditions, fan-outs, order, keys without effect, and the requests that they make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from math import prod
from pathlib import Path as FilePath
from typing import Any

from rivya_client.catalogue.common import COMMON
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.common_params import MODELS_OWN
from rivya_flows.language.cut_places import CutMedium
from rivya_flows.language.diagnostic_report import DiagnosticCollector, suggest
from rivya_flows.language.expressions.evaluation import NotKnown, holds, look_ahead
from rivya_flows.language.expressions.inference import is_bare, known_shape, repair
from rivya_flows.language.expressions.output_types import TEXT, Scope, Shape, Unknown
from rivya_flows.language.expressions.resolve import (
    NAMESPACES,
    UsesNull,
    bare_name,
    is_computed,
    is_whole,
    references,
    template,
    whole_reference,
)
from rivya_flows.language.expressions.values import ExpressionError
from rivya_flows.language.matrix import LOOP_KEYS, LOOPS, MAX_ITEMS, SPECIAL, unequal
from rivya_flows.language.syntax import media_references
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import an, preview
from rivya_flows.language.workflow import PARTS, Part, later, seen_from
from rivya_flows.spec.checks.expressions import check_expressions, computed_arguments
from rivya_flows.spec.names import RESERVED, NamesInScope, WrittenSpec
from rivya_flows.steps.arguments import Arguments, World
from rivya_flows.steps.branding import Branding
from rivya_flows.steps.cut_shapes import wrong_kind
from rivya_flows.steps.kind import Kind, WrittenStep

_MAX_NAMES = 12
_MAX_CYCLES = 10
_MAX_VALUES = 50
_MODELS = "`rivya-flows models ID` shows what a model takes"


def check_steps(names: NamesInScope, report: DiagnosticCollector) -> None:
    """Reports conditions and fan-outs that are not valid, and keys that have no effect on a step."""
    for step in names.spec.steps:
        value = step.get("if")
        if not (value is None or isinstance(value, bool) or is_whole(value)):
            message = "a condition must be one expression, true or false"
            is_mixed = "${{" in str(value)
            hint = "write one expression" if is_mixed else _condition_hint(value, step, names.spec)
            report.add((*step.path, "if"), "bad-condition", message, hint)
        for key in step.kind.idle if step.kind else ():
            if step.kind and key in step.keys:
                message = f"{key!r} has no effect on {step.kind.name}"
                hint = step.kind.idle_hint(key)
                report.add((*step.path, key), "needless-key", message, hint, key=True)
        _check_quality(step, report)
        _FanOutCheck(step, names, report).check()


def _check_quality(step: WrittenStep, report: DiagnosticCollector) -> None:
    """Reports a refused medium that nothing can be bought instead of."""
    quality, arguments = step.get("quality"), step.arguments or {}
    if not isinstance(quality, dict) or (step.kind and "quality" in step.kind.idle):
        return
    then = quality.get("then")
    if then == "fallback" and not step.fallbacks:
        hint = "write `fallback: [{model: ID}]`, or `then: regenerate`"
        report.add((*step.path, "quality", "then"), "wrong-value", "there is no 'fallback'", hint)
    params = arguments.get("params")
    sent = {**params, **arguments} if isinstance(params, dict) else arguments
    seeds = [name for name in ("seed", "seeds") if sent.get(name) not in (None, MODELS_OWN)]
    if then == "regenerate" and seeds:
        message = f"with {seeds[0]!r}, the same medium is made again"
        hint = "remove the seed, or write `then: fallback` with another one in `fallback`"
        report.add((*step.path, "quality", "then"), "same-medium", message, hint)


def _condition_hint(value: Any, step: WrittenStep, spec: WrittenSpec) -> str:
    """The value in braces, if that is an expression of known names; else an example."""
    named: set[str] = set()
    if isinstance(value, str) and len(value) < 60 and '"' not in value:
        with suppress(ExpressionError):
            named = {one.namespace for one in references(f"${{{{ {value} }}}}")}
            if named and named <= {*NAMESPACES, step.get("as")}:
                return f'write "${{{{ {value} }}}}"'
    name = next((one for one in sorted(named) if one in spec.inputs), "NAME")
    return f"write \"${{{{ inputs.{name} == 'value' }}}}\""


class _FanOutCheck:
    """Checks `matrix`, `foreach` and `zip` of a step, and the keys that belong to them."""

    def __init__(self, step: WrittenStep, names: NamesInScope, report: DiagnosticCollector) -> None:
        self._step, self._names, self._report = step, names, report

    def _add(
        self, place: Path, code: str, message: str, hint: str | None, *, key: bool = False
    ) -> None:
        self._report.add((*self._step.path, *place), code, message, hint, key=key)

    def check(self) -> None:
        step, present = self._step, self._step.loops
        for extra in present[1:]:
            message = f"a step has one of matrix, foreach and zip, not {present[0]} and {extra}"
            self._add((extra,), "two-loops", message, "split it into two steps", key=True)
        if isinstance(matrix := step.get("matrix"), dict):
            self._check_matrix(matrix)
        if isinstance(rows := step.get("zip"), dict):
            self._check_zip(rows)
        if (loop := step.get("foreach")) is not None:
            self._check_list(loop, ("foreach",))
        for key, loops in {"as": ("foreach",), "key": LOOPS, **LOOP_KEYS}.items():
            if step.get(key) and not {*loops} & {*present}:
                needed = "matrix, foreach or zip" if loops == LOOPS else "foreach"
                message = f"{key!r} has no effect without {needed}"
                self._add((key,), "needless-key", message, "remove it", key=True)
        if present and self._has_constant_key():
            message = "'key' is the same for all items"
            of = f"{present[0]}.NAME" if present[0] != "foreach" else step.variable
            hint = f'name the item in it: "${{{{ {of} }}}}"'
            self._add(("key",), "wrong-value", message, hint)
        reserved = (*RESERVED, "brand") if "brand" in self._names.everywhere() else RESERVED
        if step.get("as") in reserved:
            message = f"{step.variable!r} is reserved and cannot name a loop variable"
            self._add(("as",), "bad-name", message, "use another name, such as `as: shot`")

    def _has_constant_key(self) -> bool:
        """Whether a `key` gives several items one key: it reads nothing of them."""
        step = self._step
        loop, over = (step.variable, "item", "matrix", "zip"), step.get(step.loops[0])
        lists = list(over.values()) if isinstance(over, dict) else [over]
        if step.get("key") is None or all(isinstance(one, list) and len(one) < 2 for one in lists):
            return False
        try:
            return not any(one.namespace in loop for one in references(step.get("key")))
        except ExpressionError:
            return False  # reported with the expressions

    def _check_matrix(self, matrix: dict[str, Any]) -> None:
        axes = {axis: values for axis, values in matrix.items() if axis not in SPECIAL}
        if not axes and not matrix.get("include"):
            hint = "write `matrix: {style: [a, b]}`"
            self._add(("matrix",), "empty-list", "the matrix has no axis", hint)
        for axis, values in axes.items():
            self._check_axis_name(("matrix", axis))
            self._check_list(values, ("matrix", axis))
        sizes = [len(values) for values in axes.values() if isinstance(values, list)]
        if prod(sizes) > MAX_ITEMS:
            message = f"the matrix has {prod(sizes):,} combinations; the limit is {MAX_ITEMS:,}"
            self._add(("matrix",), "too-large", message, "remove values")
        for name in SPECIAL:
            if name in matrix and not is_whole(matrix[name]):
                self._check_rules(matrix[name], ("matrix", name), axes)
        self._check_maps(axes)

    def _check_maps(self, axes: Mapping[str, Any]) -> None:
        """Reports axes with maps and other values, where the step reads a key of the maps."""
        try:
            found = references(self._step.keys)
        except ExpressionError:
            return  # reported with the expressions
        read = {one.path[0] for one in found if one.namespace == "matrix" and one.path[1:]}
        for axis, values in axes.items():
            listed = values if axis in read and isinstance(values, list) else []
            plain = [one for one in listed if not isinstance(one, dict) and not is_computed(one)]
            if plain and len(plain) < len(listed):
                message = f"the step reads a key of {axis!r}, and {preview(plain[0])} has none"
                hint = "write a map with this key for each"
                self._add(("matrix", axis), "wrong-type", message, hint)

    def _check_rules(self, rules: Any, path: Path, axes: Mapping[str, Any]) -> None:
        name = path[-1]
        message = f"{name!r} must be a list of maps"
        if not isinstance(rules, list):
            self._add(path, "wrong-type", message, "write [{axis: value}]")
            return
        for index, rule in enumerate(rules):
            place: Path = (*path, index)
            if is_whole(rule):
                continue
            if not isinstance(rule, dict) or not rule:
                self._add(place, "wrong-type", message, "write {axis: value}")
                continue
            for key in rule:
                if name == "include":
                    self._check_axis_name((*place, key))
                elif key not in axes:
                    wrong = f"the matrix has no axis {key!r}"
                    self._add(
                        (*place, key), "unknown-variable", wrong, suggest(key, axes), key=True
                    )
                elif is_never(rule[key], axes[key]):
                    wrong = f"the axis {key!r} never has the value {preview(rule[key])}"
                    known = suggest(str(rule[key]), map(str, axes[key]))
                    self._add((*place, key), "wrong-choice", wrong, known)

    def _check_zip(self, rows: dict[str, Any]) -> None:
        if not rows:
            hint = "write `zip: {a: [1, 2], b: [3, 4]}`"
            self._add(("zip",), "empty-list", "the zip has no list", hint)
        for axis, values in rows.items():
            self._check_axis_name(("zip", axis))
            self._check_list(values, ("zip", axis))
        found = {axis: self._length(values) for axis, values in rows.items()}
        sizes = {axis: length for axis, length in found.items() if length is not None}
        if len(set(sizes.values())) > 1 and not self._is_skipped():
            hint = "make the lists equally long, or use `matrix` for every combination"
            self._add(("zip",), "unequal-lists", unequal(sizes), hint)

    def _length(self, values: Any) -> int | None:
        """How many members a list has, if inputs have their defaults; None if that is not known."""
        if not is_whole(values):
            return len(values) if isinstance(values, list) else None
        with suppress(ExpressionError, UsesNull, NotKnown):
            evaluated = look_ahead(template(values).expressions[0].tree, self._by_default())
            return len(evaluated) if isinstance(evaluated, list) else None
        return known_shape(values, self._names.everywhere(self._step.part)).length

    def _is_skipped(self) -> bool:
        """Whether the step does not run if inputs have their defaults."""
        with suppress(ExpressionError):
            written = self._step.get("if")
            return is_whole(written) and (
                holds(template(written).expressions[0].tree, self._by_default()) is False
            )
        return False

    def _by_default(self) -> dict[str, Any]:
        """The inputs that a run need not be given."""
        inputs = self._names.spec.inputs.items()
        return {
            "inputs": {
                name: one.get("default")
                for name, one in inputs
                if "default" in one or one.get("required") is False
            }
        }

    def _check_axis_name(self, path: Path) -> None:
        axis = str(path[-1])
        plain = axis.isascii() and axis.replace("_", "a").isalnum() and axis[0].isalpha()
        if not plain or len(axis) > 64 or axis != axis.lower():
            message = f"{preview(axis)} is not a valid name for an axis"
            hint = "at most 64 characters: lowercase letters, digits and _, starting with a letter"
            self._add(path, "bad-name", message, hint, key=True)

    def _check_list(self, values: Any, path: Path) -> None:
        """Reports a value that is not a list; expressions inside are checked with the references."""
        name = path[-1]
        hint = "write [first, second], or one expression that gives a list"
        if isinstance(values, list):
            if not values:
                self._add(path, "empty-list", f"{name!r} is an empty list", "add an item")
        elif is_whole(values):
            scope = self._names.everywhere(self._step.part)
            if path[0] == "matrix":
                scope = self._names.before(self._step, str(name))
            shape = known_shape(values, scope)
            if shape.kind not in ("any", "list"):
                message = f"{name!r} must be a list, but this is {an(shape.kind)}"
                if shape.fields and "items" in shape.fields:
                    hint = repair(("list",), shape) or hint
                self._add(path, "wrong-type", message, hint)
        else:
            if isinstance(values, dict) and values:
                hint = f"write a list of maps with the name of each as its `key`, such as [{{key: {next(iter(values))}, …}}]"
            if isinstance(values, str) and bare_name(values):
                hint = f'write "${{{{ {values} }}}}"'
            self._add(path, "wrong-type", f"{name!r} must be a list, not {preview(values)}", hint)


def is_never(value: Any, values: Any) -> bool:
    """Whether an axis with these values, as they are written, never has a value."""
    if not isinstance(values, list) or is_computed(value) or is_computed(values):
        return False
    # As in a run: 1 is no `true`.
    return all(
        one != value or isinstance(one, bool) is not isinstance(value, bool) for one in values
    )


def check_order(spec: WrittenSpec, report: DiagnosticCollector) -> None:
    """Reports duplicate step names, `needs` that cannot be met, and every cycle."""
    parts: dict[str, Part] = {}
    for step in spec.steps:
        if parts.setdefault(step.id, step.part) != step.part:
            message = f"{step.id!r} is already the name of a step in `{parts[step.id]}`"
            report.add(step.path, "duplicate-name", message, "rename one of them", key=True)
    edges: dict[Part, dict[str, list[str]]] = {part: {} for part in PARTS}
    for step in spec.steps:
        seen = seen_from(step.part)
        upstream: dict[str, None] = {}
        for key in (*LOOPS, "if", "with", "key", "fallback", "repeat"):
            with suppress(ExpressionError):  # reported with the expressions
                named = sorted(one for one in references(step.get(key)) if one.path)
                found = {one.path[0]: None for one in named if one.namespace == "steps"}
                if key == "repeat":
                    found.pop(step.id, None)  # the round that has just ended
                upstream |= found
        upstream |= {name: None for _, name in step.needs}
        edges[step.part][step.id] = [name for name in upstream if parts.get(name) == step.part]
        for index, name in step.needs:
            place = (*step.path, "needs", index)
            if name not in parts:
                known = (one for one, other in parts.items() if other in seen)
                report.unknown(place, "unknown-step", "step", known, value=name)
            elif parts[name] not in seen:
                message = f"the step {name!r} runs later, so this step cannot wait for it"
                report.add(place, "out-of-scope", message, later(parts[name]))
    for part in PARTS:
        _check_cycles(edges[part], part, report)


def _check_cycles(edges: dict[str, list[str]], part: Part, report: DiagnosticCollector) -> None:
    place = {step_id: index for index, step_id in enumerate(edges)}
    for _ in range(_MAX_CYCLES):
        try:
            TopologicalSorter(edges).prepare()
            return
        except CycleError as error:
            # graphlib names each member before the one that waits for it, and the last one again.
            cycle: list[str] = list(error.args[1])[:0:-1]
        turned = cycle.index(min(cycle, key=place.__getitem__))
        chain = [*cycle[turned:], *cycle[: turned + 1]]
        first = chain[0]
        short = chain if len(chain) <= _MAX_NAMES else [*chain[: _MAX_NAMES - 2], "…", first]
        # Each step of the chain waits for the next one.
        message = f"steps wait for each other: {' → '.join(short)}"
        hint = "remove one of these references"
        if len(chain) == 2:
            message, hint = f"the step {first!r} refers to itself", "remove that reference"
        report.add((part, first), "cycle", message, hint, key=True)
        edges[first] = [name for name in edges[first] if name != chain[1]]


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
        given = self._evaluate_arguments(arguments)
        self._kind.request(given, self._world)
        for one in (*given.problems, *self._kind.check(given, self._step, self)):
            yield replace(one, hint=one.hint or _MODELS)
        for medium in self._kind.files(arguments):
            yield from self._file_problems(medium)

    def _evaluate_arguments(self, arguments: Mapping[str, Any]) -> Arguments:
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
            message = f"a file must be a path or a URL, not {preview(value)}"
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
            if media and (wrong := sorted(self._makes(own) - media)):
                message = f"{preview(own['model'])} makes {an(wrong[0])}, but the step makes "
                message += " or ".join(an(one) for one in sorted(media))
                hint = f"pick a model that makes {an(min(media))}"
                self._report.add((*place, "model"), "wrong-fallback", message, hint)
            for problem in self.problems({**arguments, **own}):
                key = str(problem.path[0]) if problem.path else ""
                if key in own:
                    self._report.add_inside(place, [problem])
                elif (problem.code, problem.message) not in reported:
                    hint = f"write `{key}:` in the fallback: without it, that of `with` is taken"
                    if key in COMMON and problem.code == "unknown-param":
                        hint = f"write `{key}: {MODELS_OWN}` in the fallback to leave it out"
                    elif key in COMMON:
                        hint += f"; {problem.hint}"
                    at = (*place, next(iter(own)))
                    self._report.add(at, problem.code, problem.message, hint)

    def _makes(self, arguments: Mapping[str, Any]) -> set[str]:
        """The kinds of media that the models of a request make, as far as they are known."""
        named = self._evaluate_arguments(arguments).get("model")
        ids = named.possible if isinstance(named, Unknown) else (named,)
        models = [self._names.catalogue.get(one) for one in ids if isinstance(one, str)]
        return {model.makes for model in models if model is not None and model.makes is not None}
