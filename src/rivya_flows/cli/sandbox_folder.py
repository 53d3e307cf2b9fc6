"""What the commands of the sandbox share: its folder, its errors, its operator's functions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rivya_flows.errors import UsageError
from rivya_flows.extras import need

if TYPE_CHECKING:
    from collections.abc import Callable


def _named(_: click.Context, __: click.Parameter, name: str) -> str:
    if not name.strip():
        raise click.BadParameter("an account needs a name.")
    return name


DATA = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of its data; default: that of the sandbox which `run` starts.",
)
ACCOUNT = click.option(
    "--account", default="default", show_default=True, callback=_named, help="Whose."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def operate(work: Callable[[Any, Path], Any], data: Path | None) -> Any:
    """Does something with `rivya_sandbox.service.admin` and a data folder.

    Raises:
        UsageError: The sandbox is not installed, or has its own objection.
    """
    with sandbox_errors():
        from rivya_sandbox.service import admin

        return work(admin, folder_of(data))


def folder_of(data: Path | None) -> Path:
    """The folder that was named, or that of the sandbox which `run` starts."""
    if data is not None:
        return data
    from rivya_flows.cli.configuration import settings

    return settings().data / "sandbox"


@contextmanager
def sandbox_errors() -> Iterator[None]:
    """The sandbox shares no code with the rest, so its errors are made ours here."""
    need("sandbox", "the local sandbox")
    from rivya_sandbox.service.errors import SandboxError

    try:
        yield
    except SandboxError as error:
        raise UsageError(error.message, error.hint) from error
