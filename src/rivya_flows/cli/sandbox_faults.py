"""`sandbox faults`: what is to go wrong, ordered while it serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from rivya_flows.cli.output import print_json, print_table, show
from rivya_flows.cli.sandbox_folder import DATA, JSON, operate


@click.group()
def faults() -> None:
    """Order what is to go wrong; works while it serves."""


@faults.command("list")
@DATA
@JSON
def list_faults(data: Path | None, as_json: bool) -> None:
    """List the faults, each with how often it happened."""
    found = operate(lambda admin, folder: admin.list_faults(folder), data)
    _tell(found, as_json)


@faults.command("set")
@click.argument("file", type=Path)
@DATA
@JSON
def set_faults(file: Path, data: Path | None, as_json: bool) -> None:
    """Order the faults of a YAML FILE in the place of all others."""

    def work(admin: Any, folder: Path) -> Any:
        from rivya_sandbox.service.serve import read_faults

        return admin.set_faults(folder, read_faults(file), source=str(file))

    _tell(operate(work, data), as_json)


@faults.command()
@DATA
@JSON
def clear(data: Path | None, as_json: bool) -> None:
    """End all faults."""

    def work(admin: Any, folder: Path) -> Any:
        ended = admin.list_faults(folder)
        admin.set_faults(folder, "")
        return ended

    ended = operate(work, data)
    if as_json:
        print_json([])
    else:
        show(f"{_counted(len(ended))} ended")


def _tell(found: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    if found:
        columns = ["on", "do", "model", ">status", ">seconds", ">probability", ">happened"]
        print_table(columns, [_row(fault) for fault in found])
    else:
        show("no faults")


def _row(fault: Mapping[str, Any]) -> list[str]:
    times = "" if fault["times"] is None else f" of {fault['times']}"
    return [
        fault["on"],
        fault["do"],
        fault["model"] or "any",
        "" if fault["status"] is None else str(fault["status"]),
        "" if fault["seconds"] is None else f"{fault['seconds']:g}",
        f"{fault['probability']:g}",
        f"{fault['used']}{times}",
    ]


def _counted(number: int) -> str:
    return f"{number} fault{'' if number == 1 else 's'}"
