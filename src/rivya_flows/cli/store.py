"""`store`: read the journal of the runs."""

from __future__ import annotations

import click

from rivya_flows.cli.output import print_json


@click.group()
def store() -> None:
    """Read the journal."""


@store.command()
@click.argument("run")
def export(run: str) -> None:
    """Print the journal of a run, one JSON document a line.

    RUN is its id or its folder.
    """
    from rivya_flows.app.runs import find_run, open_journal
    from rivya_flows.cli.configuration import settings

    with open_journal(settings()) as journal:
        entries = journal.entries(find_run(journal, run).run_id)
    for entry in entries:
        event = entry.event.model_dump(mode="json")
        print_json({"seq": entry.seq, "at": entry.at, "event": event}, indent=None)
