"""`budgets`: pools of credits that all runs of the store with certain labels share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import click

from rivya_flows.cli import completion, options
from rivya_flows.cli.declaration import Group, argument, option
from rivya_flows.cli.output import print_json, print_table, show, tell
from rivya_flows.cli.service import settings
from rivya_flows.errors import UsageError
from rivya_flows.receipt.phrases import EACH_PERIOD, credits_of
from rivya_flows.similar_names import nearest

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from sqlalchemy import Engine

    from rivya_flows.store.pools import Period, Pool, PoolState

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
        "Cover runs with this label; several must all match.",
        "--match",
        metavar="LABEL=VALUE",
        shell_complete=completion.labels,
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
    with _opened() as engine:
        pools = Pools(engine)
        others = {pool.name: pool for pool in pools.all()}
        before = others.pop(name, None)
        if before is None and credits is None:
            near = nearest(name, others)
            hint = "give --credits N to make it"
            hint = f"did you mean {near!r}? else {hint}" if near else hint
            raise UsageError(f"there is no pool {name!r:.80} yet", hint)
        pool = before or Pool(name, labels, 0)
        pool = replace(
            pool,
            credits=pool.credits if credits is None else credits,
            labels=labels or pool.labels,
            soft=pool.soft if soft is None else soft,
            period=cast("Period", period or pool.period),
        )
        _ask(engine, [*others.values(), pool], yes=yes)
        pools.set(pool)
        states = [state for state in pools.states(None) if state.pool.name == name]
    changes = [] if before is None else list(_changes(before, pool))
    made = "made" if before is None else f"changed: {', '.join(changes)}" if changes else "as it was"  # fmt: skip
    show(f"pool {name} {made}", f"  {_described(pool)}")
    if not pool.labels:
        tell("it covers every run of this store; --match LABEL=VALUE covers some of them")
    for state in states:
        if state.total.spent > pool.credits:
            tell(*_used_up(state))


@budgets.command("list")
def list_pools(as_json: bool = options.JSON) -> None:
    """List the pools, with what is spent and left in their current period."""
    from rivya_flows.store.pools import Pools

    with _opened() as engine:
        states = Pools(engine).states(None)
    if as_json:
        print_json(
            [
                {
                    "name": one.pool.name,
                    "match": one.pool.labels,
                    "credits": one.pool.credits,
                    "soft": one.pool.soft,
                    "period": one.pool.period,
                    "service": one.service or None,
                    "spent": one.total.spent,
                    "left": one.total.left,
                    "soft_passed": one.total.is_soft_passed,
                    "until": one.total.until and one.total.until.isoformat(),
                }
                for one in states
            ]
        )
    elif states:
        columns = ["!pool", "covers", ">credits", "period", ">spent", ">left", "?until (UTC)", "?at", ""]  # fmt: skip
        print_table(columns, [_row(state) for state in states])
    else:
        show("no pools; make one with `rivya-flows budgets set NAME --credits N`")


@budgets.command("remove")
def remove_pool(name: str = argument(shell_complete=completion.pools), yes: bool = _YES) -> None:
    """Remove a pool; runs are no longer held back by it."""
    from rivya_flows.language.diagnostic_report import meant
    from rivya_flows.store.pools import Pools

    with _opened() as engine:
        pools = Pools(engine)
        others = {pool.name: pool for pool in pools.all()}
        if others.pop(name, None) is None:
            raise UsageError(f"there is no pool {name!r:.80}", meant(name, others))
        _ask(engine, [*others.values()], yes=yes)
        pools.remove(name)
    show(f"pool {name} removed")


def _ask(engine: Engine, pools: Sequence[Pool], *, yes: bool) -> None:
    """Asks where a deployment loses its last cap over time with the pools that will be left."""
    from rivya_flows.cli.terminal import confirmer
    from rivya_flows.money.live_guard import agree_to_uncapped

    asyncio.run(agree_to_uncapped(engine, pools, tell, confirmer(yes=yes, as_json=False)))


@contextmanager
def _opened() -> Iterator[Engine]:
    from rivya_flows.runs.lookup import open_journal

    with open_journal(settings()) as journal:
        yield journal.engine


def _covers(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in labels.items()) or "every run"


def _described(pool: Pool) -> str:
    runs = f"runs with {_covers(pool.labels)}" if pool.labels else "every run"
    warns = "" if pool.soft is None else f"; warns above {pool.soft}"
    utc = "" if pool.period == "total" else " (UTC)"
    return f"{credits_of(pool.credits)} {EACH_PERIOD[pool.period]}{utc} for {runs}{warns}"


def _changes(before: Pool, pool: Pool) -> Iterator[str]:
    if before.credits != pool.credits:
        yield f"credits {before.credits} → {pool.credits}"
    if before.labels != pool.labels:
        yield f"match {_covers(before.labels)} → {_covers(pool.labels)}"
    if before.period != pool.period:
        yield f"period {before.period} → {pool.period}"
    if before.soft != pool.soft:
        yield f"soft {'none' if before.soft is None else before.soft} → {pool.soft}"


def _used_up(state: PoolState) -> Iterator[str]:
    """That more is spent than a pool now has; a sandbox takes only its own pretend credits of it."""
    from rivya_flows.receipt.phrases import is_sandbox

    name, until, spent = state.pool.name, _until(state), credits_of(state.total.spent)
    if not is_sandbox(state.service):
        yield (
            f"{spent} of it are spent at {state.service} already: it lets nothing more be bought"
            f" there{until}"
        )
        return
    yield (
        f"rehearsals on the sandbox count too: they took {spent} of its "
        f"{state.pool.credits} pretend ones already, and end with `over the pool {name}`{until}; "
        "its real credits are untouched"
    )
    yield (
        f"to leave them out: rivya-flows budgets set {name} --match LABEL=VALUE, and give "
        "--label LABEL=VALUE to real runs alone"
    )


def _until(state: PoolState) -> str:
    return "" if state.total.until is None else f" until {state.total.until:%Y-%m-%d} UTC"


def _row(state: PoolState) -> list[str]:
    pool, total = state.pool, state.total
    over = total.spent > pool.credits
    return [
        pool.name,
        _covers(pool.labels),
        str(pool.credits),
        pool.period,
        str(total.spent),
        str(total.left),
        "–" if total.until is None else f"{total.until:%Y-%m-%d}",
        state.service or "–",
        "over its limit" if over else "soft limit passed" if total.is_soft_passed else "",
    ]
