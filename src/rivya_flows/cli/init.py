"""`init`: start a project from a template."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rivya_flows.cli import completion
from rivya_flows.cli.output import print_table, show
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
def init(folder: Path, name: str | None, lists: bool) -> None:
    """Write a campaign into DIR: its spec, tests, files and README.

    DIR is the current folder by default. Existing files are not changed.
    """
    from rivya_flows.app.templates import DEFAULT, template, templates, write_template
    from rivya_flows.cli.schema import write_schema

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
    steps += [f"{name} check specs", f"{name} plan {spec}", f"{name} run {spec}"]
    show("next:", *(f"  {one}" for one in steps))
    show(f"{folder / 'README.md'} says more")


def _row(one: SpecTemplate) -> list[str]:
    return [one.name, one.price, one.workflow.title or ""]
