"""`init`: start a project from a template."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rivya_flows.cli import completion
from rivya_flows.cli.output import print_json, print_table, show
from rivya_flows.errors import UsageError
from rivya_flows.program import program

if TYPE_CHECKING:  # heavy, and needed only when the command works
    from rivya_flows.app.templates import SpecTemplate


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=Path)
@click.option(
    "--template",
    "name",
    metavar="NAME",
    shell_complete=completion.templates,
    help="The campaign to start from. [default: first-picture]",
)
@click.option("--list", "lists", is_flag=True, help="List the templates with their prices.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as one JSON document.")
def init(folder: Path, name: str | None, lists: bool, as_json: bool) -> None:
    """Write a campaign into DIR: its spec, tests, files and README.

    DIR is the current folder by default. Existing files are not changed.
    """
    from rivya_flows.app.templates import DEFAULT, template, templates, write_template
    from rivya_flows.cli.schema import write_schema

    if as_json and not lists:
        raise UsageError("--json is the form of a list", "add --list")
    if as_json:
        print_json([_document(one) for one in templates()])
        return
    if lists:
        print_table(["template", ">credits", "what it makes"], [_row(one) for one in templates()])
        return
    chosen = template(name or DEFAULT)
    written, left = write_template(chosen, folder, partial(write_schema, keep=True))
    for path in written:
        show(f"{path}: written")
    for path in left:
        show(f"{path}: existed, left as it is")
    if not name:
        show("another campaign: rivya-flows init --list")
    steps = [f"cd {shlex.quote(str(folder))}"] if folder != Path() else []
    spec = f"specs/{chosen.name}.yaml"
    name = program(elsewhere=bool(steps))
    steps += [f"{name} check specs", f"{name} plan {spec}", f"{name} {chosen.command}"]
    show("next:", *(f"  {one}" for one in steps))
    show(f"{folder / 'README.md'} says more")


def _document(one: SpecTemplate) -> dict[str, Any]:
    prices = {"min": one.min, "max": one.max}
    return {"template": one.name, "title": one.workflow.title or "", "credits": prices}


def _row(one: SpecTemplate) -> list[str]:
    return [one.name, one.price, one.workflow.title or ""]
