"""Refuse a rehearsed run whose steps, outputs or callbacks are certain to fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from rivya_client.addresses import is_private, redact_url
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.errors import SpecError, UsageError
from rivya_flows.estimate.preflight import certain_callbacks, certain_failures, missing_in_outputs
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull
from rivya_flows.language.inputs import RESERVED_HINT, refusal
from rivya_flows.language.syntax import source
from rivya_flows.language.syntax.media_references import kind_of, written_path
from rivya_flows.language.syntax.tree import Mapping
from rivya_flows.language.wording import shown
from rivya_flows.language.workflow import PARTS
from rivya_flows.plans.names import label
from rivya_flows.plans.plan import brand_in
from rivya_flows.plans.requests import known_part
from rivya_flows.preparation.spec_file import SpecFile
from rivya_flows.queue.items import Phase
from rivya_flows.queue.state import State
from rivya_flows.settings import Settings, read_secret

_MOST_REPORTED = 100  # certain failures that are reported one by one


def refuse_known_failures(state: State, spec: SpecFile) -> None:
    """Refuses a run that would fail later for a reason that is known now."""
    failures = [
        (step_id, item.key, str(item.reason))
        for step_id, item in state.each()
        # How an included spec ends follows from its steps, which are reported.
        if item.phase is Phase.FAILED and item.code != "included"
    ]
    failures += certain_failures(state)
    outputs = [*_failing_outputs(state), *missing_in_outputs(state)]
    if not failures and not outputs:
        return
    text = spec.text.removeprefix("\ufeff")
    root = source.read(text)[0]

    def problem(place: tuple[str, str], message: str) -> Diagnostic:
        report = DiagnosticCollector(spec.name, text)
        report.root = root
        report.add(place, "bad-arguments", message, key=True)
        return report.diagnostics[0]

    problems = [
        problem(
            _place_of(root, step_id),
            f"{label(step_id, key)}: {_with_file_input(reason, state, step_id)}",
        )
        for step_id, key, reason in failures[:_MOST_REPORTED]
    ]
    for step_id, _, _ in failures[_MOST_REPORTED : _MOST_REPORTED + 1]:
        more = f"and {len(failures) - _MOST_REPORTED:,} more items fail"
        problems.append(problem(_place_of(root, step_id), more))
    problems += [
        problem(("outputs", name), f"the output {name!r}: {reason}") for name, reason in outputs
    ]
    raise SpecError(tuple(sorted(problems, key=lambda one: (one.line, one.column))))


def _with_file_input(reason: str, state: State, step_id: str) -> str:
    """The reason, with what to do if it names a path that an input gives as text."""
    planned = state.planned(step_id)
    for name in sorted(planned.reads) if not planned.space else ():
        given = state.plan.inputs.get(name)
        kind = kind_of(given) if isinstance(given, str) and written_path(given) else None
        if kind is not None and shown(given) in reason:
            fix = f"make the input {name!r} a file: {{type: file, kind: {kind}}}"
            return f"{reason.partition('; ')[0]}; {fix}"
    return reason


def _failing_outputs(state: State) -> Iterator[tuple[str, str]]:
    """Outputs with a part that no step can change and that cannot be evaluated, with the reason."""
    own_brand = brand_in(state.plan.spaces[""], state.plan.files)
    for name, written in state.plan.workflow.outputs.items():
        try:
            known_part(written, {"inputs": state.plan.inputs, **own_brand})
        except UsesNull:
            continue  # the input is null, so the output is null
        except ExpressionError as error:
            yield name, str(error)


def _place_of(root: object, name: str) -> tuple[str, str]:
    """Part and id of a step by its name in the plan; those of its `include` step if included."""
    words = name.split("__")
    for end in range(len(words), 0, -1):
        step_id = "__".join(words[:end])
        for part in PARTS:
            held = root.get(part) if isinstance(root, Mapping) else None
            if isinstance(held, Mapping) and step_id in held.pairs:
                return part, step_id
    return "steps", name


def refuse_unsendable(state: State, settings: Settings) -> None:
    """Refuses a run whose callback is certain to fail, as far as that is known offline."""
    for step, url, secret in certain_callbacks(state):
        for named in (url, secret):
            if reason := refusal(named):
                raise UsageError(f"{step}: {reason}", RESERVED_HINT)
            named = named if isinstance(named, str) else ""
            if named.startswith("env:") and read_secret(named.removeprefix("env:")) is None:
                hint = "set the variable where the run is executed, or write it in .env there"
                raise UsageError(f"{step}: the secret {named!r} is not set", hint)
        if settings.rivya_flows_allow_private_notify or not isinstance(url, str):
            continue
        private = False
        with suppress(ValueError):  # of a name, or of what is not an address
            host = urlsplit(url).hostname or ""
            private = host == "localhost" or host.endswith(".localhost") or is_private(host)
        if private:
            message = (
                f"{step}: {redact_url(url)} is an address of this machine or of a private network"
            )
            hint = "give a public one; RIVYA_FLOWS_ALLOW_PRIVATE_NOTIFY=true allows it for a trial"
            raise UsageError(message, hint)
