"""What the page of a run shows: plan, progress, media, groups of items, purchases and outputs.

Prefect removes players from Markdown, so a film is a still and a link.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rivya_flows.assets import Asset
from rivya_flows.estimate.estimate import Estimate
from rivya_flows.estimate.mermaid import mermaid
from rivya_flows.estimate.table import plan_table
from rivya_flows.markdown import Marked, code, gallery, link, picture, quotation, table, text
from rivya_flows.plans.names import label
from rivya_flows.plans.plan import RunPlan
from rivya_flows.program import NAME
from rivya_flows.queue.items import Phase
from rivya_flows.queue.state import State, StepState
from rivya_flows.receipt.continuing import next_step
from rivya_flows.receipt.from_journal import Recorded, recorded_asset
from rivya_flows.receipt.model import Receipt
from rivya_flows.receipt.phrases import credits_of, measures, model_of, total_of
from rivya_flows.receipt.questions import MediaLinks
from rivya_flows.receipt.summary import (
    account_line,
    bought_again,
    choices,
    films,
    full_sentence,
    shortfalls,
    troubles,
)

_MOST_PLANNED, _MOST_STEPS = 200, 6
"""Items in the table of a plan, and steps at work that are named."""

_MOST_ROWS, _MOST_MEDIA, _MOST_PICKS, _MOST_FILMS, _MOST_TROUBLES = 1_000, 60, 200, 30, 20

_NOT_ALLOWED = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME = 40


@dataclass(frozen=True)
class Artifact:
    """One artifact; `data` is Markdown, a URL, or a number from 0 to 100."""

    type: str
    data: Any
    description: str


def artifact_key(*names: str) -> str:
    """A key of lower-case letters, digits and dashes, as Prefect requires, from names in any script.

    A name that changes on the way gets a piece of its hash: no two share a key.
    """
    return "-".join(map(_key_part, filter(None, names)))


def _key_part(name: str) -> str:
    plain = _NOT_ALLOWED.sub("-", name.lower()).strip("-")
    if plain == name.replace("_", "-") and len(plain) <= _LONGEST_NAME:
        return plain
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain[:_LONGEST_NAME].strip('-')}-{mark}".lstrip("-")


def draw_plan(plan: RunPlan, priced: Estimate, verdict: str, board: str | None = None) -> Artifact:
    """The link to the board, a Mermaid graph with prices, a table of the items, the totals, and whether they fit."""
    rows, notes = plan_table(priced)
    lines = [
        *(
            [link("Board: what it makes, as it is made, and its questions", board), ""]
            if board
            else []
        ),
        f"```mermaid\n{mermaid(plan, priced)}\n```",
        "",
        table(("step", "item", "model", "credits", ""), rows[:_MOST_PLANNED], right=[3]),
        *_more(rows, _MOST_PLANNED, "\nand {} more items"),
        *(f"\n{text(note)}" for note in notes),
        "",
        _money(priced),
        *(["", text(verdict)] if priced.budget is not None else []),
    ]
    return Artifact("markdown", "\n".join(lines), "The steps and their prices")


def _money(priced: Estimate) -> str:
    parts = [
        f"**{text(total_of(priced))}**",
        f"{priced.spent} spent before" if priced.spent else "",
        f"{priced.saved} saved" if priced.saved else "",
        f"budget {priced.budget}" if priced.budget is not None else "",
        f"balance {priced.balance}" if priced.balance is not None else "",
    ]
    return ", ".join(filter(None, parts))


_DOES = {
    Phase.LOOKING: "looks up an earlier result",
    Phase.UPLOADING: "is uploading",
    Phase.BUYING: "is buying",
}
"""What a single item at work does; the others run."""


def draw_progress(state: State) -> Artifact:
    """The share of the known items that have ended (it falls when a fan-out adds items), and what works now."""
    steps = [state.steps[step_id] for step_id in state.plan.parts["steps"]]
    total = sum(len(step.items) if step.expanded else 1 for step in steps)
    done = sum(step.tally.ended for step in steps)
    percent = 100.0 if state.ended == "completed" else round(100 * done / max(total, 1), 1)
    if state.ended:
        now = f", {state.ended}"
    else:
        working = (one for one, step in state.steps.items() if step.tally.in_flight)
        owners = dict.fromkeys(state.plan.owners.get(one, one) for one in working)
        active = [_active(one, state.steps[one]) for one in owners]
        names = [*active[:_MOST_STEPS], *_more(active, _MOST_STEPS, "{} more steps")]
        now = f"; {', '.join(names)}" if names else ""
    saved = f", {state.saved} saved" if state.saved else ""
    description = f"{done} of {total} done{now}; {credits_of(state.spent)}{saved}"
    return Artifact("progress", percent, description)


def _active(step_id: str, step: StepState) -> str:
    if len(step.items) > 1:
        return f"{step_id} {step.tally.ended} of {len(step.items)}"
    # The run continues while its page is drawn.
    return " ".join([step_id, *(_DOES.get(one.phase, "is running") for one in step.items.values())])


def _more(found: Sequence[object], most: int, text: str) -> list[str]:
    """The text with how many come after the first ones, in a list; empty if none do."""
    return [text.format(len(found) - most)] if len(found) > most else []


def draw_medium(name: str, asset: Asset, links: MediaLinks) -> Artifact | None:
    """One medium; None if a browser cannot reach it."""
    url = links.whole(asset)
    if url is None:
        return None
    is_picture = asset.kind == "image"
    data = url if is_picture else _medium(name, asset, links)
    return Artifact("image" if is_picture else "markdown", data, _caption(name, asset))


def draw_text(name: str, answer: str) -> Artifact:
    """The answer of a chat model."""
    return Artifact("markdown", quotation(answer), f"Answer of {text(name)}")


@dataclass
class GroupRow:
    """An item of a group: the media that its call made, or a text instead of them."""

    item: str
    status: str = "running"
    media: Sequence[Asset] = ()
    text: str = ""


def draw_group(name: str, rows: Sequence[GroupRow], links: MediaLinks) -> Artifact:
    """The items of a group: their pictures, and a table with a row for each."""
    counts = Counter(row.status for row in rows)
    summary = ", ".join(f"{counts[one]} {one}" for one in _STATUSES if counts[one])
    stills = [
        (row.item, links.whole(one)) for row in rows for one in row.media if one.kind == "image"
    ]
    pictures = [(item, url, url) for item, url in stills if url]
    cells = []
    for row in rows:
        linked = [(_about(asset), links.whole(asset)) for asset in row.media]
        media = ", ".join(link(about, url) if url else about for about, url in linked)
        cells.append((row.item, row.status, Marked(media) if media else row.text))
    lines = [*([gallery(pictures), ""] if pictures else []), table(("item", "", ""), cells)]
    return Artifact("markdown", "\n".join(lines), f"{text(name)}: {summary}")


_STATUSES = ("done", "running", "failed", "stopped")


def draw_ledger(receipt: Receipt) -> Artifact | None:
    """One row for each purchase; None if nothing was bought.

    No table of Prefect's: one UI reads its cells as Markdown and the other as text.
    """
    if not receipt.ledger:
        return None
    rows = [
        (
            label(row.step, row.key),
            model_of(row),
            row.status,
            row.reserved,
            "" if row.final is None else row.final,
            row.task_id or "",
        )
        for row in receipt.ledger[:_MOST_ROWS]
    ]
    saved = f", {receipt.credits.saved} saved" if receipt.credits.saved else ""
    rest = _more(receipt.ledger, _MOST_ROWS, "; {} more purchases are in the receipt")
    description = "".join([f"{credits_of(receipt.credits.spent)} spent{saved}", *rest])
    head = ("item", "model", "status", "reserved", "credits", "job")
    return Artifact("markdown", table(head, rows, right=[3, 4]), description)


def draw_outputs(
    receipt: Receipt, report: str | None, links: MediaLinks, *, deployed: bool
) -> Artifact:
    """The run's outputs with their media, what went wrong, and the link to the contact sheet, if it has one."""
    lines = [f"**{text(receipt.status)}**: {text(full_sentence(receipt))}", ""]
    if counted := account_line(receipt):
        lines += [text(counted), ""]
    makers, left = _makers(receipt), _MOST_MEDIA
    for name, value in receipt.outputs.items():
        media = _media_in(value, receipt.media)
        drawn = _draw_media(name, media, left, makers, links) if media else [_draw_value(value)]
        lines += [f"### {text(name)}", "", *drawn, ""]
        left -= len(media)
    for title, found, most in (
        ("Picks", choices(receipt, deployed=deployed), _MOST_PICKS),
        ("Films and layouts", [*films(receipt), *shortfalls(receipt)], _MOST_FILMS),
        ("Bought again", bought_again(receipt), _MOST_TROUBLES),
        ("What failed or was skipped", troubles(receipt), _MOST_TROUBLES),
    ):
        if found:
            rest = _more(found, most, "* and {} more lines in the receipt")
            lines += [f"### {title}", "", *map(_line, found[:most]), *rest, ""]
    if receipt.status != "suspended" and (following := next_step(receipt, deployed=deployed)):
        lines += ["### What next", "", following.markdown, ""]
    if report:
        lines.append(link("Contact sheet: all pictures, films, prompts and credits", report))
    else:
        run_id = receipt.run_id.replace("`", "'")
        lines.append(
            f"`rivya-flows receipt {run_id} --out DIR` writes the contact sheet, with the media"
            " beside it."
        )
    return Artifact("markdown", "\n".join(lines), f"What {text(receipt.name)} made")


def _line(line: str) -> str:
    """A line of a summary in a list; its command can be copied."""
    plain = line.strip()
    marked = code(plain) if plain.startswith(f"{NAME} resume ") else text(plain)
    return f"{'  ' if line.startswith('  ') else ''}* {marked}"


def _draw_value(value: Any) -> str:
    if value is None:
        return "nothing"
    document = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    return quotation(value if isinstance(value, str) else document)


def _draw_media(
    name: str,
    media: Sequence[Asset],
    left: int,
    makers: Mapping[str, tuple[str, str]],
    links: MediaLinks,
) -> Iterator[str]:
    """The media of an output, side by side if all are stills; of all outputs so many are `left`."""
    stills = [(one, url) for one in media if one.kind == "image" and (url := links.whole(one))]
    if 1 < len(stills) == len(media) <= left:
        names = [makers.get(one.sha256, ("", ""))[1] for one, _ in stills]
        yield gallery(
            [
                (names[n] or f"{name} {n + 1}", links.small(one) or url, url)
                for n, (one, url) in enumerate(stills)
            ]
        )
        return
    for one in media[: max(0, left)]:
        yield _medium(label(*makers.get(one.sha256, (name, ""))), one, links)
    if len(media) > left >= 0:
        yield "more media are on the contact sheet"


def _media_in(value: Any, recorded: Recorded) -> list[Asset]:
    """Those of a medium, a list of media, or the output `by` of a composition or a layout; else none."""
    if asset := recorded_asset(value, recorded):
        return [asset]
    parts = value if isinstance(value, list) else []
    if isinstance(value, Mapping):
        parts = [one.get("asset") if isinstance(one, Mapping) else one for one in value.values()]
    found = [_media_in(one, recorded) for one in parts if one is not None]
    return [asset for one in found for asset in one] if all(found) else []


def _makers(receipt: Receipt) -> dict[str, tuple[str, str]]:
    """What first made each medium, by hash: step and key, with the format that it has."""
    makers: dict[str, tuple[str, str]] = {}
    for step, item in receipt.each():
        for asset in item.media:
            names = filter(None, (item.key, *item.formats.get(asset.sha256, ())))
            makers.setdefault(asset.sha256, (step.id, " ".join(names)))
    return makers


def _medium(name: str, asset: Asset, links: MediaLinks) -> str:
    """A medium as Markdown."""
    url, caption = links.whole(asset), _caption(name, asset)
    if url is None:
        return f"{caption} (stored; no URL for a browser)"
    if asset.kind == "image":
        return picture(name, url)
    still = links.small(asset) if asset.kind == "video" else None
    above = f"{picture(name, still)}\n\n" if still else ""
    return f"{above}{caption} ({link('play', url)})"


def _caption(name: str, asset: Asset) -> str:
    return f"{text(name)}: {_about(asset)}"


def _about(asset: Asset) -> str:
    """Kind, size and length of a medium, as far as they are known."""
    kind = {"image": "image", "video": "film", "audio": "sound"}[asset.kind]
    return text(", ".join([kind, *measures(asset)]))
