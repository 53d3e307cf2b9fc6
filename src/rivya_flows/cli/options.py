"""Options and arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from rivya_flows.cli import completion
from rivya_flows.cli.declaration import argument, option


def labels(words: str) -> Any:
    """The option ``--label``, which may be given more than once."""
    tab = completion.labels
    return option(words, "--label", metavar="NAME=VALUE", shell_complete=tab)


def folder(words: str) -> Any:
    """The option ``--out`` of a folder, by default ``runs``."""
    kind = click.Path(path_type=Path, file_okay=False)
    return option(words, type=kind, default=Path("runs"), show_default=True)


Cache = Literal["off", "run", "spec"] | None
NEW_FILE = click.Path(path_type=Path, dir_okay=False)  # the type of a path to write to
SPEC = argument(shell_complete=completion.specs)
RUN = argument(metavar="RUN", shell_complete=completion.runs)
LAST_RUN = argument(default="last", shell_complete=completion.runs)
INPUTS = option(
    "Give an input; read as YAML against its type.",
    "-i",
    "--input",
    metavar="NAME=VALUE",
    shell_complete=completion.inputs,
)
INPUTS_FILE = option("YAML or JSON file of inputs; -i wins over it.", "--inputs", metavar="FILE")
BUDGET = option("Override the spec's credit budget.", type=click.IntRange(0))
CACHE = option("Override the spec's cache mode.", type=click.Choice(["off", "run", "spec"]))
PLAN = option("Only show what it would do and cost; buy and change nothing.", "--plan")
YES = option("Buy from a real wallet without a cap and without asking.", "-y", "--yes")
SANDBOX = option("Use the local sandbox, also with a key.")
OPEN = option("Open the contact sheet at the end.", "--open")
JSON = option("Print one JSON document, at the end of a command that takes time.", "--json")

LABELS = labels("Count the credits under this label; wins over that of the spec.")
FILTER = labels("Only runs with the label.")
RUN_FOLDER = folder("Create the run's folder here: outputs, contact sheet, receipt.")
