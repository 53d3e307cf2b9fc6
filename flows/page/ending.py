"""The end of a run on its page: what came out, what it cost, and where to look further."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from flows.page.board import Artifact
from flows.page.markdown import gallery, link, quotation, text
from flows.page.media import Address, Poster, shown
from rivya_flows.ledger.summary import sentence, troubles
from rivya_flows.ledger.words import credits_of
from rivya_flows.plan.names import label

MOST_ROWS = 1_000
MOST_MEDIA = 60
_MOST_TROUBLES = 20


def draw_outputs(
    receipt: Mapping[str, Any], report: str | None, address: Address, poster: Poster
) -> Artifact:
    """The run's outputs with their media, what went wrong, and the contact sheet.

    Args:
        receipt: Of the run.
        report: Where a browser finds the contact sheet; None: nowhere.
        address: Where a browser finds media.
        poster: Where a browser finds stills of films.
    """
    lines = [f"**{text(receipt['status'])}**: {text(sentence(receipt))}", ""]
    budget = _Budget(MOST_MEDIA)
    for name, value in receipt["outputs"].items():
        lines += [f"### {text(name)}", "", *_value(name, value, address, poster, budget), ""]
    told = troubles(receipt)
    if told:
        lines += ["### What went wrong", "", *(f"* {text(one)}" for one in told[:_MOST_TROUBLES])]
        more = len(told) - _MOST_TROUBLES
        lines += [*([f"* and {more} more"] if more > 0 else []), ""]
    if report:
        lines.append(link("Contact sheet: all pictures, films, prompts and credits", report))
    else:
        lines.append(
            f"The contact sheet and the receipt lie in the run's folder, `{_id(receipt)}`."
        )
    return Artifact("markdown", "\n".join(lines), f"What {text(receipt['name'])} made")


def draw_ledger(receipt: Mapping[str, Any]) -> Artifact | None:
    """One row for each purchase; None where nothing was bought."""
    rows = [
        {
            "item": _plain(label(row["step"], row["key"])),
            "model": _plain(row["model"] or ""),
            "status": row["status"],
            "reserved": row["reserved"],
            "credits": "" if row["final"] is None else row["final"],
            "job": _plain(row["task_id"] or ""),
        }
        for row in receipt["ledger"][:MOST_ROWS]
    ]
    if not rows:
        return None
    credits = receipt["credits"]
    saved = f", {credits['saved']} saved" if credits["saved"] else ""
    more = len(receipt["ledger"]) - MOST_ROWS
    rest = f"; {more} more purchases stand in the receipt" if more > 0 else ""
    description = f"{credits_of(credits['spent'])} spent{saved}{rest}"
    return Artifact("table", json.dumps(rows), description)


class _Budget:
    """How many media may still be shown."""

    def __init__(self, left: int) -> None:
        self.left = left


def _value(
    name: str, value: Any, address: Address, poster: Poster, budget: _Budget
) -> Iterator[str]:
    if value is None:
        yield "nothing"
    elif _is_medium(value):
        if budget.left > 0:
            budget.left -= 1
            yield shown(name, value, address, poster)
        elif budget.left == 0:
            budget.left -= 1
            yield "and more media, on the contact sheet"
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        stills = [(one, address(one)) for one in value if _is_medium(one)]
        if len(stills) == len(value) <= budget.left and all(
            url and one.get("kind") == "image" for one, url in stills
        ):
            budget.left -= len(stills)
            yield gallery([(f"{name} {n}", str(url)) for n, (_, url) in enumerate(stills, 1)])
            return
        for number, one in enumerate(value, 1):
            yield from _value(f"{name} {number}", one, address, poster, budget)
    elif isinstance(value, str):
        yield quotation(value)
    else:
        yield quotation(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def _is_medium(value: Any) -> bool:
    return isinstance(value, Mapping) and "sha256" in value and "kind" in value


def _plain(words: str) -> str:
    """A cell of a table: Prefect shows it as text, or as Markdown where it looks like it."""
    return " ".join(words.split())[:200]


def _id(receipt: Mapping[str, Any]) -> str:
    return str(receipt["run_id"]).replace("`", "'")
