"""`open`: the contact sheet of a run in the browser."""

from __future__ import annotations

import click

from rivya_flows.cli.completion import runs
from rivya_flows.cli.output import near, show


@click.command()
@click.argument("run", default="last", shell_complete=runs)
def open(run: str) -> None:  # noqa: A001  # a command is found under its name
    """Open the contact sheet of a run, and print its path.

    RUN is its id, its folder, those of a batch, or `last`, the default: the run in which something
    happened last. A sheet that is missing is made.
    """
    from rivya_flows.app.sheets import sheet_of
    from rivya_flows.cli.configuration import settings
    from rivya_flows.cli.terminal import show_page

    page = sheet_of(settings(), run)
    show(near(page))
    show_page(page)
