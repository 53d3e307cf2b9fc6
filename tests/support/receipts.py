"""Receipts of rehearsed runs, held against their schema and their sums."""

from __future__ import annotations

import copy
import functools
import json
from importlib import resources
from typing import Any

import jsonschema

from rivya_flows.ledger.receipt import receipt
from rivya_flows.planning.queue.events import Event, Stamped
from support.naive_service import Rehearsal

SCHEMA = json.loads(
    resources.files("rivya_flows.ledger").joinpath("receipt.schema.json").read_text()
)


def stamped(events: list[Event]) -> list[Stamped]:
    return [Stamped(index + 1, 1.7e9 + index, event) for index, event in enumerate(events)]


def receipt_of(rehearsal: Rehearsal) -> dict[str, Any]:
    return receipt(stamped(rehearsal.journal))


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
    held = sum(row["held"] for row in document["ledger"])
    assert held == document["credits"]["spent"]
    assert held == sum(step["credits"] for step in document["steps"])
    for step in document["steps"]:
        rows = [row for row in document["ledger"] if row["step"] == step["id"]]
        assert step["credits"] == sum(row["held"] for row in rows)
    keys = [row["idempotency_key"] for row in document["ledger"]]
    assert len(set(keys)) == len(keys)
