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
from rivya_flows.media.embedding import AssetPath, AssetUrl, Embedder, SheetMedium
from rivya_flows.media.receipt_values import (
    duration_text,
    map_in,
    maps_in,
    moment_text,
    text_of,
)
from rivya_flows.media.sheet_choices import command_of, decision_of, questions_of, waiting_hashes
from rivya_flows.media.sheet_graph import graph
from rivya_flows.media.sheet_origins import Origins
from rivya_flows.media.sheet_time import timeline
from rivya_flows.planning.continuing import continuation, plain_reason
from rivya_flows.planning.names import is_round, label
from rivya_flows.program import NAME, callable_here

_NOT_NEEDED = ("skipped", "suspended", "running")
_MAX_ROW_MEDIA = 6
"""Media of one row on the sheet of a batch; the sheet of the row has all."""

_MAX_ROW_TEXT = 600  # characters of a text there
_UNFINISHED = ("running", "suspended")  # outputs without a value may still get one
_NOT_DONE = ("failed", "skipped", "cancelled", "suspended", "uncertain")


def contact_sheet(
    receipt: Mapping[str, Any],
    asset_path: AssetPath,
    *,
    beside: Path | None = None,
    asset_url: AssetUrl | None = None,
) -> str:
    """The page of a run: open questions, outputs, credits by step, every item with its prompt and price.

    It holds small pictures and small files, and links the others. Any part of the receipt may be missing or None; the page then omits it.

    Args:
        receipt: From `ledger.receipt`.
        asset_path: Path of the asset with a SHA-256; may raise `KeyError` or `OSError`.
        beside: Folder of the page. Links to files are relative to it; None makes them absolute.
        asset_url: For a page on a server: gives the URL of an asset, or None.
    """
    embedder = Embedder.of(receipt, asset_path, beside, asset_url)
    outputs = receipt.get("outputs")
    embedder.draw([*waiting_hashes(receipt), *(one.sha256 for one in assets_in(outputs))])
    # In the order of the page: a medium is embedded where it comes first.
    questions = questions_of(receipt, embedder)
    shown = [_output(name, value, embedder) for name, value in map_in(receipt, "outputs").items()]
    if receipt.get("status") in _UNFINISHED:
        shown = [one for one in shown if one["media"] or one["text"]]
    told = [_as_begun(step) for step in maps_in(receipt, "steps") if _is_shown(step)]
    steps = [_step(step, embedder) for step in told]
    origins = Origins(receipt, embedder, [step["id"] for step in steps])
    for output in shown:
        output["origins"] = origins.of(output["value"])
    for step in steps:
        for item in step["items"]:
            item["origins"] = origins.of(item["assets"], (step["id"], item["key"]))
    title = receipt.get("title") or receipt.get("name") or receipt.get("run_id") or "Run"
    view = {
        "title": str(title),
        "subject": str(receipt.get("subject") or ""),
        "name": receipt.get("name"),
        "run_id": receipt.get("run_id"),
        "status_word": str(receipt.get("status") or "unknown"),
        "started": moment_text(receipt.get("started_at")),
        "started_at": receipt.get("started_at"),
        "took": duration_text(receipt.get("started_at"), receipt.get("ended_at")),
        "service": _service(receipt),
        "wallet": receipt.get("wallet"),
        "credits": _wallet(receipt),
        "comparing": _comparing(receipt),
        "inputs": [(name, text_of(value)) for name, value in map_in(receipt, "inputs").items()],
        "questions": questions,
        "command": command_of(receipt, questions),
        "ended": None if questions else _ended(receipt),
        "outputs": shown,
        "steps": steps,
        "timeline": (time := timeline(receipt, told)),
        "spent": _spending(steps, time["rows"] if time else [None] * len(steps)),
        "graph": graph(told),
        "troubles": [
            (step, item)
            for step in steps
            for item in step["items"]
            # What waits for an answer is asked on top.
            if item["status"] in _NOT_DONE
            and not (item["status"] == "suspended" and item["choice"] and item["choice"]["waiting"])
        ],
        "failed_outputs": list(map_in(receipt, "failed_outputs").items()),
        "ledger": maps_in(receipt, "ledger"),
        "served": asset_url is not None,
    }
    return rendered("contact_sheet.html", view)


@dataclass(frozen=True)
class SheetRow:
    """A row of a batch on its contact sheet.

    Attributes:
        number: From 1.
        name: What it is called, unique in the batch.
        status: As in ``batch --json``.
        credits: Spent.
        reason: Why it did not complete; None if it did.
        folder: Of its run; None without one.
        receipt: Of its run; empty without one.
        title: Of its card; "" for its name.
        mark: What stands above that, such as a SKU; "" for nothing.
        facts: Its other short cells: the column, and what it says.
    """

    number: int
    name: str
    status: str
    credits: int
    reason: str | None
    folder: Path | None
    receipt: Mapping[str, Any]
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
        title: Of the spec, or its name and that of the table.
        document: As of ``batch --json``, without its rows.
        before: Credits that earlier executions spent; the balances are those of the last one alone.
        asset_path: Path of the asset with a SHA-256; may raise `KeyError` or `OSError`.
        beside: Folder of the page; links are relative to it.
    """
    merged = {
        name: [one for row in rows for one in maps_in(row.receipt, name)]
        for name in ("steps", "assets")
    }
    embedder = Embedder.of(merged, asset_path, beside)
    shown = [[*assets_in(row.receipt.get("outputs"))][:_MAX_ROW_MEDIA] for row in rows]
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
    for name, value in map_in(row.receipt, "outputs").items():
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


def _is_shown(step: Mapping[str, Any]) -> bool:
    """Not a round of a pick that nothing was bought for."""
    bought = any(item.get("status") not in _NOT_NEEDED for item in maps_in(step, "items"))
    return bought or not is_round(str(step.get("id")))


def _service(receipt: Mapping[str, Any]) -> str:
    if receipt.get("sandbox"):
        return "made by the sandbox, for pretend credits"
    return f"made by {service}" if (service := receipt.get("service")) else ""


def _as_begun(step: Mapping[str, Any]) -> Mapping[str, Any]:
    """A step; ``waiting``, with nothing to show, before any of its items begins."""
    begun = any(item.get("began_at") for item in maps_in(step, "items"))
    waits = step.get("status") == "running" and not begun
    return {**step, "status": "waiting", "items": []} if waits else step


def _ended(receipt: Mapping[str, Any]) -> dict[str, Any] | None:
    """How a run that failed or was cancelled goes on, and what it keeps; None for others."""
    if receipt.get("status") not in ("failed", "cancelled"):
        return None
    kept = []
    for step in maps_in(receipt, "steps"):
        items = maps_in(step, "items")
        done = sum(one.get("status") in ("completed", "cached") for one in items)
        if done:
            kept.append(
                f"{step.get('id')} ({done} of {len(items)})"
                if len(items) > 1
                else str(step.get("id"))
            )
    spent = map_in(receipt, "credits").get("spent")
    return {"next": continuation(receipt), "kept": kept, "spent": spent}


def _comparing(receipt: Mapping[str, Any]) -> str:
    """The command that compares a fork with its run; "" of other runs."""
    runs = [map_in(receipt, "fork").get("run_id"), receipt.get("run_id")]
    if not all(isinstance(one, str) for one in runs):
        return ""
    return callable_here(shlex.join([NAME, "compare", *map(str, runs), "--open"]))


def _wallet(receipt: Mapping[str, Any]) -> dict[str, Any]:
    names, credits = ("spent", "saved", "before", "after"), map_in(receipt, "credits")
    return {name: credits.get(name) for name in names} if credits else {}


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


def _step(step: Mapping[str, Any], embedder: Embedder) -> dict[str, Any]:
    return {
        "id": str(step.get("id") or "step"),
        "uses": step.get("uses"),
        "title": step.get("title"),
        "status": str(step.get("status") or "unknown"),
        "credits": step.get("credits"),
        "items": [_item(step, item, embedder) for item in maps_in(step, "items")],
    }


def _item(step: Mapping[str, Any], item: Mapping[str, Any], embedder: Embedder) -> dict[str, Any]:
    name = label(str(step.get("id")), str(item.get("key") or ""))
    rendering = embedder.rendering(item)
    media = [] if rendering else embedder.of_item(item.get("assets"))
    picked = [] if step.get("uses") == "pick" else [one.picked for one in media if one.picked]
    return {
        "key": str(item.get("key") or ""),
        "status": str(item.get("status") or "unknown"),
        "reason": item.get("reason"),
        "plain": plain_reason(item) if item.get("status") in ("failed", "uncertain") else "",
        "credits": item.get("credits"),
        "taken_from": item.get("taken_from"),
        "model": item.get("model"),
        "alternative": item.get("alternative"),
        "prompt": item.get("prompt"),
        "params": [
            (name, voice_name(text_of(value))) for name, value in map_in(item, "params").items()
        ],
        "task_ids": [str(task_id) for task_id in item.get("task_ids") or ()],
        "rendering": rendering,
        "assets": item.get("assets"),
        "media": media,
        "picked": ", ".join(dict.fromkeys(picked)),
        "text": text_of(item.get("text")),
        "choice": decision_of(name, item),
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
    paid = [
        step for step in steps if isinstance(step["credits"], int | float) and step["credits"] > 0
    ]
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
    environment.filters["credits"] = _credits
    environment.filters["sha256"] = _sha256
    return environment.get_template(name)


def _credits(value: Any) -> str:
    """A number with separators; a dash for what is missing."""
    return f"{value:,}" if isinstance(value, int | float) else "–"


def _sha256(script: str) -> str:
    """The hash by which a Content-Security-Policy allows a script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
