"""`compare`: two runs side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import click

from rivya_flows.cli.completion import runs
from rivya_flows.cli.groups import examples
from rivya_flows.cli.output import located, print_json, print_table, show, show_verbatim, tell
from rivya_flows.private import as_the_user_wants


@click.command(epilog=examples("compare last", "compare RUN last --open"))
@click.argument("first", metavar="A", shell_complete=runs)
@click.argument("second", metavar="[B]", required=False, shell_complete=runs)
@click.option(
    "--out",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page with the pictures, films, sounds and texts of both.",
)
@click.option(
    "--open",
    "opens",
    is_flag=True,
    help="Open that page; without --out, a new one beside the sheet of B.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def compare(first: str, second: str | None, page: Path | None, opens: bool, as_json: bool) -> None:
    """Show two runs side by side: what differs, and what each made and cost.

    A and B are their ids or their folders; `last` is the run in which something happened last.
    One run alone is compared with the run that it was forked from.
    """
    from rivya_flows.app.compare import compare as compare_runs
    from rivya_flows.cli.configuration import settings
    from rivya_flows.cli.terminal import show_page

    with as_the_user_wants():
        named = (first, second) if second else (first,)
        found, page = compare_runs(settings(), named, page, shown=opens)
    if as_json:
        print_json(found)
    else:
        _print(found)
    if page is not None:
        tell(*located("page ", page, stderr=True))
        if opens:
            show_page(page)


def _print(found: Mapping[str, Any]) -> None:
    runs = found["runs"]
    facts = ("title", "subject", "name", "status", "spent", "saved", "seconds")
    rows = [[name, *(_told(run[name]) for run in runs)] for name in facts]
    labels = [", ".join(f"{k}={v}" for k, v in run["labels"].items()) for run in runs]
    if any(labels):
        rows.append(["labels", *(one or "–" for one in labels)])
    print_table(["", *(run["run_id"] for run in runs)], rows)
    differing = [
        [f"{words} {one['name']}", *map(_told, one["values"])]
        for kind, words in (("picks", "picked for"), ("inputs", "input"), ("labels", "label"))
        for one in found[kind]
    ]
    show("", *([] if differing else ["picks, inputs and labels: equal"]))
    if differing:
        print_table(["differs", "A", "B"], differing)
        show("")
    show_verbatim(["spec: equal"] if found["spec"]["equal"] else found["spec"]["diff"])
    show("")
    columns = ["step", "!A", "!B", ">credits A", ">B", "?>seconds A", "?>B", "!results"]
    print_table(columns, list(_steps(found["steps"])))
    if found["models"]:
        show("")
        rows = [
            [one["model"], *map(str, one["purchases"]), *map(str, one["credits"])]
            for one in found["models"]
        ]
        print_table(["bought of", ">A", ">B", ">credits A", ">B"], rows)
    if found["outputs"]:
        show("")
        rows = [
            [one["name"], *(["the same", ""] if one["same"] else map(_told, one["values"]))]
            for one in found["outputs"]
        ]
        print_table(["output", "A", "B"], rows)


def _steps(steps: list[Mapping[str, Any]]) -> Iterator[list[str]]:
    for step in steps:
        if all(status in (None, "skipped") for status in step["status"]):
            continue
        changed = sum(not item["same"] for item in step["items"])
        many = len(step["items"])
        results = f"{changed} of {many} differ" if many > 1 else "differ"
        pairs = (*step["status"], *step["credits"], *step["seconds"])
        yield [step["id"], *map(_told, pairs), results if changed else "the same"]


_MOST = 60  # characters of a value


def _told(value: Any) -> str:
    """A value in a cell: a medium by kind, size and the beginning of its hash."""
    if value is None:
        return "–"
    if isinstance(value, Mapping) and "sha256" in value:
        size = f" {value['width']} × {value['height']}" if value.get("width") else ""
        return f"{value['kind']}{size} {value['sha256'][:8]}"
    if isinstance(value, list):
        return _listed([_told(one) for one in value])
    text = str(value)
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"


def _listed(values: list[str]) -> str:
    """The entries that fit as a whole, and how many there are."""
    ends = accumulate(len(value) + len(", ") for value in values)
    shown = values[: max(1, sum(end <= _MOST for end in ends))]
    text = ", ".join(shown)
    return text if len(shown) == len(values) else f"{text}, … ({len(values)} in all)"
