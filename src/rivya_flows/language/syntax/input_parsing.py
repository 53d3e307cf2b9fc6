"""Parse values of inputs: ``name=value`` texts and files of YAML or JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import JsonValue

from rivya_flows.diagnostics import Diagnostic
from rivya_flows.errors import SpecError
from rivya_flows.language.diagnostic_report import DiagnosticCollector, meant
from rivya_flows.language.inputs import hint_for
from rivya_flows.language.syntax import source, tree
from rivya_flows.language.wording import shown
from rivya_flows.language.workflow import Input, Workflow

_TEXTUAL = ("string", "text", "enum", "date", "file", "secret")


def parse_assignments(assignments: Iterable[str], workflow: Workflow) -> dict[str, JsonValue]:
    """The values of ``name=value`` texts, each read as YAML against the type of its input.

    A text stays as written (`-i size=9:16`, `-i code=012`) unless it is quoted.

    Raises:
        SpecError: A text has no ``=``, names an unknown input, or is neither UTF-8 nor YAML.
    """
    values: dict[str, JsonValue] = {}
    problems: list[Diagnostic] = []
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        declared = workflow.inputs.get(name.strip())
        if not equals:
            message = f"{shown(assignment)} has no '='"
            problems.append(_problem("wrong-input", message, "write NAME=VALUE"))
        elif not _is_unicode(text):
            message = f"{name}: {shown(text)} is not UTF-8 text"
            problems.append(_problem("wrong-input", message, "set the terminal to UTF-8"))
        elif declared is None:
            hint = meant(name.strip(), workflow.inputs) or "the spec has no inputs"
            problems.append(_problem("unknown-input", f"unknown input {shown(name)}", hint))
        else:
            try:
                values[name.strip()] = _read(declared, text)
            except ValueError as error:
                problems.append(_problem("wrong-input", f"{name}: {error}", hint_for(declared)))
    if problems:
        raise SpecError(tuple(problems))
    return values


def read_values(text: str, *, file: str) -> dict[str, JsonValue]:
    """The values of an inputs file, YAML or JSON: a map of input to value.

    Raises:
        SpecError: It is not YAML, or no map.
    """
    text = text.removeprefix("\ufeff")
    report = DiagnosticCollector(file, text)
    node, mistakes = source.read(text)
    report.add_located(mistakes)
    if not mistakes and not isinstance(node, tree.Mapping):
        report.add((), "not-inputs", "the file is not a map of inputs", "write `name: value` lines")
    if report.diagnostics or node is None:
        raise SpecError(report.diagnostics)
    values: dict[str, JsonValue] = tree.plain(node)
    return values


def _problem(code: str, message: str, hint: str | None) -> Diagnostic:
    return Diagnostic(code, message, hint, file="<inputs>")


def _is_unicode(text: str) -> bool:
    """Whether the text is valid Unicode: other bytes of a command line are surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _read(declared: Input, text: str) -> Any:
    if declared.type in ("string", "text", "file", "secret", "date"):
        quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
        return _yaml(text, ()) if quoted else text
    value = _yaml(text, (declared.of,) if declared.type == "list" else ())
    if declared.type == "enum" and value not in declared.values:
        return text
    if declared.type == "list" and isinstance(value, str):
        raise ValueError(f"expected a list, not {shown(text)}")
    return value


def _yaml(text: str, members: tuple[str | None, ...]) -> Any:
    node, mistakes = source.read(text)
    if mistakes:
        raise ValueError(f"{shown(text)} is not YAML: {mistakes[0].message}")
    if node is None:
        return ""
    if isinstance(node, tree.Sequence) and members and members[0] in (None, *_TEXTUAL):
        return [
            text[member.mark.index : member.end].strip()
            if isinstance(member, tree.Scalar) and not isinstance(member.value, str)
            else tree.plain(member)
            for member in node.members
        ]
    return tree.plain(node)
