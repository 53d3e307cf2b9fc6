"""`prefect`: Prefect's own command, on the server of `up` and with its password."""

from __future__ import annotations

import os
import sys

import click


@click.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": [],
    }
)
@click.argument("arguments", metavar="[ARGUMENT]...", nargs=-1, type=click.UNPROCESSED)
def prefect(arguments: tuple[str, ...]) -> None:
    """Run a command of Prefect on the server of `up`, such as: prefect deployment ls.

    It is the server of PREFECT_API_URL where that is set. All ARGUMENTS are Prefect's, `--help` too.
    """
    from rivya_flows.cli.configuration import settings
    from rivya_flows.environment import variables
    from rivya_flows.flows.execution.local_runner import required_server

    environment = {**variables(), **required_server(settings())}
    # -P: the current folder may hold a module of that name.
    os.execve(sys.executable, [sys.executable, "-P", "-m", "prefect", *arguments], environment)
