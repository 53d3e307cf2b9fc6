"""Contact sheets of a run and of a batch: HTML pages that need no network."""

from __future__ import annotations

import base64
import functools
import hashlib
import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from rivya_flows.assets import assets_in
from rivya_flows.catalogue.snapshot import voice_name
from rivya_flows.fonts import MAX_PAGE_BYTES, with_fonts
from rivya_flows.ledger.continuing import continuation, plain_reason
from rivya_flows.ledger.model import Item, Receipt, Step, iso
from rivya_flows.ledger.phrases import model_of
from rivya_flows.ledger.summary import DONE
from rivya_flows.media.embedding import AssetPath, AssetUrl, Embedder, SheetMedium
from rivya_flows.media.receipt_values import duration_text, moment_text, text_of
from rivya_flows.media.sheet_choices import FILTERS, command_of, questions_of, waiting_hashes
from rivya_flows.media.sheet_graph import graph
from rivya_flows.media.sheet_origins import Origins
from rivya_flows.media.sheet_time import timeline
from rivya_flows.planning.names import is_round
from rivya_flows.program import NAME, callable_here

_NOT_NEEDED = ("skipped", "suspended", "running")
_MAX_ROW_MEDIA = 6
"""Media of one row on the sheet of a batch; the sheet of the row has all."""

_MAX_ROW_TEXT = 600  # characters of a text there
_UNFINISHED = ("running", "suspended")  # outputs without a value may still get one
_NOT_DONE = ("failed", "skipped", "cancelled", "suspended")


def contact_sheet(
    receipt: Receipt,
    asset_path: AssetPath,
    *,
    beside: Path | None = None,
    asset_url: AssetUrl | None = None,
) -> str:
    """The page of a run: open questions, outputs, credits by step, every item with its prompt and price.

    It holds small pictures and small files, and links the others.

    Args:
        asset_path: Path of the asset with a SHA-256; may raise `KeyError` or `OSError`.
        beside: Folder of the page. Links to files are relative to it; None makes them absolute.
        asset_url: For a page on a server: gives the URL of an asset, or None.
    """
    embedder = Embedder.of([receipt], asset_path, beside, asset_url)
    outputs = receipt.outputs
    embedder.draw([*waiting_hashes(receipt), *(one.sha256 for one in assets_in(outputs))])
    # In the order of the page: a medium is embedded where it comes first.
    questions = questions_of(receipt, embedder)
    shown = [_output(name, value, embedder) for name, value in outputs.items()]
    if receipt.status in _UNFINISHED:
        shown = [one for one in shown if one["media"] or one["text"]]
    begun = [_as_begun(step) for step in receipt.steps if _is_shown(step)]
    steps = [_step(step, embedder) for step in begun]
    origins = Origins(receipt, embedder, [step["id"] for step in steps])
    for output in shown:
        output["origins"] = origins.of(output["value"])
    for step in steps:
        for item in step["items"]:
            item["origins"] = origins.of(item["assets"], (step["id"], item["key"]))
    view = {
        "receipt": receipt,
        "title": receipt.title or receipt.name,
        "started": moment_text(receipt.started_at),
        "took": duration_text(receipt.started_at, receipt.ended_at) if receipt.ended_at else "",
        "service": "made by the sandbox, for pretend credits"
        if receipt.sandbox
        else f"made by {receipt.service}",
        "comparing": _comparing(receipt),
        "inputs": [(name, text_of(value)) for name, value in receipt.inputs.items()],
        "questions": questions,
        "command": command_of(receipt, questions),
        "ended": None if questions else _ended(receipt),
        "outputs": shown,
        "steps": steps,
        "timeline": (time := timeline(receipt, begun)),
        "spent": _spending(steps, time["rows"] if time else [None] * len(steps)),
        "graph": graph(begun),
        "troubles": [
            (step, item)
            for step in steps
            for item in step["items"]
            # What waits for an answer is asked on top.
            if item["status"] in _NOT_DONE
            and not (item["status"] == "suspended" and item["choice"] and item["choice"].waiting)
        ],
        "served": asset_url is not None,
    }
    return rendered("contact_sheet.html", view)


@dataclass(frozen=True)
class SheetRow:
    """A row of a batch on its contact sheet.

    Attributes:
        number: From 1.
        reason: Why it did not complete; None if it did.
        folder: Of its run; None without one.
        receipt: Of its run; None without one.
    """

    number: int
    name: str
    status: str
    credits: int
    reason: str | None
    folder: Path | None
    receipt: Receipt | None
    title: str = ""
    mark: str = ""
    facts: Sequence[tuple[str, str]] = ()


def batch_sheet(
    rows: Sequence[SheetRow],
    *,
    title: str,
    document: Mapping[str, Any],
    before: int,
    asset_path: AssetPath,
    beside: Path,
) -> str:
    """The page of a batch: every row with its outputs, price and state, and links to its own pages.

    It holds small pictures up to the bounds of one contact sheet, and links what is beyond.

    Args:
        rows: In the order of the table.
        document: As of ``batch --json``, without its rows.
        before: Credits that earlier executions spent; the balances are those of the last one alone.
        asset_path: Path of the asset with a SHA-256; may raise `KeyError` or `OSError`.
        beside: Folder of the page; links are relative to it.
    """
    receipts = [row.receipt for row in rows if row.receipt]
    embedder = Embedder.of(receipts, asset_path, beside)
    shown = [[*assets_in(row.receipt and row.receipt.outputs)][:_MAX_ROW_MEDIA] for row in rows]
    # The first of each row before the second of any.
    ranked = sorted((index, one.sha256) for media in shown for index, one in enumerate(media))
    embedder.draw([sha256 for _, sha256 in ranked], others=False)
    views = [_row(row, embedder) for row in rows]
    done = sum(row.status == "completed" for row in rows)
    view = {
        "title": title,
        "batch_id": document.get("batch_id"),
        "status_word": _words(document.get("status")),
        "credits": document.get("credits"),
        "before": before,
        "facts": [f"{done} of {len(rows)} rows completed"],
        "rows": views,
        "troubles": [one for one in views if one["status"] != "completed"],
    }
    return rendered("batch_sheet.html", view)


def _words(status: Any) -> str:
    return str(status).replace("_", " ")


def _row(row: SheetRow, embedder: Embedder) -> dict[str, Any]:
    media: list[tuple[str, SheetMedium]] = []  # the first one is the card's
    texts: list[tuple[str, str]] = []
    more = 0
    for name, value in (row.receipt.outputs if row.receipt else {}).items():
        assets = [*assets_in(value)]
        kept = assets[: _MAX_ROW_MEDIA - len(media)]
        found = [one for asset in kept for one in embedder.of_hash(asset.sha256)]
        media += [(" · ".join(filter(None, [name, one.key])), one) for one in found]
        more += len(assets) - len(kept)
        if not assets and (text := text_of(value)):
            short = text if len(text) <= _MAX_ROW_TEXT else f"{text[: _MAX_ROW_TEXT - 1]}…"
            texts.append((name, short))
    return {
        "number": row.number,
        "name": row.name,
        "mark": row.mark,
        "title": row.title or row.name,
        "price": next((text for name, text in row.facts if _is_price(name, text)), ""),
        "facts": [one for one in row.facts if not _is_price(*one)],
        "status": _words(row.status),
        "credits": row.credits,
        "reason": row.reason,
        "link": embedder.link_to(row.folder / "contact-sheet.html") if row.folder else "",
        "media": media,
        "texts": texts,
        "more": more,
    }


def _is_price(name: str, text: str) -> bool:
    return "price" in name or any(unicodedata.category(letter) == "Sc" for letter in text)


def _is_shown(step: Step) -> bool:
    """Not a round of a pick that nothing was bought for."""
    return not is_round(step.id) or any(item.status not in _NOT_NEEDED for item in step.items)


def _as_begun(step: Step) -> Step:
    """A step; ``waiting``, with nothing to show, before any of its items begins."""
    if step.status != "running" or any(item.began_at for item in step.items):
        return step
    return step.model_copy(update={"status": "waiting", "items": ()})


def _ended(receipt: Receipt) -> dict[str, Any] | None:
    """How a run that failed or was cancelled goes on, and what it keeps; None for others."""
    if receipt.status not in ("failed", "cancelled"):
        return None
    kept = []
    for step in receipt.steps:
        if done := sum(one.status in DONE for one in step.items):
            many = f" ({done} of {len(step.items)})" if len(step.items) > 1 else ""
            kept.append(f"{step.id}{many}")
    return {"next": continuation(receipt), "kept": kept}


def _comparing(receipt: Receipt) -> str:
    """The command that compares a fork with its run; "" of other runs."""
    if receipt.fork is None:
        return ""
    words = [NAME, "compare", receipt.fork.run_id, receipt.run_id, "--open"]
    return callable_here(shlex.join(words))


def _output(name: str, value: Any, embedder: Embedder) -> dict[str, Any]:
    media = embedder.media(value)
    # Formats of one film stand beside each other at one height.
    formats = len(media) > 1 and all(one.rendered for one in media)
    return {
        "name": name,
        "value": value,
        "media": media,
        "formats": formats,
        "text": "" if media else text_of(value),
    }


def _step(step: Step, embedder: Embedder) -> dict[str, Any]:
    return {**vars(step), "items": [_item(step, item, embedder) for item in step.items]}


def _item(step: Step, item: Item, embedder: Embedder) -> dict[str, Any]:
    rendering = embedder.rendering(item)
    media = [] if rendering else embedder.of_item(item.assets)
    picked = [] if step.uses == "pick" else [one.picked for one in media if one.picked]
    return {
        **vars(item),
        "plain": plain_reason(item) if item.status == "failed" else "",
        "params": [
            (name, voice_name(text_of(value))) for name, value in (item.params or {}).items()
        ],
        "rendering": rendering,
        "media": media,
        "picked": ", ".join(dict.fromkeys(picked)),
        "text": text_of(item.text),
    }


def _spending(steps: list[dict[str, Any]], times: Sequence[Any]) -> list[dict[str, Any]]:
    """A row for each step that took time or credits, with its bars on both axes."""
    bars = {id(bar["step"]): bar for bar in _waterfall(steps)}
    rows = [
        {"step": step, "time": time, "bar": bars.get(id(step))}
        for step, time in zip(steps, times, strict=True)
    ]
    return [row for row in rows if row["bar"] or row["time"]]


def _waterfall(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A bar for each step that cost credits, starting where the last one ended."""
    paid = [step for step in steps if step["credits"] > 0]
    total = sum(step["credits"] for step in paid)
    bars, spent = [], 0.0
    for step in paid:
        share = 100 * step["credits"] / total
        bars.append({"step": step, "begin": round(spent, 2), "share": round(share, 2)})
        spent += share
    return bars


def rendered(name: str, view: Mapping[str, Any], *, beside_media: int = 0) -> str:
    """A page of this package, with the fonts of its scripts; so many of its bytes are media."""
    return with_fonts(_template(name).render(view), MAX_PAGE_BYTES + beside_media)


@functools.cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rivya_flows", "media"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"credits": _credits, "sha256": _sha256, "iso": iso, "model": model_of}
    environment.filters |= FILTERS
    return environment.get_template(name)


def _credits(value: Any) -> str:
    """A number with separators; a dash for what is missing."""
    return f"{value:,}" if isinstance(value, int | float) else "–"


def _sha256(script: str) -> str:
    """The hash by which a Content-Security-Policy allows a script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
