"""The schema of specs, and what it finds in a spec."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.language.syntax import source, tree
from rivya_flows.spec.json_schema import json_schema
from rivya_flows.steps.registry import BUILT_IN

SCHEMA = json_schema(shipped(), BUILT_IN)


VALIDATOR = Draft202012Validator(SCHEMA)


def read(text: str) -> Any:
    """The values of a spec as the language reads them: `9:16` is a text."""
    node, _ = source.read(text)
    return None if node is None else tree.plain(node)


def errors_of(text: str) -> list[str]:
    return [f"{list(e.absolute_path)}: {e.message}" for e in VALIDATOR.iter_errors(read(text))]
