"""`plan`: what a run would do and cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from rivya_flows.cli.failures import CREDITS
from rivya_flows.cli.given import InputValues, read_given, with_inputs
from rivya_flows.cli.interrupts import Interrupts, run_interruptibly
from rivya_flows.cli.output import price_of, price_range, print_json, print_table, show
from rivya_flows.ledger.phrases import credits_of

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.app.prepare import CacheMode, Prepared, SpecFile
    from rivya_flows.app.run_context import RunContext
    from rivya_flows.planning.pricing.estimate import Estimate, ItemEstimate

_PLAIN = ("free", "fixed price of the default request")


@click.command()
@click.argument("spec", type=Path)
@with_inputs
@click.option("--budget", type=click.IntRange(0), help="Cap in credits, in place of the spec's.")
@click.option(
    "--cache",
    type=click.Choice(["off", "run", "spec"]),
    help="Where finished work may come from, in place of the spec's word.",
)
@click.option("--sandbox", is_flag=True, help="Plan for the local sandbox, also with a key.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def plan(
    spec: Path,
    assignments: tuple[str, ...],
    file: Path | None,
    budget: int | None,
    cache: Literal["off", "run", "spec"] | None,
    sandbox: bool,
    as_json: bool,
) -> int:
    """Show the steps of a spec with their price; nothing is bought.

    Only the list of models and the balance are read.
    """
    from rivya_flows.app.prepare import read_spec
    from rivya_flows.cli.service import at_home

    text, given = read_spec(spec), read_given(assignments, file)

    async def priced(_: Interrupts) -> Estimate:
        async with at_home(sandbox=sandbox) as context:
            ready = await prepared(context, text, given, "run-plan", budget, cache, starts=False)
            return ready.estimate

    found = run_interruptibly(priced)
    if as_json:
        print_json(found.as_json())
    else:
        _print(found)
    return 0 if found.verdict == "ok" else CREDITS


async def prepared(
    context: RunContext,
    spec: SpecFile,
    given: InputValues,
    run_id: str,
    budget: int | None,
    cache: CacheMode | None,
    *,
    starts: bool,
) -> Prepared:
    """The run checked and priced with the models and the balance of this moment.

    Args:
        context: Where it would run.
        spec: The spec.
        given: Its inputs.
        run_id: Name of the run.
        budget: Overrides the spec's cap.
        cache: Overrides the spec's mode.
        starts: It starts now, on this machine.

    Raises:
        SpecError: The spec or an input is wrong.
        UsageError: It starts, and a callback could not be sent from here.
        APIError: The service did not answer.
    """
    from rivya_flows.app.catalogue_cache import read_catalogue
    from rivya_flows.app.prepare import prepare

    async with context.client() as client:
        catalogue = await read_catalogue(client, context)
        balance = (await client.credits.retrieve()).current_credits
    return prepare(
        spec,
        given,
        catalogue,
        run_id=run_id,
        service=context.service.identity,
        balance=balance,
        assets=context.assets,
        look_up=context.look_up,
        budget=budget,
        cache=cache,
        driver=context.settings if starts else None,
    )


def _print(found: Estimate) -> None:
    from rivya_flows.app.prepare import verdict

    notes: list[str] = []
    rows = []
    for step in found.steps:
        if step.skipped:
            rows.append([step.id, "", "", "–", f"skipped: {step.skipped}"])
        for index, item in enumerate(step.items):
            rows.append(
                [
                    "" if index else step.id,
                    item.key,
                    item.model or step.uses,
                    price_range(item.price.min, item.price.max),
                    _note(item, notes),
                ]
            )
    print_table(["step", "item", "model", ">credits", ""], rows)
    show("")
    for number, note in enumerate(notes, start=1):
        show(f"[{number}] {note}")
    show(f"{found.name}: {price_of(found.min, found.max)}{_beside(found)}")
    show(verdict(found))


def _note(item: ItemEstimate, notes: list[str]) -> str:
    """What stands beside a price: the cache, or the number of the assumption that it rests on."""
    if item.cached:
        return f"cached, saves {item.saved}"
    assumption = item.price.assumption
    if assumption in _PLAIN:
        return ""
    if assumption not in notes:
        notes.append(assumption)
    return f"[{notes.index(assumption) + 1}]"


def _beside(found: Estimate) -> str:
    parts = [
        f"{credits_of(found.saved)} saved by the cache" if found.saved else "",
        f"balance {found.balance}" if found.balance is not None else "",
        f"budget {found.budget}" if found.budget is not None else "no budget",
    ]
    return "".join(f", {part}" for part in parts if part)
