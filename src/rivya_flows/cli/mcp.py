"""`mcp`: serve an agent with the distribution rivya-flows-mcp."""

from __future__ import annotations

from pathlib import Path

import click

from rivya_flows.cli import options
from rivya_flows.cli.declaration import command, option
from rivya_flows.cli.service import settings
from rivya_flows.extras import need


@command()
def mcp(
    root: Path = option(
        "Folder of the specs, files and runs that the client may name.  [default: .]",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        default=Path(),
    ),
    sandbox: bool = options.SANDBOX,
) -> None:
    """Serve an agent over MCP, on stdin and stdout.

    It plans, buys only with a quote, and answers picks. A run continues when this command ends.
    """
    need("mcp", "`mcp`")
    from rivya_flows_mcp.server import serve

    serve(settings(), root, sandbox=sandbox)
