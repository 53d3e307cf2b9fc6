"""`init`: write a first spec."""

from __future__ import annotations

from pathlib import Path

import click

from rivya_flows.cli.output import show
from rivya_flows.errors import UsageError
from rivya_flows.private import as_the_user_wants

SPEC = """\
# {schema}
version: 1
name: first-picture
title: My first picture
inputs:
  subject: {{type: string, title: What to draw, default: A paper boat on a calm lake}}
  styles:  {{type: list, of: string, title: Styles, default: [watercolor, pencil sketch]}}
budget: {{credits: 5}}                    # the most that a run may spend
steps:
  pictures:
    uses: generate
    matrix: {{style: "${{{{ inputs.styles }}}}"}}   # one picture for each style
    with:
      model: z-image                    # `rivya-flows models` lists them all
      prompt: ${{{{ inputs.subject }}}}, ${{{{ matrix.style }}}}
      params: {{aspect_ratio: "1:1"}}
outputs:
  pictures: ${{{{ steps.pictures.assets }}}}
deploy:
  - name: by-hand                       # `rivya-flows up` makes it a deployment in Prefect
"""
_NAME = "first-picture.yaml"


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=Path)
def init(folder: Path) -> None:
    """Write a first spec into DIR/specs; DIR is the current folder by default.

    Existing files are not changed.
    """
    from rivya_flows.cli.schema import write_schema
    from rivya_flows.language.schema.document import FILE, LINE

    specs = folder / "specs"
    path = specs / _NAME
    if path.exists():
        raise UsageError(f"{path}: already exists", f"try it: rivya-flows run {path}")
    try:
        with as_the_user_wants():
            specs.mkdir(parents=True, exist_ok=True)
            if not (specs / FILE).exists():
                write_schema(specs)
            with path.open("x", encoding="utf-8") as file:
                file.write(SPEC.format(schema=LINE.removeprefix("# ")))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", "check the folder") from error
    show(f"{path}: written, with {FILE} beside it for your editor")
    show("next:")
    lines = [(f"  rivya-flows {command} {path}", words) for command, words in _NEXT]
    width = max(len(line) for line, _ in lines)
    for line, words in lines:
        show(f"{line:<{width}}  {words}")


_NEXT = (
    ("check", "find mistakes"),
    ("plan", "see what it will cost"),
    ("run", "run it; without RIVYA_API_KEY on the local sandbox"),
)
