"""Values for a schema of names and types."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given, strategies as st

from rivya_sandbox.renderers.chat import SHAPE_INSTRUCTION, reply

SCALARS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}

names = st.text(min_size=1, max_size=12)

kinds = st.recursive(
    st.sampled_from(sorted(SCALARS)),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=1) | st.dictionaries(names, inner, max_size=3)
    ),
    max_leaves=8,
)


def asking(message: str, shape: Any) -> str:
    """A message in the form that the engine sends."""
    return f"{message}\n\n{SHAPE_INSTRUCTION}{json.dumps(shape, separators=(',', ':'))}"


def fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, dict):
        return value.keys() == kind.keys() and all(fits(value[name], kind[name]) for name in kind)
    if isinstance(kind, list):
        return isinstance(value, list) and bool(value) and all(fits(one, kind[0]) for one in value)
    return isinstance(value, SCALARS[kind]) and (kind == "boolean") == isinstance(value, bool)


@given(st.dictionaries(names, kinds, max_size=5), st.text(max_size=60))
def test_an_answer_matches_the_requested_schema_exactly(
    shape: dict[str, Any], message: str
) -> None:
    assert fits(json.loads(reply(asking(message, shape), [])), shape)


def test_numbers_with_commas_stay_whole_and_fill_the_fields_that_ask_for_them() -> None:
    message = "Copy for Pulse One headphones: deep bass, launch price ₹4,999, 20% off"
    shape = {"price": "number", "discount_percent": "integer", "benefits": ["string"]}
    answer = json.loads(reply(asking(message, shape), []))
    assert (answer["price"], answer["discount_percent"]) == (4999, 20)
    assert answer["benefits"] == ["Deep bass", "Launch price ₹4,999", "20% off"]


def test_each_field_gets_a_value_that_fits_its_name() -> None:
    message = (
        "Copy for Kerala houseboat tour for young families: backwaters, two nights, ₹12,500, "
        "book by phone. Tone: playful."
    )
    fields = ("subject_line", "target_audience", "tone", "cta", "alt_text", "tagline_hi", "url")
    answer = json.loads(reply(asking(message, dict.fromkeys(fields, "string")), []))
    assert answer["subject_line"] == "Kerala houseboat tour: backwaters"
    assert answer["target_audience"] == "Young families"
    assert answer["tone"] == "playful"
    assert answer["cta"] == "Book by phone"
    assert answer["alt_text"] == "Kerala houseboat tour, backwaters, two nights"
    assert re.search(r"[\u0900-\u097f]", answer["tagline_hi"])
    assert answer["url"].startswith("https://")
    assert len(set(answer.values())) == len(fields)
