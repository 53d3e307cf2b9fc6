"""Writes the reference in docs/spec.md anew from the models, filters and limits of the language.

`--check` writes nothing and fails where the page does not hold what they say.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from rivya_flows.catalogue.snapshot import shipped
from rivya_flows.language import matrix
from rivya_flows.language.diagnostic_codes import CODES
from rivya_flows.language.expressions import output_types, templates, values
from rivya_flows.language.expressions.filters import FILTERS, TESTS, usage
from rivya_flows.language.includes import MAX_LEVELS, MAX_STEPS
from rivya_flows.language.schema.document import json_schema
from rivya_flows.language.schema.step_arguments import says
from rivya_flows.language.syntax import source
from rivya_flows.language.workflow import (
    WITH_MODELS,
    Budget,
    Concurrency,
    Defaults,
    Deploy,
    Input,
    Retry,
    Schedule,
    Step,
    Trigger,
    Workflow,
)
from rivya_flows.planning.expansion import item_requests

PAGE = Path(__file__).parent.parent / "docs" / "spec.md"
_BLOCK = re.compile(r"(<!-- made by scripts/reference: (\w+) -->\n).*?(<!-- made -->\n)", re.DOTALL)
_MODELS = frozenset(shipped().models)
_SCHEMA = json_schema(shipped(), WITH_MODELS)
_OPTIONAL = (
    "The third column says which keys are needed, and what holds where one is left out. "
    "*Computed* values may be expressions; the others are known before a run."
)
_PARTS = (
    ("In the whole file", Workflow, ""),
    ("An input, in `inputs`", Input, ""),
    ("`budget`", Budget, ""),
    ("`concurrency`", Concurrency, "See [Limits](limits.md)."),
    ("A step, in `steps`, `on_failure` and `finally`", Step, ""),
    ("`retry` of a step", Retry, "It repeats a request for the same job, and costs nothing."),
    ("A deployment, in `deploy`", Deploy, "See [Deployments](deployments.md)."),
    ("A schedule, in `schedules`", Schedule, "It has one of `cron`, `interval` and `rrule`."),
    ("A trigger, in `triggers`", Trigger, ""),
)


def filled(page: str) -> str:
    """The page with every block made anew."""
    makers = {"filters": filters, "words": words, "limits": limits}
    return _BLOCK.sub(lambda found: f"{found[1]}\n{makers[found[2]]()}\n{found[3]}", page)


def filters() -> str:
    """Filters and tests of expressions."""
    rows = [(f"`{usage(name)}`", _first_line(FILTERS[name])) for name in FILTERS]
    tests = ", ".join(f"`is {name}`" for name in TESTS)
    return _table(("filter", "gives"), rows) + f"\nAnd after a value: {tests}, or `is not …`.\n"


def words() -> str:
    """Every key, what it takes, and what a step gives."""
    parts = [_OPTIONAL + "\n"]
    for title, model, more in _PARTS:
        parts.append(f"### {title}\n")
        parts.append(_keys(model))
        if more:
            parts.append(more + "\n")
        if model is Step:
            parts += _several()
    kept = ", ".join(f"`{field.alias or name}`" for name, field in Defaults.model_fields.items())
    parts.append("### `defaults`\n")
    parts.append(f"By kind of step: {kept}, as in a step. `x-…` keys are notes, anywhere.\n")
    for uses, with_model in WITH_MODELS.items():
        parts.append(f"### `with` of `{uses}`\n\n{says(uses)}\n")
        parts.append(_keys(with_model))
        parts.append(f"It gives {_gives(uses)}.\n")
    parts.append("### An asset\n")
    fields = ", ".join(f"`{name}`" for name in output_types.asset().fields or ())
    parts.append(
        f"What a step makes, as in `steps.still.asset`, has {fields}. Inside a text name one of "
        "them, such as `steps.still.asset.url`.\n"
    )
    return "\n".join(parts)


def limits() -> str:
    """How large a spec may be."""
    mebibytes = source.MAX_BYTES >> 20
    rows = [
        ("a spec", f"{mebibytes} MiB, {source.MAX_DEPTH} levels, {source.MAX_NODES:,} values"),
        ("its text", f"{source.MAX_TEXT >> 20} MiB, an alias counted as often as it is used"),
        ("an expression", f"{templates.MAX_CHARACTERS:,} characters"),
        ("what it gives", f"{values.MAX_BYTES >> 20} MiB, {values.MAX_MEMBERS:,} values"),
        (
            "a fan-out",
            f"{matrix.MAX_ITEMS:,} items, {matrix.LARGEST_KEYS >> 20} MiB of keys",
        ),
        ("the values of an item", f"{item_requests.MAX_REQUEST_BYTES >> 20} MiB"),
        ("the values of all items", f"{item_requests.MAX_PLAN_BYTES >> 20} MiB"),
        ("specs inside each other", f"{MAX_LEVELS} levels, {MAX_STEPS:,} steps in all"),
    ]
    told = f"\nThe {len(CODES)} codes of mistakes stand in [errors.md](errors.md).\n"
    return _table(("", "at most"), rows) + told


def _keys(model: type[BaseModel]) -> str:
    whole = _SCHEMA if model is Workflow else _SCHEMA["$defs"][model.__name__]
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    rows = []
    for key, form in whole["properties"].items():
        field = fields.get(key)
        takes = _takes(form)
        if field is not None and field.annotation is Any and key != "default":
            takes = "*computed*" if key == "key" else f"{takes}, *computed*"
        needed = field is not None and field.is_required()
        if key == "with":
            takes, needed = "a map, see below", True
        rows.append((f"`{key}`", takes, _unless(form, needed), form["description"]))
    return _table(("key", "takes", "left out", "what it is for"), rows)


def _unless(form: Mapping[str, Any], needed: bool) -> str:
    if needed:
        return "needed"
    default = form.get("default")
    if default in (None, [], {}):
        return ""
    text = str(default).lower() if isinstance(default, bool) else str(default)
    return f"`{text.removesuffix('.0')}`"


def _takes(form: Mapping[str, Any]) -> str:
    """What a value may be, from its form in the schema."""
    if "anyOf" in form:
        told = [_takes(one) for one in form["anyOf"] if one != {"type": "null"}]
        return next((one for one in told if one), "any value")
    if "$ref" in form:
        return "" if form["$ref"].endswith("/expression") else "a map"
    if "const" in form:
        return f"`{form['const']}`"
    if "enum" in form:
        some = [f"`{one}`" for one in form["enum"] if one is not None]
        return "the id of a model" if form["enum"][0] in _MODELS else _or(some)
    kinds = form.get("type", [])
    kinds = [kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"]
    if "number" in kinds and "string" in kinds and "ms|" in form.get("pattern", ""):
        return "a time"
    names = {
        "integer": "a whole number" + _range(form),
        "number": "a number" + _range(form),
        "boolean": "true or false",
        "array": "a list",
        "object": "a map",
        "string": "a text",
    }
    if len(kinds) > 1 and "string" in kinds:
        kinds.remove("string")  # the spelling of an expression
    return _or([names[kind] for kind in kinds]) or "any value"


def _range(form: Mapping[str, Any]) -> str:
    least, most = form.get("minimum"), form.get("maximum")
    if least is None or most is None:
        return "" if least is None else f" of at least {least}"
    return f", {least} to {most:,}"


def _or(some: list[str]) -> str:
    return ", ".join(some[:-1]) + (" or " if len(some) > 1 else "") + "".join(some[-1:])


def _gives(uses: str) -> str:
    if uses == "include":
        single = output_types.of_include({})
    else:
        single = output_types.of_single(uses, {"expect": {}}, None, output_types.ANY)
    own = [f"`{name}`" for name in single.fields or () if name not in ("status", "credits")]
    return ", ".join([*own, "`status`", "`credits`"])


def _several() -> Iterator[str]:
    single = output_types.of_single("generate", {}, None, output_types.ANY)
    fields = ", ".join(f"`{name}`" for name in output_types.of_fan_out(single).fields or ())
    yield (
        f"A step with `matrix`, `foreach` or `zip` gives {fields} instead of what one item gives: "
        "`items` in order, each with its `key`; `by['KEY']`, one of them; `assets`, what was made.\n"
    )


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head)]
    lines += [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)


def _first_line(call: Any) -> str:
    told = inspect.getdoc(call) or ""
    return " ".join(told.partition("\n\n")[0].replace("``", "`").split())


def main() -> int:
    page = PAGE.read_text("utf-8")
    made = filled(page)
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(made, "utf-8")
        return 0
    if page != made:
        print(f"{PAGE.name} is not what the models say: run scripts/reference", file=sys.stderr)
    return int(page != made)


if __name__ == "__main__":
    sys.exit(main())
