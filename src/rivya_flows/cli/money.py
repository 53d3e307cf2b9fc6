"""`credits`, `spend` and `budgets`: what there is, what runs spent, and pools of credits that limit them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rivya_client.hosts import one_spelling
from rivya_flows.cli import completion, options
from rivya_flows.cli.options import Group, argument, command, end_moment, moment, option
from rivya_flows.cli.output import print_json, print_table, show, show_result, show_verbatim, tell
from rivya_flows.cli.session import call_service, confirmer, settings
from rivya_flows.errors import UsageError, explain_os_error
from rivya_flows.language.wording import count_noun
from rivya_flows.receipt.phrases import EACH_PERIOD, credits_of
from rivya_flows.similar_names import nearest

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from sqlalchemy import Engine

    from rivya_client.client import RivyaClient
    from rivya_flows.engine.run_context import RunContext
    from rivya_flows.money.spending import SpendReport, Sum
    from rivya_flows.settings import Settings
    from rivya_flows.store.journal import Journal
    from rivya_flows.store.pools import Pool, PoolState


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
    from rivya_flows.money.spending import PERIODS, chart, spending
    from rivya_flows.store.charges import charges
    from rivya_flows.store.journal import Journal

    wanted, chosen = wanted_labels(labels), settings()
    place = default_service(service, chosen)
    start, end = (None if at is None else at.timestamp() for at in (since, until))
    with closing(Journal(chosen.store_url)) as journal:

        def sum_up(*groups: str) -> SpendReport:
            found = charges(journal.engine, since=start, until=end)
            return spending(found, groups, service=place, labels=wanted)

        found = sum_up(*names)
        kinds = [name for name in names if name not in PERIODS] or ["service"]
        days = sum_up("day", kinds[0]) if plot else None
        unknown = () if found.rows else unknown_labels(journal, wanted)
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
    if plot is None or days is None:
        return
    if not days.rows:
        tell("nothing was bought: no picture is drawn")
        return
    with explain_os_error(f"--plot {plot}", "name a file that can be written"):
        credits = {group: one.credits for group, one in days.rows.items()}
        title = f"Credits at {place_name(days.service)}"
        plot.write_text(chart(credits, title), encoding="utf-8")
    tell(f"plot: {plot.absolute()}")


def _print(found: SpendReport) -> None:
    from rivya_flows.money.spending import BY, NONE

    if found.rows:
        columns = [*found.by, ">credits", ">lost", ">purchases", ">open"]
        rows = [
            [*group, *(str(one or "") for one in (one.credits, one.lost, one.purchases, one.open))]
            for group, one in found.rows.items()
        ]
        print_table(columns, rows)
        show("")
        for number, name in enumerate(found.by):
            if name not in BY and all(group[number] == NONE for group in found.rows):
                near = nearest(name, BY)
                hint = f"; did you mean {near!r}?" if near else ""
                tell(f"note: none of these runs has a label {name!r}{hint}")
    show(f"total: {_sum_text(found.total)} at {place_name(found.service)}")
    for service, one in found.elsewhere.items():
        show(f"not counted: {_sum_text(one)} at {place_name(service)}; see `--service {service}`")


def _sum_text(found: Sum) -> str:
    """``21 credits for 9 purchases, 1 of them open (2 credits)``."""
    left = f", {found.open} of them open ({credits_of(found.held)})" if found.open else ""
    lost = f", {found.lost} of them lost to refused media" if found.lost else ""
    return f"{credits_of(found.credits)} for {count_noun(found.purchases, 'purchase')}{left}{lost}"


def wanted_labels(assignments: tuple[str, ...]) -> dict[str, str]:
    """Those of a filter; without one nothing that knows specs is imported, which takes a third of a second."""
    if not assignments:
        return {}
    from rivya_flows.plans.labels import read_labels

    return read_labels(assignments)


def unknown_labels(journal: Journal, wanted: Mapping[str, str]) -> tuple[str, ...]:
    """A line for each label of a filter that no run has."""
    if not wanted:
        return ()
    from rivya_flows.runs.lookup import unknown_names

    return tuple(unknown_names(journal, wanted))


def default_service(named: str | None, chosen: Settings) -> str:
    """The service that is named, else the one that commands buy from now, as far as the settings tell."""
    from rivya_flows.money.spending import SANDBOX

    is_real = chosen.rivya_api_key is not None and not chosen.rivya_flows_sandbox
    return one_spelling(named or (chosen.rivya_base_url if is_real else SANDBOX))


def place_name(service: str) -> str:
    """What messages call a service."""
    from rivya_flows.money.spending import SANDBOX

    return "the local sandbox (pretend credits)" if service == SANDBOX else service


_YES = option("Agree to what deployments then buy without a cap over time.", "-y", "--yes")


@click.group(cls=Group)
def budgets() -> None:
    """Limit what all runs with the same labels spend in a day, week or month."""


@budgets.command("set")
def set_pool(
    name: str = argument(shell_complete=completion.pools),
    credits: int | None = option(
        "Most credits of a period; a new pool needs it.", type=click.IntRange(0)
    ),
    assignments: tuple[str, ...] = option(
        "Cover runs with this label; several must all match.", "--match", metavar="LABEL=VALUE"
    ),
    period: str | None = option(
        "When it begins again, in UTC; the default is month.", type=click.Choice(list(EACH_PERIOD))
    ),
    soft: int | None = option(
        "Warn once more credits than this are spent.", type=click.IntRange(0)
    ),
    yes: bool = _YES,
) -> None:
    """Make or change a pool of credits.

    A change keeps what is not given. Without --match a new pool covers every run.
    """
    from rivya_flows.plans.labels import read_labels
    from rivya_flows.store.pools import Pool, Pools

    labels = read_labels(assignments)
    given = {"credits": credits, "labels": labels or None, "soft": soft, "period": period}
    changes: dict[str, Any] = {field: one for field, one in given.items() if one is not None}
    with _open_store() as engine:
        pools = Pools(engine)
        rest = {pool.name: pool for pool in pools.all()}
        before = rest.pop(name, None)
        if before is None and credits is None:
            near = nearest(name, rest)
            hint = f"did you mean {near!r}? else " if near else ""
            raise UsageError(
                f"there is no pool {name!r:.80} yet", f"{hint}give --credits N to make it"
            )
        pool = replace(before or Pool(name, {}, 0), **changes)
        _ask(engine, [*rest.values(), pool], yes=yes)
        pools.set(pool)
        states = [state for state in pools.states(None) if state.pool.name == name]
    changed = "" if before is None else ", ".join(_changes(before, pool))
    made = "made" if before is None else f"changed: {changed}" if changed else "as it was"
    runs = f"runs with {_covers(pool.labels)}" if pool.labels else "every run"
    warns = "" if pool.soft is None else f"; warns above {pool.soft}"
    period_text = f"{EACH_PERIOD[pool.period]}{'' if pool.period == 'total' else ' (UTC)'}"
    show(f"pool {name} {made}", f"  {credits_of(pool.credits)} {period_text} for {runs}{warns}")
    if not pool.labels:
        tell("it covers every run of this store; --match LABEL=VALUE covers some of them")
    for state in states:
        if state.total.spent > pool.credits:
            tell(*_used_up(state))


@budgets.command("list")
def list_pools(as_json: bool = options.JSON) -> None:
    """List the pools, with what is spent and left in their current period."""
    from rivya_flows.store.pools import Pools

    with _open_store() as engine:
        states = Pools(engine).states(None)
    if as_json:
        print_json(
            [
                {
                    "name": pool.name,
                    "match": pool.labels,
                    "credits": pool.credits,
                    "soft": pool.soft,
                    "period": pool.period,
                    "service": service or None,
                    "spent": total.spent,
                    "left": total.left,
                    "soft_passed": total.is_soft_passed,
                    "until": total.until and total.until.isoformat(),
                }
                for pool, service, total in states
            ]
        )
    elif states:
        columns = ["!pool", "covers", ">credits", "period", ">spent", ">left", "?until (UTC)", "?at", ""]  # fmt: skip
        rows = []
        for pool, service, total in states:
            numbers = (str(pool.credits), pool.period, str(total.spent), str(total.left))
            until = "–" if total.until is None else f"{total.until:%Y-%m-%d}"
            soft = "soft limit passed" if total.is_soft_passed else ""
            note = "over its limit" if total.spent > pool.credits else soft
            rows.append([pool.name, _covers(pool.labels), *numbers, until, service or "–", note])
        print_table(columns, rows)
    else:
        show("no pools; make one with `rivya-flows budgets set NAME --credits N`")


@budgets.command("remove")
def remove_pool(name: str = argument(shell_complete=completion.pools), yes: bool = _YES) -> None:
    """Remove a pool; runs are no longer held back by it."""
    from rivya_flows.language.diagnostic_report import suggest
    from rivya_flows.store.pools import Pools

    with _open_store() as engine:
        pools = Pools(engine)
        rest = {pool.name: pool for pool in pools.all()}
        if rest.pop(name, None) is None:
            raise UsageError(f"there is no pool {name!r:.80}", suggest(name, rest))
        _ask(engine, [*rest.values()], yes=yes)
        pools.remove(name)
    show(f"pool {name} removed")


def _ask(engine: Engine, pools: Sequence[Pool], *, yes: bool) -> None:
    """Asks if a deployment loses its last cap over time with the pools that will be left."""
    from rivya_flows.money.live_guard import agree_to_uncapped

    asyncio.run(agree_to_uncapped(engine, pools, tell, confirmer(yes=yes, as_json=False)))


@contextmanager
def _open_store() -> Iterator[Engine]:
    from rivya_flows.runs.lookup import open_journal

    with open_journal(settings()) as journal:
        yield journal.engine


def _covers(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in labels.items()) or "every run"


def _changes(before: Pool, pool: Pool) -> Iterator[str]:
    for name in ("credits", "labels", "period", "soft"):
        was, now = getattr(before, name), getattr(pool, name)
        if was != now and name == "labels":
            yield f"match {_covers(was)} → {_covers(now)}"
        elif was != now:
            yield f"{name} {'none' if was is None else was} → {now}"


def _used_up(state: PoolState) -> Iterator[str]:
    """Says that more is spent than a pool now has; a sandbox counts only its own pretend credits."""
    from rivya_flows.receipt.phrases import is_sandbox

    rehearsed, end = is_sandbox(state.service), state.total.until
    place = "the sandbox (pretend credits)" if rehearsed else state.service
    until = "" if end is None else f" until {end:%Y-%m-%d} UTC"
    spent = credits_of(state.total.spent)
    yield f"{spent} of it are spent at {place} already: it lets nothing more be bought there{until}"
    if rehearsed:
        set_labels = f"rivya-flows budgets set {state.pool.name} --match LABEL=VALUE"
        yield f"to count real runs alone: {set_labels}, and give these --label LABEL=VALUE"


@command()
def credits(sandbox: bool = option("Ask the local sandbox."), as_json: bool = options.JSON) -> None:
    """Show the credits of the account."""

    async def read(client: RivyaClient, context: RunContext) -> tuple[int, str]:
        return (await client.credits.retrieve()).current_credits, context.service.base_url

    number, address = call_service(read, sandbox=sandbox)
    document = {"credits": number, "service": address}
    show_result(f"{credits_of(number)} at {address}", document=document, as_json=as_json)
