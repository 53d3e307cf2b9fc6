"""What one writes specs with: `init`, `schema` and `models`; and `mcp`."""

from __future__ import annotations

import json
import shlex
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rivya_client.catalogue.catalogue import option_text
from rivya_client.catalogue.common import common_params
from rivya_client.catalogue.prices import price, price_range
from rivya_flows.cli import completion, options
from rivya_flows.cli.options import argument, command, option
from rivya_flows.cli.output import print_json, print_table, show
from rivya_flows.cli.session import catalogue_of, settings
from rivya_flows.errors import UsageError, explain_os_error
from rivya_flows.extras import need
from rivya_flows.private import as_the_user_wants
from rivya_flows.program import program
from rivya_flows.similar_names import nearest

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_client.catalogue.catalogue import Model, Param


@command()
def init(
    folder: Path = argument(metavar="[DIR]", default="."),
    name: str | None = option(
        "The campaign to start from. [default: first-picture]",
        "--template",
        metavar="NAME",
        shell_complete=completion.templates,
    ),
    lists: bool = option("List the templates with their prices.", "--list"),
    as_json: bool = option("Print the list as one JSON document.", "--json"),
) -> None:
    """Write a campaign into DIR: its spec, tests, files and README.

    DIR is the current folder by default. Existing files are not changed.
    """
    from rivya_flows.preparation.templates import (
        DEFAULT,
        template,
        template_names,
        templates,
        write_template,
    )

    if as_json and not lists:
        raise UsageError("--json is the form of a list", "add --list")
    if lists:
        found = [(one, one.workflow.title or "") for one in templates()]
        if as_json:
            names = ("template", "title", "credits")
            facts = [(one.name, title, {"min": one.min, "max": one.max}) for one, title in found]
            print_json([dict(zip(names, one, strict=True)) for one in facts])
        else:
            rows = [[one.name, one.price, title] for one, title in found]
            print_table(["template", ">credits", "what it makes"], rows)
        return
    chosen = template(name or DEFAULT)
    written, left = write_template(chosen, folder, partial(write_schema, keep=True))
    show(*(f"{path}: written" for path in written))
    show(*(f"{path}: existed, left as it is" for path in left))
    if not name and str(folder) in template_names():
        show(f"{folder} is a template too: rivya-flows init {folder} --template {folder}")
    elif not name:
        show("another campaign: rivya-flows init --list")
    steps = [f"cd {shlex.quote(str(folder))}"] if folder != Path() else []
    spec = f"specs/{chosen.name}.yaml"
    name = program(elsewhere=bool(steps))
    steps += [f"{name} check specs", f"{name} plan {spec}", f"{name} {chosen.command}"]
    show("next:", *(f"  {one}" for one in steps))
    show(f"{folder / 'README.md'} says more")


@command()
def schema(
    folder: Path | None = argument(), write: bool = option("Write the files into FOLDER instead.")
) -> None:
    """Print the JSON Schema of specs, for editors.

    With --write, write it and that of tests into FOLDER: by default `specs` if that exists, else the
    current folder. Specs and tests name it in their first line.
    """
    if not write:
        if folder is not None:
            hint = "add --write to write the file there"
            raise UsageError(f"{str(folder)!r} needs --write", hint)
        from rivya_flows.preparation.catalogue_cache import known_schema

        print_json(known_schema(settings()))
        return
    from rivya_flows.spec.json_schema import LINE, TESTS_LINE

    specs, tests = write_schema(folder or (Path("specs") if Path("specs").is_dir() else Path()))
    show(f"{specs}: written", f"begin a spec with: {LINE}")
    show(f"{tests}: written", f"begin tests of one with: {TESTS_LINE}")


def write_schema(folder: Path, *, keep: bool = False) -> list[Path]:
    """Writes the schemas of specs and of tests into a folder, and gives the paths that it wrote."""
    from rivya_flows.preparation.catalogue_cache import known_schema
    from rivya_flows.spec.json_schema import FILE, TESTS_FILE, schema_of_tests

    written = []
    for name, document in ((FILE, known_schema(settings())), (TESTS_FILE, schema_of_tests())):
        path = folder / name
        text = json.dumps(document, indent=2, ensure_ascii=False)
        there = suppress(FileExistsError) if keep else nullcontext()
        # A link to nowhere is not followed where files are kept.
        with explain_os_error(path, "check the folder"), there, as_the_user_wants():
            with path.open("x" if keep else "w", encoding="utf-8") as file:
                file.write(f"{text}\n")
            written.append(path)
    return written


@command()
def mcp(
    root: Path = option(
        "Folder of the specs, files and runs that the client may name.  [default: .]",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        default=Path(),
    ),
    sandbox: bool = options.SANDBOX,
) -> None:
    """Serve an agent over MCP, on stdin and stdout.

    It plans, buys only with a quote, and answers picks. A run continues when this command ends.
    """
    need("mcp", "`mcp`")
    from rivya_flows_mcp.server import serve

    serve(settings(), root, sandbox=sandbox)


@command()
def models(
    model_id: str | None = argument(metavar="[ID]", shell_complete=completion.models),
    kind: str | None = option(
        "List only the models that make this.",
        type=click.Choice(["image", "video", "audio", "chat"]),
    ),
    live: bool = option("Ask the service, also without a key."),
    sandbox: bool = option("Ask the local sandbox."),
    as_json: bool = options.JSON,
) -> None:
    """List the models, or show one with its parameters and price.

    ID may be a part of ids, such as veo, which lists those that have it. With a key, it asks the
    service; without one, it shows the catalogue of this package.
    """
    live = live or sandbox or settings().rivya_api_key is not None
    catalogue = catalogue_of(live=live, sandbox=sandbox)
    origin = {"date": catalogue.date, "source": catalogue.source}
    model_id = model_id or ""
    model = catalogue.get(model_id)
    found = [one for one in catalogue.models.values() if model_id.lower() in one.id]
    if model is None and found:
        of_kind = [one for one in found if kind in (None, one.category)]
        if not of_kind:
            kinds = ", ".join(sorted({one.category for one in found}))
            hint = f"those that have make {kinds}; leave --kind out to list them"
            raise UsageError(f"no model of --kind {kind} has {model_id!r} in its id", hint)
        if as_json:
            print_json({**origin, "models": [_as_json(one) for one in of_kind]})
            return
        rows = []
        for one in of_kind:
            rule, status = one.references, one.api_status
            most = f", at most {rule.max_files}" if rule and rule.max_files else ""
            references = f"{', '.join(rule.kinds)}{most}" if rule else "–"
            modes = ", ".join(one.supported_modes)
            note = "" if status == "available" else status
            takes = ", ".join(common_params(one)) or "–"
            rows.append([one.id, one.category, _price(one), modes, takes, references, note])
        print_table(["!model", "kind", ">credits", "?does", "takes", "?references", ""], rows)
        show("", f"{len(rows)} models, catalogue of {catalogue.date}, {catalogue.source}")
        return
    if model is None:
        near = nearest(model_id, catalogue.models)
        hint = f"did you mean {near!r}?" if near else "`rivya-flows models` lists them"
        raise UsageError(f"there is no model {model_id!r}", hint)
    if as_json:
        print_json({**origin, "model": _as_json(model)})
    else:
        _print_one(model)


def _as_json(model: Model) -> dict[str, object]:
    common = [
        {"key": name, "own": one.own.key, "options": one.common.options}
        | {bound: getattr(one.common, bound) for bound in ("min", "max", "step")}
        for name, one in common_params(model).items()
    ]
    return {**vars(model), "price": price(model, {}), "common": common}


def _price(model: Model) -> str:
    known = price(model, {})
    return price_range(known.min, known.max)


def _print_one(model: Model) -> None:
    known, longest = price(model, {}), model.max_prompt_length
    prompt = "required" if model.prompt_required else "optional"
    prompt += f", at most {longest:,} characters" if longest else ""
    show(f"{model.id}  {model.display_name}")
    facts = [
        ("kind", model.category),
        ("status", model.api_status),
        ("credits", f"{_price(model)} ({known.assumption})"),
        ("modes", ", ".join(model.supported_modes)),
        ("prompt", prompt),
        ("references", model.references.rule if model.references else ""),
        *(("notice", notice) for notice in model.notices),
    ]
    for name, text in facts:
        if text:
            show(f"  {name:<11}{text}")
    if common := common_params(model):
        show("")
        rows = [
            [name, one.own.key, _default(one.common), _values(one.common)]
            for name, one in common.items()
        ]
        print_table(["in every model", "here", "default", "values"], rows)
    rows = []
    for param in model.params:
        marks = ("required " if param.required else "") + ("*" if param.bears_price else "")
        rows.append([param.key, param.type, _default(param), _values(param), marks.strip()])
    if rows:
        show("")
        print_table(["parameter", "type", "default", "values", ""], rows)
    for param in model.params:
        if param.voices:
            show("")
            voices = [
                [one.name, "–" if one.value == one.name else one.value, one.sex, one.accent or "–",
                 one.character]
                for one in param.voices
            ]  # fmt: skip
            print_table([param.key, "!id", "sex", "accent", "character"], voices)
    if any(param.bears_price for param in model.params):
        show("", "* values other than the default may change the price")


def _default(param: Param) -> str:
    return "" if param.default is None else option_text(param.written_default)


def _values(param: Param) -> str:
    if param.type == "array" and param.item_keys:
        optional = f"; optional: {', '.join(param.item_optional)}" if param.item_optional else ""
        return f"a list of {{{', '.join(param.item_keys)}}}{optional}"
    if param.voices and len(param.voices) == len(param.options):
        return "see below"
    if param.options:
        return ", ".join(param.options)
    if param.min is None and param.max is None:
        return ""
    bounds = (("from", param.min), ("to", param.max), ("in steps of", param.step))
    return " ".join(f"{text} {bound:g}" for text, bound in bounds if bound is not None)
