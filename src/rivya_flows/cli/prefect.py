"""`prefect`: run Prefect's own command on the server of `up`, with its password."""

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

    PREFECT_API_URL, if set, names another server. All ARGUMENTS go to Prefect, `--help` too.
    """
    from rivya_flows.cli.configuration import settings
    from rivya_flows.environment import variables
    from rivya_flows.flows.execution.local_runner import required_server

    environment = {**variables(), **required_server(settings())}
    # -P: the current folder may have a module of that name.
    os.execve(sys.executable, [sys.executable, "-P", "-m", "prefect", *arguments], environment)
