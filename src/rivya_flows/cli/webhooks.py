"""`webhooks`: the receiver of signed events, and the addresses that the service sends them to."""

from __future__ import annotations

import click

from rivya_flows.cli.webhook_endpoints import endpoints
from rivya_flows.cli.webhook_listen import listen


@click.group()
def webhooks() -> None:
    """Take the service's events, which wake runs, and say where it sends them."""


webhooks.add_command(listen)
webhooks.add_command(endpoints)
