"""Checks of conditions, and of the literal arguments of each kind of step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from rivya_flows.catalogue.catalogue import certain
from rivya_flows.language.checks.final_cut import cut_problems, length_problems
from rivya_flows.language.diagnostic_report import DiagnosticCollector, meant
from rivya_flows.language.expressions.resolve import references
from rivya_flows.language.expressions.templates import NAMESPACES, template
from rivya_flows.language.expressions.values import ExpressionError
from rivya_flows.language.final_cut import CUT_STEPS
from rivya_flows.language.other_words import own_word
from rivya_flows.language.step_arguments import WITH_MODELS
from rivya_flows.language.step_groups import written_steps
from rivya_flows.language.syntax.secret_names import (
    RESERVED_HINT,
    is_secret_name,
    names_secret,
    refusal,
)
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import an, shown

EFFORTS = ("default", "minimal", "low", "medium", "high", "xhigh")
"""The values of `reasoning_effort`."""

MODES = ("human", "first", "best", "judge")
"""Who chooses in a `pick`."""

ANSWER_TYPES = ("string", "integer", "number", "boolean")
_FORM = "write string, integer, number or boolean, [string], [{name: string}], or {name: string}"
_OTHER_TYPES = {
    **dict.fromkeys(("array", "list", "[]", "[string]", "string[]", "strings"), "write [string]"),
    **dict.fromkeys(("object", "map", "dict", "json"), "write {name: string}"),
    **dict.fromkeys(
        ("enum", "choice", "select"), "write string, and name the choices in the message"
    ),
    **dict.fromkeys(("date", "time", "url", "text", "str", "any"), "write string"),
    **dict.fromkeys(("float", "double", "decimal"), "write number"),
}
"""What to write instead of the types of other languages."""

_UNPAID = ("regenerate", "fallback", "timeout", "max_parallel", "cache")
IDLE = {
    "upload": _UNPAID,
    "chat": ("regenerate", "fallback", "timeout"),
    "pick": ("retry", *_UNPAID),
    **dict.fromkeys(CUT_STEPS, ("retry", "regenerate", "fallback", "max_parallel")),
    "notify": _UNPAID,
}
"""Keys of a step that have no effect for its kind."""


def check_arguments(data: Mapping[str, Any], report: DiagnosticCollector) -> None:
    """Reports conditions and arguments that are not valid."""
    for part, step_id, step in written_steps(data):
        path: Path = (part, step_id)
        _check_condition(step, data.get("inputs"), (*path, "if"), report)
        _check_idle(step, path, report)
        for index, one in enumerate(_members(step.get("fallback"))):
            if isinstance(one, dict):
                _check_generate(one, (*path, "fallback", index), report)
        arguments = step.get("with")
        check = _CHECKS.get(str(step.get("uses")))
        if check and isinstance(arguments, dict):
            check(arguments, (*path, "with"), report)


def _members(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _check_idle(step: Mapping[str, Any], path: Path, report: DiagnosticCollector) -> None:
    uses = str(step.get("uses"))
    of_function = ("fallback",) if uses not in WITH_MODELS else ()
    for key in IDLE.get(uses, of_function):
        if key in step:
            asks = uses == "pick" and key == "timeout"
            hint = "set it in `with`, where it limits the question" if asks else "remove it"
            message = f"{key!r} has no effect on {an(uses)} step"
            report.add((*path, key), "needless-key", message, hint, key=True)


def _check_condition(
    step: Mapping[str, Any], inputs: Any, path: Path, report: DiagnosticCollector
) -> None:
    value = step.get("if")
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        try:
            if template(value).whole:
                return
        except ExpressionError:
            return  # reported with the expressions
    hint = "write one expression" if "${{" in str(value) else _condition_hint(value, step, inputs)
    report.add(path, "bad-condition", "a condition must be one expression, true or false", hint)


def _condition_hint(value: Any, step: Mapping[str, Any], inputs: Any) -> str:
    """The value in braces, if that is an expression of known names; else an example."""
    named: set[str] = set()
    if isinstance(value, str) and len(value) < 60 and '"' not in value:
        with suppress(ExpressionError):
            named = {one.namespace for one in references(f"${{{{ {value} }}}}")}
            if named and named <= {*NAMESPACES, step.get("as")}:
                return f'write "${{{{ {value} }}}}"'
    known = inputs if isinstance(inputs, dict) else {}
    name = next((one for one in sorted(named) if one in known), "NAME")
    return f"write \"${{{{ inputs.{name} == 'value' }}}}\""


def _check_chat(arguments: dict[str, Any], path: Path, report: DiagnosticCollector) -> None:
    _check_expect(arguments.get("expect"), (*path, "expect"), report)
    _check_choice(arguments.get("reasoning_effort"), EFFORTS, (*path, "reasoning_effort"), report)
    _check_type(arguments, "web_search", bool, "true or false", "write true or false", path, report)
    for key in ("message", "session"):
        _check_text(arguments.get(key), (*path, key), report)


def _check_expect(expect: Any, path: Path, report: DiagnosticCollector) -> None:
    """Reports an answer schema that is not valid."""
    if not isinstance(expect, dict):
        return  # reported by the model of the step
    if not expect:
        report.add(path, "bad-expect", "'expect' is empty", "write {name: string}")
    for name, part in expect.items():
        place: Path = (*path, name)
        if not name.isidentifier() or len(name) > 64:
            message = f"{shown(name)} is not a valid name for a field"
            report.add(
                place,
                "bad-name",
                message,
                "letters, digits and _, starting with a letter",
                key=True,
            )
        if isinstance(part, dict):
            _check_expect(part, place, report)
        elif isinstance(part, list):
            if len(part) != 1 or not isinstance(part[0], str | dict):
                hint = "write [string], or [{name: string}]"
                if part and not any(isinstance(one, dict) or one in ANSWER_TYPES for one in part):
                    hint = "write string, and name the choices in the message"
                what = shown(part[0]) if len(part) == 1 else f"{len(part)} things"
                message = f"[ ] takes the type of its items, not {what if part else 'nothing'}"
                report.add(place, "bad-expect", message, hint)
            elif isinstance(part[0], dict):
                _check_expect(part[0], (*place, 0), report)
            else:
                _check_answer_type(part[0], (*place, 0), report)
        else:
            _check_answer_type(part, place, report)


def _check_answer_type(written: Any, path: Path, report: DiagnosticCollector) -> None:
    if not isinstance(written, str):
        message = f"a field of an answer has a type, not {shown(written)}"
        report.add(path, "bad-expect", message, _FORM)
    elif written not in ANSWER_TYPES:
        hint = _OTHER_TYPES.get(written.lower()) or meant(written, ANSWER_TYPES)
        if written.endswith("?"):
            hint = f"write {written[:-1]}: every field is required"
        sure = certain(written, ANSWER_TYPES)
        report.add(path, "bad-expect", f"unknown answer type {shown(written)}", hint, instead=sure)


def _check_generate(arguments: dict[str, Any], path: Path, report: DiagnosticCollector) -> None:
    _check_text(arguments.get("prompt"), (*path, "prompt"), report)
    _check_type(arguments, "params", dict, "a map", "write {name: value}", path, report)
    hint = 'write ["${{ steps.NAME.asset }}"]'
    _check_type(arguments, "references", (list, str), "a list", hint, path, report)


def _check_upload(arguments: dict[str, Any], path: Path, report: DiagnosticCollector) -> None:
    if _computed(arguments.get("model")):
        message = "the model of an upload cannot be an expression"
        hint = "write its id, or remove it"
        report.add((*path, "model"), "expression-not-allowed", message, hint)


def _check_pick(arguments: dict[str, Any], path: Path, report: DiagnosticCollector) -> None:
    _check_type(arguments, "from", list, "a list", 'write "${{ steps.NAME.items }}"', path, report)
    _check_choice(arguments.get("mode"), MODES, (*path, "mode"), report)
    _check_text(arguments.get("question"), (*path, "question"), report)


def _check_cut(
    uses: str, arguments: dict[str, Any], path: Path, report: DiagnosticCollector
) -> None:
    report.add_inside(path, cut_problems(uses, arguments))
    if uses == "compose":
        report.add_inside(path, length_problems(arguments))


def _check_notify(arguments: dict[str, Any], path: Path, report: DiagnosticCollector) -> None:
    url, secret = arguments.get("url"), arguments.get("secret")
    _check_text(url, (*path, "url"), report)
    known = isinstance(url, str) and not _computed(url)
    if known and not (names_secret(url) or _is_address(str(url))):
        message = f"{shown(url)} is not an http(s) URL"
        report.add((*path, "url"), "bad-address", message, "write https://example.com/hook")
    if secret is not None and not _computed(secret) and not is_secret_name(secret):
        # The value may be the secret itself, so it is not shown.
        message = "name the secret instead of writing its value"
        report.add((*path, "secret"), "bad-secret", message, "write env:NAME or block:NAME")
    for key, value in (("url", url), ("secret", secret)):
        if reason := refusal(value):
            report.add((*path, key), "reserved-secret", reason, RESERVED_HINT)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        named = url.startswith(("http://", "https://")) and bool(parts.hostname)
        return named and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _check_type(
    arguments: dict[str, Any],
    key: str,
    types: type | tuple[type, ...],
    wanted: str,
    hint: str,
    path: Path,
    report: DiagnosticCollector,
) -> None:
    value = arguments.get(key)
    if not (value is None or isinstance(value, types) or _computed(value)):
        message = f"{key!r} must be {wanted}, not {shown(value)}"
        report.add((*path, key), "wrong-type", message, hint)


def _check_choice(
    value: Any, choices: tuple[str, ...], path: Path, report: DiagnosticCollector
) -> None:
    if value is not None and value not in choices and not _computed(value):
        message = f"{path[-1]!r} cannot be {shown(value)}"
        own = own_word(str(value), choices)
        hint = f"did you mean {own!r}?" if own else meant(str(value), choices)
        report.add(path, "wrong-choice", message, hint, instead=certain(str(value), choices))


def _check_text(value: Any, path: Path, report: DiagnosticCollector) -> None:
    if value is not None and not isinstance(value, str):
        hint = "put it in quotes" if not isinstance(value, dict | list) else "write text"
        message = f"{path[-1]!r} must be text, not {shown(value)}"
        report.add(path, "wrong-type", message, hint)


def _computed(value: Any) -> bool:
    return isinstance(value, str) and "${{" in value


_CHECKS: Mapping[str, Callable[[dict[str, Any], Path, DiagnosticCollector], None]] = {
    "upload": _check_upload,
    "chat": _check_chat,
    "generate": _check_generate,
    "pick": _check_pick,
    "compose": partial(_check_cut, "compose"),
    "layout": partial(_check_cut, "layout"),
    "notify": _check_notify,
}
