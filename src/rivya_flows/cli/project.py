"""`init`, `schema` and `mcp`: a project from a template, and what editors and agents need."""

from __future__ import annotations

import json
import shlex
from functools import partial
from pathlib import Path

import click

from rivya_flows.cli import completion, options
from rivya_flows.cli.declaration import argument, command, option
from rivya_flows.cli.output import print_json, print_table, show
from rivya_flows.cli.service import settings
from rivya_flows.errors import UsageError
from rivya_flows.extras import need
from rivya_flows.private import as_the_user_wants
from rivya_flows.program import program


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
    from rivya_flows.preparation.templates import DEFAULT, template, templates, write_template

    if as_json and not lists:
        raise UsageError("--json is the form of a list", "add --list")
    if lists:
        found = [(one, one.workflow.title or "") for one in templates()]
        if as_json:
            print_json(
                [
                    {
                        "template": one.name,
                        "title": title,
                        "credits": {"min": one.min, "max": one.max},
                    }
                    for one, title in found
                ]
            )
        else:
            rows = [[one.name, one.price, title] for one, title in found]
            print_table(["template", ">credits", "what it makes"], rows)
        return
    chosen = template(name or DEFAULT)
    written, left = write_template(chosen, folder, partial(write_schema, keep=True))
    show(*(f"{path}: written" for path in written))
    show(*(f"{path}: existed, left as it is" for path in left))
    if not name:
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
        try:
            # A link to nowhere is not followed where files are kept.
            with as_the_user_wants(), path.open("x" if keep else "w", encoding="utf-8") as file:
                file.write(f"{text}\n")
            written.append(path)
        except OSError as error:
            if keep and isinstance(error, FileExistsError):
                continue
            raise UsageError(f"{path}: {error.strerror or error}", "check the folder") from error
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
