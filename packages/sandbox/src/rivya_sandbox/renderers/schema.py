"""JSON Schema of an answer: the shape that the copywriter fills, and the bounds of what it wrote."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_MOST = 1_000  # items or characters that a schema may ask for
_LARGEST = 10**12


def shape_of(schema: Schema) -> Any:
    """Names with types, as `fill` takes them: an enum is a text."""
    match schema.get("type"):
        case "object":
            fields = schema.get("properties")
            known = fields if isinstance(fields, dict) else {}
            return {name: shape_of(one) for name, one in known.items() if isinstance(one, dict)}
        case "array":
            items = schema.get("items")
            return [shape_of(items) if isinstance(items, dict) else "string"]
        case "integer" | "number" | "boolean" as kind:
            return kind
        case _:
            return "string"


def fit_to(schema: Any, value: Any, place: int = 0) -> Any:
    """The value inside the bounds of its schema; of an enum the choice at its place in a list."""
    if not isinstance(schema, dict):
        return value
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return value if value in choices else choices[place % len(choices)]
    if schema.get("format") == "date":
        return "2026-11-08"
    if isinstance(value, dict):
        held = schema.get("properties")
        fields = held if isinstance(held, dict) else {}
        return {name: fit_to(fields.get(name), one, place) for name, one in value.items()}
    if isinstance(value, list):
        wanted = _within(schema, "Items", len(value))
        members = [value[n % len(value)] for n in range(wanted)] if value else []
        return [fit_to(schema.get("items"), one, n) for n, one in enumerate(members)]
    if isinstance(value, str):
        wanted = _within(schema, "Length", len(value))
        return value[:wanted].ljust(wanted, ".")
    if isinstance(value, int | float) and not isinstance(value, bool):
        least, most = _bound(schema, "minimum", value), _bound(schema, "maximum", value)
        return max(least, min(most, value))
    return value


def _within(schema: Schema, of: str, count: int) -> int:
    least, most = _bound(schema, f"min{of}", 0), _bound(schema, f"max{of}", count)
    return int(min(max(least, min(most, count)), _MOST))


def _bound(schema: Schema, key: str, otherwise: float) -> float:
    value = schema.get(key)
    return value if isinstance(value, int | float) and abs(value) < _LARGEST else otherwise
