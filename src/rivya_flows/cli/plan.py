"""`plan` and `graph`: show what a run would do and cost."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rivya_client.printable import one_line
from rivya_cut.fonts import name_characters
from rivya_flows.cli import options
from rivya_flows.cli.against import percent, show_against
from rivya_flows.cli.failures import CREDITS, same_command
from rivya_flows.cli.options import argument, command, option
from rivya_flows.cli.output import print_json, print_table, show, show_verbatim, tell
from rivya_flows.cli.session import caller, run_interruptibly, settings
from rivya_flows.errors import UsageError
from rivya_flows.receipt.phrases import credits_of, film_length, first_steps

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.estimate.estimate import Estimate
    from rivya_flows.preparation.prepare import RunRequest


@command(
    "plan specs/product-launch.yaml -i pick=first",
    "plan specs/product-launch.yaml --out launch.quote",
    "plan specs --against origin/main --max-increase 20%",
)
def plan(
    specs: tuple[Path, ...] = argument(metavar="SPEC...", required=True),
    assignments: tuple[str, ...] = options.INPUTS,
    file: Path | None = options.INPUTS_FILE,
    budget: int | None = options.BUDGET,
    cache: options.Cache = options.CACHE,
    labels: tuple[str, ...] = options.LABELS,
    out: Path | None = option(
        "Write a quote, which `run --quote FILE` runs as it is, once, within 24 hours.",
        type=options.NEW_FILE,
        metavar="FILE",
    ),
    sandbox: bool = option("Plan for the local sandbox, also with a key."),
    against: str | None = option(
        "Compare what specs, or those of folders, cost with what they cost as of this revision of "
        "Git, or in this file. Sends nothing.",
        metavar="REF",
    ),
    form: str | None = option(
        "With --against: for people, as one JSON document, or as a comment in a pull request.  "
        "[default: text]",
        "--format",
        type=click.Choice(["text", "json", "markdown"]),
    ),
    most: int | None = option(
        "With --against: exit with 3 if a spec may cost more.", "--max", type=click.IntRange(0)
    ),
    increase: Decimal | None = option(
        "With --against: exit with 3 if a spec gets dearer by more than this share, such as 20%.",
        "--max-increase",
        type=percent,
        metavar="SHARE",
    ),
    as_json: bool = options.JSON,
) -> int:
    """Show the steps of a spec with their price; nothing is bought.

    Only the list of models and the balance are read.
    """
    if against is not None:
        elsewhere = (file, cache, out, labels, budget is not None, sandbox)
        names = ("--inputs", "--cache", "--out", "--label", "--budget", "--sandbox")
        if given := [name for name, value in zip(names, elsewhere, strict=True) if value]:
            raise UsageError(f"{given[0]} does not go with --against", "remove one of them")
        if as_json and form not in (None, "json"):
            raise UsageError(f"--json and --format {form} exclude each other", "remove one of them")
        form = "json" if as_json else form or "text"
        return show_against(specs, against, assignments, form, most, increase)
    if form or most is not None or increase is not None:
        raise UsageError("--format, --max and --max-increase need --against", "add --against REF")
    if len(specs) > 1:
        raise UsageError("several specs are only compared", "name one spec, or add --against REF")
    request = request_of(specs[0], assignments, file, budget, cache, labels)
    from rivya_flows.runs.execution import plan as plan_run

    return show_plan(plan_run(request, caller(sandbox=sandbox), out=out), out, as_json=as_json)


def request_of(
    spec: Path,
    assignments: tuple[str, ...],
    file: Path | None,
    budget: int | None = None,
    cache: options.Cache = None,
    labels: tuple[str, ...] = (),
) -> RunRequest:
    """The run that these options ask for."""
    from rivya_flows.plans.labels import read_labels
    from rivya_flows.preparation.prepare import RunRequest
    from rivya_flows.preparation.spec_file import read_inputs, read_spec

    return RunRequest(
        read_spec(spec), read_inputs(assignments, file), budget, cache, labels=read_labels(labels)
    )


def show_plan(work: Awaitable[Estimate], out: Path | None = None, *, as_json: bool) -> int:
    """Prints the plan that `work` prices, and the quote in `out`; gives the exit code."""
    from rivya_flows.money.quotes import read_quote
    from rivya_flows.preparation.prepare import raised_budget

    found = run_interruptibly(lambda _: work)
    quote = None if out is None else read_quote(out).quote
    if as_json:
        document = found.as_json()
        if quote is not None:
            until = quote.expires_at.isoformat()
            document["quote"] = {
                "file": str(out), "id": quote.id, "credits": quote.cap, "expires_at": until
            }  # fmt: skip
        if found.verdict != "ok":
            options = raised_budget(found)
            arguments = click.get_current_context().obj or ()
            document["next"] = same_command(arguments, options) if options else None
        print_json(document)
    else:
        _print(found)
        if quote is not None:
            until = f"{quote.expires_at:%Y-%m-%d %H:%M} UTC"
            show(f"quote {out}: at most {credits_of(quote.cap)}, once, until {until}")
            show(f"run it with: rivya-flows run --quote {shlex.quote(str(out))}")
    return 0 if found.verdict == "ok" else CREDITS


@command()
def graph(
    spec: Path = options.SPEC,
    assignments: tuple[str, ...] = options.INPUTS,
    file: Path | None = options.INPUTS_FILE,
) -> None:
    """Print the plan of a spec as a Mermaid flow chart, with items, models and credits.

    Nothing is sent: prices are the last ones that the service named, or those of the catalogue
    that ships with this package.
    """
    from rivya_flows.estimate.mermaid import mermaid
    from rivya_flows.preparation.catalogue_cache import known_catalogue
    from rivya_flows.preparation.prepare import prepare_offline
    from rivya_flows.queue.reducer import initial_state

    request = request_of(spec, assignments, file)
    prepared = prepare_offline(request, known_catalogue(settings()))
    show_verbatim(mermaid(initial_state(prepared.frozen).plan, prepared.estimate).split("\n"))


_MOST_STEPS = 12  # that one line names
_COLOURS = {"fits": "green", "may_exceed": "yellow", "exceeds": "red"}


def _print(found: Estimate) -> None:
    from rivya_flows.estimate.table import plan_table
    from rivya_flows.preparation.prepare import soft_limits, verdict
    from rivya_flows.queue.bought_again import bought_again_lines
    from rivya_flows.receipt.phrases import pool_left, total_of

    rows, notes = plan_table(found)
    print_table(["step", "item", "model", ">credits", ""], rows)
    show("", *notes)
    branded: dict[str, list[str]] = {}
    for step in found.steps:
        if step.brand_prompt:
            branded.setdefault(step.brand_prompt, []).append(step.id)
    for prompt, steps in branded.items():
        show(
            f"the brand adds {one_line(prompt)!r} to the prompts of {first_steps(steps, _MOST_STEPS)}"
        )
    each = ((step.id, item.key, item.why) for step in found.steps for item in step.items)
    show(*bought_again_lines((step, key, why) for step, key, why in each if why))
    warnings, lengths = [], dict[str, list[str]]()
    for step in found.steps:
        films = [item.film for item in step.items if item.film]
        if any(film.most != 0 for film in films):
            begin = "the film lasts" if len(films) == 1 else f"{len(films)} films, each of"
            lengths.setdefault(f"{begin} {film_length(films)}", []).append(step.id)
        if missing := "".join(dict.fromkeys(char for film in films for char in film.left_out)):
            warnings.append(
                f"warning: {step.id}: no font has {name_characters(missing)}: left out of the picture"
            )
    show(*(f"{first_steps(steps, _MOST_STEPS)}: {length}" for length, steps in lengths.items()))
    beside = [
        f"{credits_of(found.spent)} spent" if found.spent else "",
        f"{credits_of(found.saved)} saved" if found.saved else "",
        f"balance {found.balance}" if found.balance is not None else "",
        f"budget {found.budget}" if found.budget is not None else "no budget",
    ]
    show(f"{found.name}: {', '.join(filter(None, (total_of(found), *beside)))}", bold=True)
    show(*map(pool_left, found.pools))
    show(verdict(found), fg=_COLOURS[found.fit])
    tell(*soft_limits(found), *warnings)
