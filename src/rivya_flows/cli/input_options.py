"""The options of inputs, shared by all commands that take a spec."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

CACHE_OPTION = click.option(
    "--cache",
    type=click.Choice(["off", "run", "spec"]),
    help="Override the spec's cache mode.",
)
YES_OPTION = click.option(
    "-y", "--yes", is_flag=True, help="Buy from a real wallet without a cap and without asking."
)

LABEL_OPTION = click.option(
    "--label",
    "labels",
    metavar="NAME=VALUE",
    multiple=True,
    help="Count the credits under this label; wins over that of the spec.",
)


def with_inputs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of inputs to a command: `assignments` and `file`."""
    named = click.option(
        "-i",
        "--input",
        "assignments",
        metavar="NAME=VALUE",
        multiple=True,
        help="Give an input; read as YAML against its type.",
    )
    filed = click.option(
        "--inputs",
        "file",
        metavar="FILE",
        type=Path,
        help="YAML or JSON file of inputs; -i wins over it.",
    )
    return named(filed(command))
