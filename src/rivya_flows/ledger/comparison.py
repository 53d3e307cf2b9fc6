"""Two runs side by side: what differs in spec, inputs and labels, and what each made and cost."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rivya_flows.assets import as_asset
from rivya_flows.ledger.receipt import receipt
from rivya_flows.planning.names import label, listed
from rivya_flows.planning.queue.events import RunFrozen, Stamped

_MEDIUM = ("kind", "sha256", "mime_type", "width", "height", "duration_seconds")
_RUN = ("run_id", "name", "title", "subject", "status", "service", "started_at", "ended_at", "fork")


def comparison(*journals: Sequence[Stamped]) -> dict[str, Any]:
    """Two runs as one JSON document; each pair of values has that of the first run first.

    A medium has no path and no URL: it is the same if its bytes are.

    Args:
        journals: Of the two runs.

    Raises:
        ValueError: A journal is empty.
    """
    made = [receipt(entries) for entries in journals]
    frozen = [entries[0].event for entries in journals]
    seconds = [_seconds(entries) for entries in journals]
    labels = [one.labels if isinstance(one, RunFrozen) else {} for one in frozen]
    texts = [one["spec"]["text"] for one in made]
    return {
        "runs": [_run(one, own) for one, own in zip(made, labels, strict=True)],
        "spec": {"equal": texts[0] == texts[1], "diff": _diff(made, texts)},
        "picks": _differing([_picks(one["steps"]) for one in made]),
        "inputs": _differing([one["inputs"] for one in made]),
        "labels": _differing(labels),
        "models": _models([one["ledger"] for one in made]),
        "steps": _steps([one["steps"] for one in made], seconds),
        "outputs": _outputs([one["outputs"] for one in made]),
    }


def _run(document: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    began, ended = document["started_at"], document["ended_at"]
    took = None
    if ended is not None:
        lasted = datetime.fromisoformat(ended) - datetime.fromisoformat(began)
        took = round(lasted.total_seconds(), 1)
    facts = {name: document[name] for name in _RUN}
    credits = {name: document["credits"][name] for name in ("spent", "saved")}
    return {**facts, **credits, "seconds": took, "labels": dict(labels)}


def _diff(made: Sequence[Mapping[str, Any]], texts: Sequence[str]) -> list[str]:
    """The unified diff of the specs; empty if they are equal."""
    before, after = (f"{one['run_id']} {one['spec']['file']}" for one in made)
    first, second = (text.splitlines() for text in texts)
    return list(difflib.unified_diff(first, second, before, after, lineterm=""))


def _differing(maps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    pairs = {name: [_plain(one.get(name)) for one in maps] for name in _names(maps)}
    return [{"name": name, "values": pair} for name, pair in pairs.items() if pair[0] != pair[1]]


def _picks(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The keys that each pick chose, in words."""
    items = [(step["id"], item) for step in steps for item in step["items"]]
    return {
        label(step_id, item["key"]): listed(item["choice"]["picked"])
        for step_id, item in items
        if item.get("choice") and item["choice"]["picked"]
    }


def _models(ledgers: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """What was bought of each model, and what it cost."""
    found: defaultdict[str, dict[str, list[int]]]
    found = defaultdict(lambda: {"purchases": [0, 0], "credits": [0, 0]})
    for place, rows in enumerate(ledgers):
        for row in rows:
            sums = found[row["model"] or row["step"]]
            sums["purchases"][place] += 1
            sums["credits"][place] += row["held"]
    return [{"model": model, **sums} for model, sums in found.items()]


def _steps(
    made: Sequence[Sequence[Mapping[str, Any]]], seconds: Sequence[Mapping[str, float]]
) -> list[dict[str, Any]]:
    sides = [{step["id"]: step for step in steps} for steps in made]
    found = []
    for name in _names(sides):
        pair = [one.get(name) for one in sides]
        items = [{item["key"]: item for item in step["items"]} if step else {} for step in pair]
        found.append(
            {
                "id": name,
                "uses": next(step["uses"] for step in pair if step),
                **{fact: _pair(pair, fact) for fact in ("status", "credits", "saved")},
                "seconds": [one.get(name) for one in seconds],
                "items": [_items(key, [one.get(key) for one in items]) for key in _names(items)],
            }
        )
    return found


def _items(key: str, pair: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    sides = [None if item is None else _item(item) for item in pair]
    results = [one and [one["assets"], one["text"], one["json"], one["picked"]] for one in sides]
    return {"key": key, "same": results[0] == results[1], "runs": sides}


def _item(item: Mapping[str, Any]) -> dict[str, Any]:
    names = ("status", "reason", "model", "prompt", "params", "credits", "taken_from", "text")
    return {
        **{name: item.get(name) for name in names},
        "json": _plain(item.get("json")),
        "picked": (item.get("choice") or {}).get("picked"),
        "assets": _plain(item["assets"]),
    }


def _outputs(pair: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    values = {name: [_plain(one.get(name)) for one in pair] for name in _names(pair)}
    return [{"name": n, "same": v[0] == v[1], "values": v} for n, v in values.items()]


def _plain(value: Any) -> Any:
    """The value with each medium by its content alone."""
    if asset := as_asset(value):
        document = asset.as_json()
        return {name: document[name] for name in _MEDIUM}
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _pair(pair: Iterable[Mapping[str, Any] | None], name: str) -> list[Any]:
    return [None if one is None else one[name] for one in pair]


def _names(maps: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of all, in the order of the first, then of the second."""
    return list(dict.fromkeys(name for one in maps for name in one))


def _seconds(entries: Sequence[Stamped]) -> dict[str, float]:
    """From the first to the last entry of each step, with what it waited in between."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    for entry in entries:
        if isinstance(step := getattr(entry.event, "step", None), str):
            times[step].append(entry.at)
    return {step: round(max(at) - min(at), 1) for step, at in times.items()}
