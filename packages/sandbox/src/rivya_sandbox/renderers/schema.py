"""JSON Schema of an answer: the shape that the copywriter fills, and the bounds of what it wrote."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


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


def fit_to(schema: Schema, value: Any, place: int = 0) -> Any:
    """The value inside the bounds of its schema; of an enum the choice at its place in a list."""
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return value if value in choices else choices[place % len(choices)]
    if schema.get("format") == "date":
        return "2026-11-08"
    if isinstance(value, dict):
        fields = schema.get("properties", {})
        return {name: fit_to(fields.get(name, {}), one, place) for name, one in value.items()}
    if isinstance(value, list):
        items = schema.get("items", {})
        least, most = schema.get("minItems", 0), schema.get("maxItems", len(value))
        wanted = max(least, min(len(value), most))
        members = [value[n % len(value)] for n in range(wanted)] if value else []
        return [fit_to(items, one, n) for n, one in enumerate(members)]
    if isinstance(value, str):
        least, most = schema.get("minLength", 0), schema.get("maxLength", len(value))
        return value[: int(most)].ljust(int(least), ".")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return max(schema.get("minimum", value), min(schema.get("maximum", value), value))
    return value
