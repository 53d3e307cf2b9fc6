"""The blocks of docs/reference/spec.md: keys, filters and limits of the language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from reference_tables import first_line, table

from rivya_client.catalogue.snapshot import shipped
from rivya_cut.platforms import PLATFORMS
from rivya_flows.diagnostics import CODES
from rivya_flows.language import matrix, patterns
from rivya_flows.language.brand import Brand, BrandCaptions, BrandEndCard
from rivya_flows.language.expressions import evaluation, output_types, resolve, values
from rivya_flows.language.expressions.filters import FILTERS, usage
from rivya_flows.language.expressions.values import TESTS
from rivya_flows.language.field_types import SpecModel, fields_of, keys_of
from rivya_flows.language.syntax import source
from rivya_flows.language.workflow import (
    Budget,
    Concurrency,
    CreditLimit,
    Defaults,
    Deploy,
    Fallback,
    Input,
    Repeat,
    Resources,
    Retry,
    Schedule,
    Step,
    StepBudget,
    Trigger,
    Workflow,
    WorkPool,
)
from rivya_flows.spec.files import MAX_LEVELS, MOST
from rivya_flows.spec.inlining import MAX_STEPS
from rivya_flows.spec.json_schema import json_schema
from rivya_flows.spec.schema_fragments import first_paragraph
from rivya_flows.steps import request as item_requests
from rivya_flows.steps.kind import Kind, given_fields
from rivya_flows.steps.registry import BUILT_IN

_MODELS = frozenset(shipped().models)
_SCHEMA = json_schema(shipped(), BUILT_IN)
_OPTIONAL = "*Computed* values may be expressions."
_PARTS = (
    ("In the whole file", Workflow, ""),
    ("An input, in `inputs`", Input, ""),
    (
        "`brand`, in the spec or as a brand file",
        Brand,
        "A brand file has the same keys at its top. Paths in it are relative to its own folder.",
    ),
    ("`end_card` of a brand", BrandEndCard, ""),
    ("`captions` of a brand", BrandCaptions, ""),
    ("`budget`", Budget, ""),
    ("`concurrency`", Concurrency, "See [Limits](../how-to/limits.md)."),
    ("A step, in `steps`, `on_failure` and `finally`", Step, ""),
    ("`fallback` of a step", Fallback, "One map for each alternative, at most 5."),
    ("`budget` of a step", StepBudget, ""),
    ("`budget` of a deployment", CreditLimit, ""),
    (
        "`repeat` of a step",
        Repeat,
        "See [Again until it is right](#again-until-it-is-right-repeat).",
    ),
    ("`retry` of a step", Retry, "It repeats a request for the same job and costs nothing."),
    ("A deployment, in `deploy`", Deploy, "See [Deployments](../how-to/deployments.md)."),
    ("`work_pool` of a deployment", WorkPool, ""),
    (
        "`job_variables` of a work pool",
        Resources,
        "Each also takes an amount with a unit, such as `500m` or `4Gi`.",
    ),
    (
        "A schedule, in `schedules`",
        Schedule,
        "It needs exactly one of `cron`, `interval` and `rrule`.",
    ),
    ("A trigger, in `triggers`", Trigger, ""),
)


def filters() -> str:
    """Filters and tests of expressions."""
    rows = [(f"`{usage(name)}`", first_line(FILTERS[name])) for name in FILTERS]
    tests = ", ".join(f"`is {name}`" for name in TESTS)
    return table(("filter", "gives"), rows) + f"\nAnd after a value: {tests}, or `is not …`.\n"


def write_keys() -> str:
    """Every key, what it takes, and what a step gives."""
    parts = [_OPTIONAL + "\n"]
    for title, model, more in _PARTS:
        parts.append(f"### {title}\n")
        parts.append(_keys(model))
        if more:
            parts.append(more + "\n")
        if model is Step:
            parts += _several()
    rows = ", ".join(f"`{key}`" for key in keys_of(Defaults))
    parts.append("### `defaults`\n")
    parts.append(
        f"By kind of step, and of `generate` also by `image`, `video` and `audio`: {rows}, as in a step."
        " `x-…` keys are notes, anywhere.\n"
    )
    for uses, kind in BUILT_IN.items():
        parts.append(f"### `with` of `{uses}`\n\n{kind.says}\n")
        parts.append(_keys(kind.takes))
        parts.append(f"It gives {_gives(kind)}.\n")
        for part, title in _parts_of(kind.takes, f"`{uses}`").items() if uses != "layout" else ():
            parts.append(f"#### {title}\n\n{first_paragraph(part)}\n")
            parts.append(_keys(part))
    parts.append("### An asset\n")
    fields = ", ".join(f"`{name}`" for name in output_types.asset().fields or ())
    parts.append(
        f"What a step makes, as in `steps.still.asset`, has {fields}. Inside a text name one of "
        "them, such as `steps.still.asset.url`. A film in which somebody speaks has `speech` too: its `cues`, and "
        "whether it is `captioned` with them.\n"
    )
    return "\n".join(parts)


def _parts_of(model: type[SpecModel], of: str) -> dict[type[SpecModel], str]:
    """The models of the maps in a map, each once, by what they are."""
    held = {key: one.inner for key, one in fields_of(model).items() if one.inner is not None}
    titles = {
        inner: f"{_join([f'`{key}`' for key, one in held.items() if one is inner], 'and')} of {of}"
        for inner in held.values()
    }
    for key, inner in held.items():
        titles = _parts_of(inner, f"`{key}`") | titles
    return dict(sorted(titles.items(), key=lambda one: one[0] not in held.values()))


def limits() -> str:
    """How large a spec may be."""
    mebibytes = source.MAX_BYTES >> 20
    rows = [
        ("a spec", f"{mebibytes} MiB, {source.MAX_DEPTH} levels, {source.MAX_NODES:,} values"),
        ("its text", f"{source.MAX_TEXT >> 20} MiB, each use of an alias counted"),
        ("an expression", f"{resolve.MAX_CHARACTERS:,} characters"),
        (
            "a pattern",
            f"{patterns.MAX_PATTERN:,} characters; {patterns.MAX_PATTERN_PARTS:,} parts, counted"
            f" repetitions included, and {patterns.MAX_PARTS_OF_ALL:,} in a spec",
        ),
        (
            "a value with a pattern",
            f"{patterns.MAX_PATTERN_WORK:,} characters, divided by the parts of the pattern",
        ),
        (
            "what a text with expressions reads",
            f"{evaluation.MAX_WORK >> 20} MiB, all filters and operators counted",
        ),
        ("what it gives", f"{values.MAX_BYTES >> 20} MiB, {values.MAX_MEMBERS:,} values"),
        (
            "what the texts of a plan, or of the items of a step, read together",
            f"{evaluation.MAX_WORK_TOGETHER >> 20} MiB",
        ),
        ("a fan-out", f"{matrix.MAX_ITEMS:,} items, {matrix.MAX_KEY_CHARACTERS >> 20} MiB of keys"),
        ("the values of an item", f"{item_requests.MAX_REQUEST_BYTES >> 20} MiB"),
        ("the values of all items", f"{item_requests.MAX_PLAN_BYTES >> 20} MiB"),
        ("specs inside each other", f"{MAX_LEVELS} levels, {MAX_STEPS:,} steps in all"),
        (
            "a spec with all that it includes",
            f"{', '.join(f'{most:,} {what}' for what, most in MOST.items())}; a file counts each time it is used",
        ),
    ]
    text = f"\n[errors.md](errors.md) explains the {len(CODES)} error codes.\n"
    return table(("", "at most"), rows) + text


def _keys(model: type[BaseModel]) -> str:
    whole = _SCHEMA if model is Workflow else _SCHEMA["$defs"][model.__name__]
    fields = fields_of(model)
    rows = []
    for key, form in whole["properties"].items():
        field = fields.get(key)
        takes = _takes(form)
        if field is not None and field.is_evaluated and key != "default":
            takes = "*computed*" if key == "key" else f"{takes}, *computed*"
        needed = field is not None and field.info.is_required()
        if key == "with":
            takes, needed = "map", True
        default = _default(form)
        takes += f"; default {default}" if default and not needed else ""
        rows.append((f"`{key}`{' (required)' * needed}", takes, form["description"]))
    return table(("key", "takes", "what it is for"), rows)


def _default(form: Mapping[str, Any]) -> str:
    default = form.get("default")
    if default in (None, [], {}):
        return ""
    text = str(default).lower() if isinstance(default, bool) else str(default)
    return f"`{text.removesuffix('.0')}`"


def _takes(form: Mapping[str, Any]) -> str:
    """What a value may be, from its form in the schema."""
    if "anyOf" in form:
        text = [_takes(one) for one in form["anyOf"] if one != {"type": "null"}]
        return _join([*dict.fromkeys(filter(None, text))]) or "any"
    if "$ref" in form:
        return "" if form["$ref"].endswith("/expression") else "map"
    if "const" in form:
        return f"`{str(form['const']).lower()}`"
    if "enum" in form:
        some = [f"`{one}`" for one in form["enum"] if one is not None]
        return "id of a model" if form["enum"][0] in _MODELS else _join(some)
    kinds = form.get("type", [])
    kinds = [kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"]
    if "number" in kinds and "string" in kinds and "ms|" in form.get("pattern", ""):
        return "duration"
    names = {
        "integer": "integer" + _range(form),
        "number": "number" + _range(form),
        "boolean": "boolean",
        "array": "list",
        "object": "map",
        "string": "text",
    }
    if len(kinds) > 1 and "string" in kinds:
        kinds.remove("string")  # the spelling of an expression
    return _join([names[kind] for kind in kinds]) or "any"


def _range(form: Mapping[str, Any]) -> str:
    least, most = form.get("minimum"), form.get("maximum")
    if least is None or most is None:
        return "" if least is None else f" ≥ {least}"
    return f" {least} to {most:,}"


def _join(some: list[str], word: str = "or") -> str:
    return ", ".join(some[:-1]) + (f" {word} " if len(some) > 1 else "") + "".join(some[-1:])


def _gives(kind: Kind) -> str:
    return ", ".join(f"`{name}`" for name in (*kind.outputs, "status", "credits"))


def _several() -> Iterator[str]:
    single = given_fields({"asset": output_types.asset()})
    fields = ", ".join(f"`{name}`" for name in output_types.of_fan_out(single).fields or ())
    yield (
        f"A step with `matrix`, `foreach` or `zip` gives {fields} instead of what one item gives: "
        "`items` in order, each with its `key` and its values of the matrix or zip; `by['KEY']`, one of "
        "them; `assets`, the finished media.\n"
    )


def platforms() -> str:
    """What a film for each platform is, and takes."""
    rows = []
    for name, rules in PLATFORMS.items():
        covered = ", ".join(f"{round(100 * part)} %" for part in rules.covered)
        longest = f"{rules.seconds // 60} min" if rules.seconds >= 60 else f"{rules.seconds} s"
        rate = f"{rules.bit_rate / 1e6:g} Mbit/s"
        rows.append((f"`{name}`", f"`{rules.format}`", covered, str(rules.fps), rate, longest))
    head = (
        "platform",
        "shape",
        "covered: top, bottom, left, right",
        "frames a second",
        "bitrate",
        "longest",
    )
    return table(head, rows)
