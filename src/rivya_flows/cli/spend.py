"""`spend`: what the runs of the store spent, over many runs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rivya_client.hosts import one_spelling
from rivya_flows.cli import options
from rivya_flows.cli.declaration import command, option
from rivya_flows.cli.moments import end_moment, moment
from rivya_flows.cli.output import located, print_json, print_table, show, show_verbatim, tell
from rivya_flows.cli.service import settings
from rivya_flows.errors import UsageError

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.money.spending import SpendReport, Sum
    from rivya_flows.settings import Settings


@command()
def spend(
    by: str = option(
        "model, step, spec, run, service, day, week, month or a label; several with commas.",
        default="spec",
        show_default=True,
        metavar="NAMES",
    ),
    since: datetime | None = option("Bought since: 30d, 2026-11-01.", type=moment, metavar="WHEN"),
    until: datetime | None = option(
        "Bought before; a date counts whole.", type=end_moment, metavar="WHEN"
    ),
    labels: tuple[str, ...] = options.FILTER,
    service: str | None = option("Spent there; `sandbox` for pretend credits.", metavar="URL"),
    as_csv: bool = option("Print CSV.", "--csv"),
    as_json: bool = options.JSON,
    plot: Path | None = option(
        "Also draw credits over time, by the first of --by.",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE.svg",
    ),
) -> None:
    """Sum up what runs have spent: each purchase counts when it was made.

    Credits of the sandbox are pretend and never added to real ones.
    """
    names = tuple(dict.fromkeys(name.strip() for name in by.split(",")))
    if "" in names:
        raise UsageError("--by: a name is empty", "write --by client,model")
    if as_csv and as_json:
        raise UsageError("--csv and --json contradict each other", "give one of them")
    if since and until and since >= until:
        raise UsageError("--since is not before --until", "give an earlier --since")
    if plot is not None and plot.suffix.lower() != ".svg":
        raise UsageError(f"--plot {plot}: not a name of an SVG picture", "write FILE.svg")
    from rivya_flows.money.spending import PERIODS, spending
    from rivya_flows.plans.labels import read_labels
    from rivya_flows.runs.lookup import open_journal, unknown_names
    from rivya_flows.store.charges import charges

    wanted, chosen = read_labels(labels), settings()
    place = one_spelling(service) if service else _service(chosen)
    start, end = (None if at is None else at.timestamp() for at in (since, until))
    with open_journal(chosen) as journal:

        def summed(*groups: str) -> SpendReport:
            found = charges(journal.engine, since=start, until=end)
            return spending(found, groups, service=place, labels=wanted)

        found = summed(*names)
        kinds = [name for name in names if name not in PERIODS] or ["service"]
        days = summed("day", kinds[0]) if plot else None
        unknown = () if found.rows else tuple(unknown_names(journal, wanted))
    if as_json:
        print_json(
            {
                "service": found.service,
                "by": found.by,
                "rows": [
                    {"of": dict(zip(found.by, group, strict=True)), **vars(one)}
                    for group, one in found.rows.items()
                ],
                "total": found.total,
                "elsewhere": found.elsewhere,
                "since": since and since.isoformat(),
                "until": until and until.isoformat(),
            }
        )
    elif as_csv:
        show_verbatim(found.as_csv().splitlines())
    else:
        _print(found)
        tell(*unknown)
    if plot is not None and days is not None:
        _draw(days, plot)


def _service(chosen: Settings) -> str:
    """The service that commands buy from now, as far as the settings tell."""
    from rivya_flows.money.spending import SANDBOX

    is_real = chosen.rivya_api_key is not None and not chosen.rivya_flows_sandbox
    return one_spelling(chosen.rivya_base_url) if is_real else SANDBOX


def _print(found: SpendReport) -> None:
    from rivya_flows.money.spending import BY, NONE
    from rivya_flows.similar_names import nearest

    if found.rows:
        columns = [*found.by, ">credits", ">purchases", ">open"]
        rows = [
            [*group, str(one.credits), str(one.purchases), str(one.open or "")]
            for group, one in found.rows.items()
        ]
        print_table(columns, rows)
        show("")
        for number, name in enumerate(found.by):
            if name not in BY and all(group[number] == NONE for group in found.rows):
                near = nearest(name, BY)
                hint = f"; did you mean {near!r}?" if near else ""
                tell(f"note: none of these runs has a label {name!r}{hint}")
    show(f"total: {_words(found.total)} at {_place(found.service)}")
    for service, one in found.elsewhere.items():
        show(f"not counted: {_words(one)} at {_place(service)}; see `--service {service}`")


def _words(found: Sum) -> str:
    """``21 credits for 9 purchases, 1 of them open (2 credits)``."""
    from rivya_flows.receipt.phrases import credits_of

    bought = "1 purchase" if found.purchases == 1 else f"{found.purchases} purchases"
    left = f", {found.open} of them open ({credits_of(found.held)})" if found.open else ""
    return f"{credits_of(found.credits)} for {bought}{left}"


def _place(service: str) -> str:
    from rivya_flows.money.spending import SANDBOX

    return "the local sandbox (pretend credits)" if service == SANDBOX else service


def _draw(days: SpendReport, path: Path) -> None:
    from rivya_flows.money.spending import chart

    if not days.rows:
        tell("nothing was bought: no picture is drawn")
        return
    try:
        credits = {group: one.credits for group, one in days.rows.items()}
        title = f"Credits at {_place(days.service)}"
        path.write_text(chart(credits, title), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"--plot {path}: {error.strerror or error}", "name a file that can be written"
        ) from error
    tell(*located("plot: ", path.absolute(), stderr=True))
