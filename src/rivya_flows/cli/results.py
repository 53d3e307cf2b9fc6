"""Look at what runs made: `open`, `share`, `compare` and `verify`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import accumulate
from pathlib import Path
from typing import Any

import click

from rivya_flows.cli import options
from rivya_flows.cli.completion import runs
from rivya_flows.cli.failures import FAILED
from rivya_flows.cli.layout import size_of
from rivya_flows.cli.options import argument, command, option
from rivya_flows.cli.output import print_json, print_table, show, show_result, show_verbatim, tell
from rivya_flows.cli.session import open_page, settings
from rivya_flows.language.wording import cut
from rivya_flows.private import as_the_user_wants


@command()
def open(run: str = options.LAST_RUN) -> None:  # noqa: A001  # a command is found under its name
    """Open the contact sheet of a run, and print its path; of a run at work open its board, and print the link.

    RUN is its id, its folder, those of a batch, or `last`, the default: the run in which something
    happened last. A sheet that is missing is made.
    """
    from rivya_flows.flows.execution.local_runner import board_of
    from rivya_flows.runs.sheets import at_work, sheet_of

    found = settings()
    if (run_id := at_work(found, run)) and (board := board_of(found, run_id)):
        show(board)
        open_page(board)
        return
    page = sheet_of(found, run)
    show(str(page))
    open_page(page)


_MAILED_BYTES = 15_000_000
"""What mail surely carries: many mailboxes take 20 to 25 MB, and an attachment grows by a third."""


@command("share last", "share last --output spot --out comet-kettle.html")
def share(
    run: str = options.LAST_RUN,
    file: Path | None = option(
        "Write this file, or replace a page; default: a new one here, named after spec and product.",
        "--out",
        type=options.NEW_FILE,
        metavar="FILE",
    ),
    outputs: tuple[str, ...] = option(
        "Only this output; may be repeated.", "--output", metavar="NAME"
    ),
    title: str | None = option(
        "Title of the page; default: the product, with the title of the spec below.", metavar="TEXT"
    ),
) -> None:
    """Write one HTML file with the finished media of a run, to send to a client.

    RUN is its id, its folder, or `last`, the default: the run in which something happened last.
    Films, pictures, sounds and texts of the outputs are inside, whole, up to 100 MB. Prices, ids,
    prompts and models are not, and of the inputs the first one-line text alone, as the title.
    """
    from rivya_flows.runs.sheets import share as write_page

    replaced = file is not None and file.exists()
    with as_the_user_wants():
        page, lacks, smaller = write_page(settings(), run, file, only=outputs, title=title)
    size = page.stat().st_size
    show(f"{page}  {size_of(size)}")
    if replaced:
        tell(f"replaced {page}")
    if lacks:
        missing = ", ".join(f"{name} ({why})" for name, why in lacks.items())
        tell(f"warning: not in the page: {missing}")
    if size > _MAILED_BYTES:
        tell(f"note: it may be too large for a mail; put it on a drive, or {smaller}")


@command("compare last", "compare RUN last --open")
def compare(
    first: str = argument(metavar="A", shell_complete=runs),
    second: str | None = argument(metavar="[B]", shell_complete=runs),
    page: Path | None = option(
        "Write a page with the pictures, films, sounds and texts of both.",
        "--out",
        type=options.NEW_FILE,
        metavar="FILE",
    ),
    opens: bool = option(
        "Open that page; without --out, a new one beside the sheet of B.", "--open"
    ),
    as_json: bool = options.JSON,
) -> None:
    """Show two runs side by side: what differs, and what each made and cost.

    A and B are their ids or their folders; `last` is the run in which something happened last.
    One run alone is compared with the run that it was forked from.
    """
    from rivya_flows.runs.sheets import compare as compare_runs

    with as_the_user_wants():
        named = (first, second) if second else (first,)
        found, page = compare_runs(settings(), named, page, opens=opens)
    if as_json:
        print_json(found)
    else:
        _print(found)
    if page is not None:
        tell(f"page {page}")
        if opens:
            open_page(page)


def _print(found: Mapping[str, Any]) -> None:
    runs = found["runs"]
    facts = ("title", "subject", "name", "status", "spent", "saved", "seconds")
    rows = [[name, *(_cell(run[name]) for run in runs)] for name in facts]
    labels = [", ".join(f"{k}={v}" for k, v in run["labels"].items()) for run in runs]
    if any(labels):
        rows.append(["labels", *(one or "–" for one in labels)])
    print_table(["", *(run["run_id"] for run in runs)], rows)
    differing = [
        [f"{label} {one['name']}", *map(_cell, one["values"])]
        for kind, label in (("picks", "picked for"), ("inputs", "input"), ("labels", "label"))
        for one in found[kind]
    ]
    show("", *([] if differing else ["picks, inputs and labels: equal"]))
    if differing:
        print_table(["differs", "A", "B"], differing)
        show("")
    show_verbatim(["spec: equal"] if found["spec"]["equal"] else found["spec"]["diff"])
    show("")
    steps = []
    for step in found["steps"]:
        if all(status in (None, "skipped") for status in step["status"]):
            continue
        changed, many = sum(not item["same"] for item in step["items"]), len(step["items"])
        results = f"{changed} of {many} differ" if many > 1 else "differ"
        pairs = (*step["status"], *step["credits"], *step["seconds"])
        steps.append([step["id"], *map(_cell, pairs), results if changed else "the same"])
    columns = ["step", "!A", "!B", ">credits A", ">B", "?>seconds A", "?>B", "!results"]
    print_table(columns, steps)
    models = [
        [one["model"], *map(str, one["purchases"]), *map(str, one["credits"])]
        for one in found["models"]
    ]
    outputs = [
        [one["name"], *(["the same", ""] if one["same"] else map(_cell, one["values"]))]
        for one in found["outputs"]
    ]
    bought = ["bought of", ">A", ">B", ">credits A", ">B"]
    for columns, rows in ((bought, models), (["output", "A", "B"], outputs)):
        if rows:
            show("")
            print_table(columns, rows)


_MOST = 60  # characters of a value


def _cell(value: Any) -> str:
    """A value in a cell: a medium by kind, size and hash prefix, a list by the entries that fit."""
    if value is None:
        return "–"
    if isinstance(value, Mapping) and "sha256" in value:
        size = f" {value['width']} × {value['height']}" if value.get("width") else ""
        return f"{value['kind']}{size} {value['sha256'][:8]}"
    if isinstance(value, list):
        entries = [_cell(one) for one in value]
        ends = accumulate(len(entry) + len(", ") for entry in entries)
        first = entries[: max(1, sum(end <= _MOST for end in ends))]
        text = ", ".join(first)
        return text if len(first) == len(entries) else f"{text}, … ({len(entries)} in all)"
    return cut(str(value))


@command()
def verify(
    file: Path = argument(type=click.Path(exists=True, dir_okay=False, path_type=Path)),
    as_json: bool = options.JSON,
) -> int:
    """Check the content credentials (C2PA) of a film or picture.

    Exit code 0 if it is signed and unchanged, 1 if not.
    """
    from rivya_flows.engine.signing import verify as checked

    found = checked(file)
    if found is None:
        show_result(f"{file}: not signed", document={"signed": False}, as_json=as_json)
        return FAILED
    lines = [f"{file}: {'signed, unchanged' if found.valid else 'NOT VALID'}"]
    lines += [f"  {problem}" for problem in found.problems]
    who = ", ".join(one for one in (found.signer, found.issuer) if one)
    facts = {
        "signer": f"{who} (certificate not checked against a trust list)" if who else None,
        "signed at": found.signed_at,
        "created at": found.created_at and f"{found.created_at} (as the signer says)",
        "made with": found.generator,
        "run": found.run,
        "source type": ", ".join(found.source_types),
    }
    lines += [f"  {name}: {text}" for name, text in facts.items() if text]
    lines += [f"  ingredient: {one.title} {one.sha256}" for one in found.ingredients]
    show_result(*lines, document={"signed": True, **asdict(found)}, as_json=as_json)
    return 0 if found.valid else FAILED
