"""The options of inputs, shared by all commands that take a spec."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rivya_flows.cli import completion

CACHE_OPTION = click.option(
    "--cache",
    type=click.Choice(["off", "run", "spec"]),
    help="Override the spec's cache mode.",
)
SPEC_ARGUMENT = click.argument("spec", type=Path, shell_complete=completion.specs)
RUN_ARGUMENT = click.argument("named", metavar="RUN", shell_complete=completion.runs)
YES_OPTION = click.option(
    "-y", "--yes", is_flag=True, help="Buy from a real wallet without a cap and without asking."
)

PLAN_OPTION = click.option(
    "--plan",
    "only_plan",
    is_flag=True,
    help="Only show what it would do and cost; buy and change nothing.",
)

LABEL_OPTION = click.option(
    "--label",
    "labels",
    metavar="NAME=VALUE",
    multiple=True,
    shell_complete=completion.labels,
    help="Count the credits under this label; wins over that of the spec.",
)

FILTER_OPTION = click.option(
    "--label",
    "labels",
    metavar="NAME=VALUE",
    multiple=True,
    shell_complete=completion.labels,
    help="Only runs with the label.",
)


def with_inputs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of inputs to a command: `assignments` and `file`."""
    named = click.option(
        "-i",
        "--input",
        "assignments",
        metavar="NAME=VALUE",
        multiple=True,
        shell_complete=completion.inputs,
        help="Give an input; read as YAML against its type.",
    )
    filed = click.option(
        "--inputs",
        "file",
        metavar="FILE",
        type=Path,
        shell_complete=completion.files,
        help="YAML or JSON file of inputs; -i wins over it.",
    )
    return named(filed(command))
