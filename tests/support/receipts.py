"""Receipts of rehearsed runs, held against their schema and their sums."""

from __future__ import annotations

import copy
import functools
import json
from importlib import resources
from typing import Any

import jsonschema

from rivya_flows.queue.events import Event, Stamped
from rivya_flows.receipt.from_journal import receipt
from rivya_flows.receipt.model import Receipt
from support.naive_service import Rehearsal

SCHEMA = json.loads(
    resources.files("rivya_flows.receipt").joinpath("receipt.schema.json").read_text()
)


def stamped(events: list[Event]) -> list[Stamped]:
    return [Stamped(index + 1, 1.7e9 + index, event) for index, event in enumerate(events)]


def receipt_of(rehearsal: Rehearsal) -> dict[str, Any]:
    return receipt(stamped(rehearsal.journal)).model_dump(mode="json")


_NOTHING: dict[str, Any] = {
    "receipt": {"run_id": "run-1", "name": "spot", "title": None, "subject": "", "status": "completed",
        "service": "https://rivya.ai", "sandbox": False, "wallet": None, "started_at": "2026-11-25T00:52:21.120Z",
        "ended_at": None, "executions": 1, "execution_times": [], "waits": [], "labels": {}, "fork": None,
        "credits": {}, "pools": [], "inputs": {}, "outputs": {}, "output_files": {}, "failed_outputs": {}, "steps": [], "ledger": [],
        "agreement": None, "assets": [], "spec": {}, "plan_hash": "", "catalogue_date": ""},
    "spec": {"file": "spot.yaml", "sha256": "", "text": ""},
    "credits": {"before": None, "after": None, "spent": 0, "saved": 0, "budget": None, "needed": None, "enough": None,
        "left": None, "unexplained": None, "others": 0, "other_runs": [], "lost": 0},
    "steps": {"id": "step", "uses": "generate", "title": None, "needs": [], "status": "completed", "credits": 0,
        "saved": 0, "balance_before": None, "balance_after": None, "items": []},
    "items": {"key": "", "status": "completed", "reason": None, "code": None, "credits": 0, "saved": 0,
        "taken_from": None, "model": None, "prompt": None, "params": None, "task_ids": [], "assets": [], "files": [],
        "parents": [], "text": None, "json": None, "began_at": None, "ended_at": None, "waits": []},
    "choice": {"mode": "human", "question": None, "count": 1, "round": 0, "rounds_left": 0, "note_room": 0, "notes": [],
        "picked": [], "by": None, "waiting": False, "deadline": None, "on_timeout": "fail", "then": None, "judge": None,
        "judge_error": None, "candidates": [], "earlier": []},
    "judge": {"model": None, "least": 0, "criteria": []},
    "candidates": {"n": 1, "key": "", "sha256": None, "text": None, "credits": None, "score": None, "reason": None,
        "picked": False, "proposed": False},
    "ledger": {"at": "2026-11-25T00:52:21.120Z", "step": "step", "key": "", "n": 1, "alternative": 0, "route": "generation",
        "model": None, "idempotency_key": "key", "client_request_id": None, "task_id": None, "status": "succeeded",
        "reserved": 0, "final": None, "reason": None, "held": 0},
    "agreement": {"agrees": False, "compared": 0, "unexplained": None, "differences": []},
    "differences": {"kind": "wallet", "task_id": None, "step": None, "key": None, "n": None, "ledger": None,
        "service": None, "words": ""},
    "cards": {"mime_type": None, "width": None, "height": None, "duration_seconds": None, "size_bytes": None,
        "path": None, "url": None, "given_as": None, "made_by": None},
    "made_by": {"run_id": "run-1", "step": "step", "key": "", "uses": "generate", "model": None, "prompt": None,
        "params": None, "task_id": None, "credits": 0, "cached": False, "parents": [], "service": "", "sandbox": False},
}  # fmt: skip
"""What each part of a receipt says of nothing, by the field that it is in."""


def parsed(document: dict[str, Any]) -> Receipt:
    """The receipt of a document that may leave out anything."""
    assets = [whole("cards", {**one}) for one in document.get("assets", ())]
    return Receipt.model_validate({**whole("receipt", document), "assets": assets})


def whole(name: str, part: dict[str, Any]) -> dict[str, Any]:
    """The part of a receipt that is in the field of a name, with all that it leaves out."""
    found = {**_NOTHING.get(name, {}), **part}
    for field, value in found.items():
        if field in ("inputs", "outputs", "params", "json", "by", "captions"):
            continue
        if isinstance(value, dict):
            found[field] = whole(field, value)
        elif isinstance(value, list):
            found[field] = [whole(field, one) if isinstance(one, dict) else one for one in value]
    return found


def closed(schema: Any) -> Any:
    """The same schema, letting no field pass that it does not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    tight = {name: closed(value) for name, value in schema.items()}
    return {**tight, "additionalProperties": False} if "properties" in schema else tight


@functools.cache
def validator() -> Any:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(closed(copy.deepcopy(SCHEMA)))


def check(document: dict[str, Any]) -> None:
    """Its form, and that its sums are sums."""
    validator().validate(json.loads(json.dumps(document)))
    check_sums(document)


def check_sums(document: dict[str, Any]) -> None:
    held = sum(row["held"] for row in document["ledger"])
    assert held == document["credits"]["spent"]
    assert held == sum(step["credits"] for step in document["steps"])
    for step in document["steps"]:
        rows = [row for row in document["ledger"] if row["step"] == step["id"]]
        assert step["credits"] == sum(row["held"] for row in rows)
    keys = [row["idempotency_key"] for row in document["ledger"]]
    assert len(set(keys)) == len(keys)
