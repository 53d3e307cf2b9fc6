"""What to say of a value that does not fit its model: pydantic's errors in the words of the language."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from pydantic_core import ErrorDetails

from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.diagnostic_report import DiagnosticCollector, meant
from rivya_flows.language.expressions.filters import slug
from rivya_flows.language.final_cut import CUT_PARTS
from rivya_flows.language.step_groups import PARTS
from rivya_flows.language.synonyms import (
    is_share,
    list_hint,
    map_hint,
    number_hint,
    own_word,
    share_hint,
    surely,
)
from rivya_flows.language.syntax.durations import DurationError
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import cut, shown
from rivya_flows.language.workflow import Resources
from rivya_flows.similar_names import certain

_WANTED = {
    "string_type": ("text", "put it in quotes"),
    "int_type": ("a whole number", "write the number without quotes"),
    "float_type": ("a number", "write the number without quotes"),
    "bool_type": ("true or false", "write true or false"),
    "tuple_type": ("a list", "write [first, second], or one `- ` line for each item"),
    "dict_type": ("a map", "write `key: value` lines below it"),
    "model_type": ("a map", "write `key: value` lines below it"),
}
_MAPS = {
    "steps": "write `NAME:` and its keys below it, without a dash",
    "outputs": "write `NAME: ${{ steps.NAME.asset }}`, without a dash",
    "inputs": "write `NAME: {type: string}`, without a dash",
    "budget": "write `budget: {credits: 60}`",
    "retry": "write `retry: {attempts: 3}`",
    "labels": "write `labels: {client: acme}`",
    "matrix": "write `matrix: {style: [first, second]}`",
    "zip": "write `zip: {style: [first, second], light: [first, second]}`",
    "params": "write `params: {name: value}`",
    "expect": "write `expect: {name: string}`",
    "judge": "write `judge: {model: gemini-2-5-flash-chat, criteria: [the product is whole]}`",
    "none": "write `none: {rounds: 1}`",
    "fallback": "write {model: …}, or what else is different",
    "transition": "write `transition: {kind: fade}`",
    "music": 'write `music: {audio: "${{ steps.NAME.asset }}"}`',
    "captions": 'write `captions: {text: "${{ steps.NAME.text }}"}`',
    "end_card": "write `end_card: {title: …}`",
}
"""Hints for keys that must be maps."""
_INPUT_TYPES = {
    "select": "write `type: enum` and `values: [first, second]`",
    "choice": "write `type: enum` and `values: [first, second]`",
    **{kind: f"write `type: file` and `kind: {kind}`" for kind in ("image", "video", "audio")},
}
"""Hints for types of other languages."""
_TIMES = ("timeout", "patience", "interval")
CHAT = "gemini-2-5-flash-chat"
"""A chat model, as an example."""
EXAMPLES = {
    "version": "1",
    "name": "my-campaign",
    "model": "z-image",
    "message": "A slogan for a lamp",
    "from": '"${{ steps.NAME.items }}"',
    "file": "photos/lamp.png",
    "url": "https://example.com/hook",
    "media": '"${{ steps.NAME.asset }}"',
    "audio": '"${{ steps.NAME.asset }}"',
    "image": '"${{ steps.NAME.asset }}"',
    "clips": '["${{ steps.NAME.asset }}"]',
    "spec": "parts/intro.yaml",
    "type": "string",
    "criteria": "[the product is whole]",
    "credits": "60",
}
"""Example values for missing keys."""
_NAMES: dict[tuple[str, str], str] = {
    **{(part, "[key]"): "a step" for part in PARTS},
    ("inputs", "[key]"): "an input",
    ("outputs", "[key]"): "an output",
    ("labels", "[key]"): "a label",
}


def report_error(details: ErrorDetails, path: Path, report: DiagnosticCollector) -> None:
    kind, loc, value = details["type"], details["loc"], details["input"]
    context = details.get("ctx", {})
    place: Path = (*path, *loc)
    if kind in _WANTED or kind == "model_attributes_type":
        wrong = must_be(place, kind if kind in _WANTED else "dict_type", value)
        report.add_inside((), [wrong])
    elif kind == "missing":
        example = EXAMPLES.get(str(loc[-1]), "…")
        if place[-2:] == ("judge", "model") or (loc[-1] == "model" and "message" in value):
            example = CHAT
        if loc[-1] == "name" and "cases" in place:
            example = "two stills and a film"
        report.add(place, "missing-key", f"{loc[-1]!r} is missing", f"add `{loc[-1]}: {example}`")
    elif kind == "literal_error":
        expected = str(context["expected"]).replace(" or ", ", ").split(", ")
        choices = [choice.strip("' ") for choice in expected]
        wrong = wrong_choice(place, value, choices)
        if place[0] == "inputs" and (instead := _INPUT_TYPES.get(str(value))):
            hint = instead.replace("type:", "of:") if loc[-1] == "of" else instead
            wrong = replace(wrong, hint=hint, instead=None)
        elif place[0] == "inputs" and (own := own_word(str(value), choices)):
            wrong = replace(wrong, instead=own)  # a type by its name in Python
        report.add_inside((), [wrong])
    elif kind == "extra_forbidden" and loc[-2:-1] == ("job_variables",):
        # A spec may come from somebody else, and these decide what code runs and who gets a key.
        name = cut(str(loc[-1]))
        message = f"a spec cannot set the job variable {name!r}"
        hint = (
            f"a spec sets {', '.join(Resources.model_fields)}; set others when you deploy, with "
            f"`deploy --job-variable {name}=VALUE`, or in the base job template of the pool"
        )
        report.add(place, "operator-only", message, hint, key=True)
    elif kind == "extra_forbidden":
        part = CUT_PARTS.get(next((str(one) for one in loc[-2::-1] if isinstance(one, str)), ""))
        report.unknown(place, "unknown-key", "key", part.model_fields if part else ())
    elif kind == "too_long":
        most = f"at most {context['max_length']:,}"
        message = f"{loc[-1]!r} has {len(value):,} items; the limit is {context['max_length']:,}"
        report.add(place, "out-of-range", message, f"write {most}")
    elif kind == "too_short":
        if not value:  # else its items are reported
            report.add(place, "empty-list", f"{loc[-1]!r} is an empty list", "add an item")
    elif kind == "string_too_short" or (kind == "string_too_long" and "with" in place):
        message = f"{_name(loc[-1])} has {len(value):,} characters"
        bounds = {"min_length": "at least", "max_length": "at most"}
        hint = next(
            f"write {word} {context[key]:,}" for key, word in bounds.items() if key in context
        )
        report.add(place, "out-of-range", message, hint)
    elif kind in ("string_pattern_mismatch", "string_too_long"):
        _bad_name(place, value, report)
    elif kind in ("greater_than_equal", "less_than_equal", "greater_than", "less_than"):
        sign, bound = next(iter(context.items()))
        word = {"ge": "at least", "le": "at most", "gt": "more than", "lt": "less than"}[sign]
        message = f"{loc[-1]!r} must be {word} {bound:g}, not {shown(value)}"
        hint = share_hint(value) if is_share(str(loc[-1])) else f"write {word} {bound:g}"
        report.add(place, "out-of-range", message, hint)
    else:
        error = context.get("error")
        message, _, hint = str(error or details["msg"]).partition("; ")
        sure = error.instead if isinstance(error, DurationError) else None
        report.add(place, "wrong-value", message, hint or None, instead=sure)


def _bad_name(place: Path, value: Any, report: DiagnosticCollector) -> None:
    what = _NAMES.get((str(place[0]), str(place[-1]))) if len(place) > 1 else None
    key = place[-1] == "[key]"
    allowed = "letters, digits, spaces, _ . and -" if place[0] == "deploy" else None
    if allowed is None:
        hyphens = place in (("name",), ("concurrency", "group")) or place[0] == "labels"
        hyphen = " or -" if hyphens else ""
        allowed = f"lowercase letters, digits and _{hyphen}, starting with a letter"
    name = place[-2] if key else value
    message = f"{shown(name)} is not a valid name for {what or _named(place)}"
    where = place[:-1] if key else place
    most = 32 if place[0] == "labels" else 64
    hint = f"at most {most} characters: {allowed}"
    near = slug(str(name)[:most]).lstrip("-0123456789")
    if near and near.isascii():
        hint = f"write {near if '-' in allowed else near.replace('-', '_')}; {hint}"
    report.add(where, "bad-name", message, hint, key=key)


def _named(place: Path) -> str:
    if place == ("name",):
        return "a workflow"
    return {"deploy": "a deployment", "concurrency": "a group"}.get(str(place[0]), "a step")


def _name(step: str | int) -> str:
    return f"item {step + 1}" if isinstance(step, int) else repr(step)


def must_be(place: Path, kind: str, value: Any) -> Diagnostic:
    """What to say of a value at a place where pydantic's error is of this kind."""
    name = _name(place[-1])
    if isinstance(value, str) and "${{" in value:
        message = f"{name} cannot be an expression: it is needed before the run"
        return Diagnostic("expression-not-allowed", message, "write the value itself", path=place)
    if value is None and isinstance(place[-1], str) and kind in ("string_type", "int_type"):
        hint = f"write {_wanted(place, kind, value)[0]} after `{place[-1]}:`"
        return Diagnostic("missing-key", f"{name} is empty", hint, path=place, at_key=True)
    return wrong_type(place, kind, value)


def wrong_choice(place: Path, value: Any, choices: Collection[str]) -> Diagnostic:
    """What to say of a value that is none of a few."""
    own, sure = own_word(str(value), choices), certain(str(value), choices)
    hint = f"did you mean {own!r}?" if own else meant(str(value), choices)
    message = f"{_name(place[-1])} cannot be {shown(value)}"
    return Diagnostic("wrong-choice", message, hint, path=place, instead=sure)


def wrong_type(place: Path, kind: str, value: Any, hint: str | None = None) -> Diagnostic:
    """What to say of a value of another type than what it must be; `hint` is how that is written."""
    wanted, usual = _wanted(place, kind, value)
    message = f"{_name(place[-1])} must be {wanted}, not {shown(value)}"
    sure = surely(kind, str(place[-1]), value)
    return Diagnostic("wrong-type", message, hint or usual, path=place, instead=sure)


def _wanted(place: Path, kind: str, value: Any) -> tuple[str, str]:
    """What a value must be, and how it is written."""
    wanted, hint = _WANTED[kind]
    if kind == "float_type" and place[-1] in _TIMES:
        wanted, hint = "a duration", "write 90s, 15m, 48h or a number of seconds"
    if place[-1] == "work_pool":
        wanted, hint = (
            "a name or a map",
            "write NAME, or {name: NAME, job_variables: {memory: 4096}}",
        )
    if value is None and kind == "string_type":
        hint += ", or remove it"  # a comment perhaps: `#0b3d2e`
    if kind in ("dict_type", "model_type"):
        if place[-2:-1] == ("fallback",):
            hint = _MAPS["fallback"]
        elif len(place) == 1 or place[-1] in (
            "matrix",
            "zip",
            "expect",
            "judge",
            "none",
            "retry",
            *CUT_PARTS,
        ):
            hint = _MAPS.get(str(place[-1]), hint)
            if "with" in place or place == ("budget",):
                hint = map_hint(str(place[-1]), value) or hint
        elif place[0] == "inputs":
            hint = "write {type: string}"
        elif place[-2:-1] == ("overlays",):
            hint = "write {text: …}, or {image: logo.png}"
        if place[-1] == "captions" and "with" not in place:  # of a brand
            hint = "write `captions: {position: bottom}`"
    if kind == "string_type" and isinstance(value, dict | list):
        hint = "write one line of text"
    if kind in ("int_type", "float_type") and wanted != "a duration":
        text = isinstance(value, str)
        hint = number_hint(str(place[-1]), value, wanted) if text else f"write {wanted}"
    if kind == "tuple_type":
        hint = list_hint(value) or hint
        if place[-1] == "fallback" and isinstance(value, str):
            hint = f"write [{{model: {cut(value)}}}]"
    return wanted, hint
