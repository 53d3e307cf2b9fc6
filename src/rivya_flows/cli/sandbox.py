"""`sandbox`: the commands of rivya-sandbox, on the data folder of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rivya_flows.cli.groups import Group
from rivya_flows.errors import UsageError
from rivya_flows.extras import need


class SandboxCommands(Group):
    """The commands of the other distribution, with the errors of this one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return _installed().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _installed().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        ctx.default_map = _defaults(_installed())
        from rivya_sandbox.service.errors import SandboxError

        try:
            return super().invoke(ctx)
        except SandboxError as error:
            raise UsageError(error.message, error.hint) from error


@click.group(cls=SandboxCommands)
def sandbox() -> None:
    """Run and manage the local Rivya-compatible server."""


def _installed() -> click.Group:
    need("sandbox", "the local sandbox")
    from rivya_sandbox.cli import program

    return program


def _defaults(group: click.Group) -> dict[str, Any]:
    """`--data` of every command, as click's `default_map`; read only where it is left out."""
    return {
        name: _defaults(command) if isinstance(command, click.Group) else {"data": _data}
        for name, command in group.commands.items()
    }


def _data() -> Path:
    from rivya_flows.cli.configuration import settings

    return settings().data / "sandbox"
