from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import Field, create_model

from rivya_flows.language.workflow import Input, Workflow
from rivya_flows.plans.run_form import (
    inputs_from,
    parameter_names,
    run_name,
    shown_form,
    shown_parameters,
    signature_of,
    upload_link,
)


def workflow(**inputs: Input) -> Workflow:
    return Workflow(
        version=1, name="spring-sale", title="Spring sale", inputs=dict(inputs), steps={}
    )


def form(made: Workflow) -> Mapping[str, Any]:
    """The JSON Schema of the form, as Prefect makes it of the signature."""
    fields: dict[str, Any] = {}
    for position, one in enumerate(signature_of(made, str).parameters.values()):
        default = ... if one.default is one.empty else one.default
        shown = Field(default, title=one.name, json_schema_extra={"position": position})
        fields[one.name] = (one.annotation, shown)
    return dict(create_model("Parameters", **fields).model_json_schema())


def field(given: Input) -> Mapping[str, Any]:
    shown: Mapping[str, Any] = form(workflow(it=given))["properties"]["it"]
    return shown


SECRET = Input(type="secret", default="env:KEY")
LAMP = Input(type="string", default="Lamp")
PROMPT = Input(type="text", default="A boat on\na lake")
LINE = {"type": "string", "pattern": r"^(?:\n*(?:[^\n]+\n*)?)$"}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (Input(type="string", default="Lamp", min=2, max=80),
         {**LINE, "default": "Lamp", "minLength": 2, "maxLength": 80}),
        (Input(type="string", default="x", pattern="(?=x)x+"),
         {**LINE, "default": "x", "description": "Must match the pattern (?=x)x+"}),
        (Input(type="text", default=""), {"type": "string", "default": ""}),
        (Input(type="integer", default=3, min=1, max=5),
         {"type": "integer", "default": 3, "minimum": 1, "maximum": 5}),
        (Input(type="number", default=1, min=0.5), {"type": "number", "default": 1, "minimum": 0.5}),
        (Input(type="boolean", default=False), {"type": "boolean", "default": False}),
        (Input(type="enum", values=("en", "hi"), default="en"),
         {"type": "string", "enum": ["en", "hi"], "default": "en"}),
        (Input(type="enum", values=(0.5, 1, 2), default=1),
         {"type": "number", "enum": [0.5, 1, 2], "default": 1}),
        (Input(type="list", of="string", default=["a"], min=1, max=4),
         {"type": "array", "items": LINE, "default": ["a"], "minItems": 1, "maxItems": 4}),
        (Input(type="list", of="enum", values=("a", "b"), default=["a"]),
         {"type": "array", "items": {"enum": ["a", "b"], "type": "string"}, "default": ["a"]}),
        (Input(type="list", of="string", pattern="(a+)+$", default=["a"], description="A word"),
         {"type": "array", "items": LINE, "default": ["a"],
          "description": "A word. Must match the pattern (a+)+$"}),
        (Input(type="date", default="2026-01-02"),
         {"type": "string", "format": "date", "default": "2026-01-02",
          "pattern": "^(?:[0-9]{4}-[0-9]{2}-[0-9]{2})$"}),
        (Input(type="integer", required=False, max=9),
         {"anyOf": [{"type": "integer", "maximum": 9}, {"type": "null"}], "default": None}),
    ],
)  # fmt: skip
def test_an_input_becomes_a_field_with_its_type_and_limits_and_no_pattern_of_the_spec(
    given: Input, shown: dict[str, Any]
) -> None:
    assert field(given) == shown | {"title": "It", "position": 0}


ROW = {
    "name": Input(type="string", max=9),
    "price": Input(type="integer", default=3),
    "schema": Input(type="date", required=False),
    "photo": Input(type="file", required=False),
}


def test_a_table_is_a_list_of_maps_with_a_field_for_each_of_theirs() -> None:
    made = workflow(
        products=Input(type="list", of="map", fields=ROW, max=5),
        one=Input(type="map", fields=ROW, default={"name": "x"}),
    )
    shown = form(made)
    assert shown["required"] == ["products"]
    assert shown["properties"]["products"]["items"] == {"$ref": "#/$defs/Products"}
    row = shown["$defs"]["Products"]
    assert (row["required"], row["additionalProperties"]) == (["name"], False)
    assert row["properties"]["name"]["maxLength"] == 9
    assert row["properties"]["price"]["default"] == 3
    assert "An http(s) URL" in row["properties"]["photo"]["description"]
    assert shown["properties"]["one"]["description"] == "Without a value, that of the spec."
    assert upload_link(made, "https://page.example") is not None


def test_a_table_that_is_too_long_for_the_server_is_shown_in_part() -> None:
    rows: list[Any] = [
        {"name": f"{n:09}", "price": 3, "schema": None, "photo": None} for n in range(9_000)
    ]
    least = Input(type="list", of="map", fields=ROW, min=8_000)
    most = Input(type="list", of="map", fields=ROW)
    made = workflow(products=most, all=least)
    shown = shown_parameters(made, {"products": rows, "all": rows})
    listed: Any = shown["products"]
    assert 0 < len(listed) < 9_000
    assert listed == rows[: len(listed)]
    assert len(shown["all"]) == 8_000  # type: ignore[arg-type]  # a list
    assert len(rows) == 9_000


@pytest.mark.parametrize(
    ("given", "taken", "refused"),
    [
        (Input(type="file", default="photos/a+(1).jpg"),
         ["https://a.example/x.png", "file_abc-1", "photos/a+(1).jpg"],
         ["/etc/passwd", "photos/aa(1).jpg", "ftp://a.example/x", "", "photos/a+(1).jpg2"]),
        (Input(type="list", of="file", default=["a.jpg", "b.jpg"]),
         ["a.jpg", "b.jpg", "http://a.example/x.png"], ["c.jpg"]),
        (Input(type="secret"),
         ["env:SHOP_TOKEN", "block:shop", "block:secret/shop"],
         ["rk_live_0123456789", "env:", "env:A B", "block:a/b/c"]),
        (Input(type="string"), ["", "a b", "\n\na\n", "\n"], ["a\nb"]),
    ],
)  # fmt: skip
def test_a_form_takes_references_and_single_lines_and_no_paths_or_secrets(
    given: Input, taken: list[str], refused: list[str]
) -> None:
    shown = field(given)
    pattern = shown.get("items", shown)["pattern"]
    assert [one for one in [*taken, *refused] if re.search(pattern, one)] == taken


def test_what_the_server_would_look_through_for_each_value_is_short() -> None:
    many = tuple(f"choice {number}" for number in range(201))
    assert "enum" not in field(Input(type="enum", values=many, default=many[0]))
    assert field(Input(type="enum", values=many))["type"] == "string"
    assert len(field(Input(type="enum", values=many[:200]))["enum"]) == 200
    files = field(Input(type="list", of="file", default=list(many)))
    assert "pattern" not in files["items"]


def test_fields_keep_order_title_and_description() -> None:
    made = workflow(
        b=Input(type="string", title="Product: name", description="What is sold.\nIn short: it."),
        a=Input(type="file", required=False),
        c=Input(type="file", description="The lamp as it is"),
    )
    fields = form(made)["properties"]
    assert [*fields] == ["b", "a", "c", "credentials"]
    assert fields["c"]["description"].startswith("The lamp as it is. An http(s) URL,")
    assert fields["b"]["title"] == "Product: name"
    assert fields["b"]["description"] == "What is sold. In short: it."
    assert fields["a"]["description"] == "An http(s) URL, or the id of an uploaded file."


def test_parameters_are_keyword_only_with_plain_defaults_and_must_be_given_without_one() -> None:
    made = workflow(
        must=Input(type="string"),
        may=Input(type="string", required=False),
        has=Input(type="integer", default=3, min=1),
    )
    assert form(made)["required"] == ["must"]
    parameter = signature_of(made, str).parameters["has"]
    assert (parameter.kind, parameter.default) == (inspect.Parameter.KEYWORD_ONLY, 3)


def test_a_name_that_prefect_keeps_gets_a_prefix_which_takes_the_place_of_no_other_input() -> None:
    kept = ["class", "copy", "wait_for", "self", "json", "model_dump", "v__x", "credentials"]
    made = workflow(**{name: Input(type="string", default="x") for name in kept})
    assert parameter_names(made) == {name: f"input_{name}" for name in kept}
    assert [*form(made)["properties"]] == [*(f"input_{name}" for name in kept), "credentials"]
    given = {f"input_{name}": name for name in kept}
    assert inputs_from(made, given) == {name: name for name in kept}
    made = workflow(
        copy=Input(type="string", default="x"), input_copy=Input(type="string", default="y")
    )
    assert parameter_names(made) == {"copy": "input_input_copy", "input_copy": "input_copy"}


def test_inputs_come_back_as_json_values_without_the_empty_ones() -> None:
    made = workflow(
        day=Input(type="date", default="2026-01-02"),
        note=Input(type="text", required=False),
        photo=Input(type="file", default="me.png"),
        other=Input(type="file", required=False),
    )
    defaults = {name: p.default for name, p in signature_of(made, str).parameters.items()}
    given = defaults | {"other": "https://example.com/a.png"}
    assert inputs_from(made, given) == {"day": "2026-01-02", "other": "https://example.com/a.png"}


@pytest.mark.parametrize(
    ("inputs", "given", "name"),
    [
        ({"key": SECRET, "product": LAMP}, {"product": "Oak  desk\nlamp"}, ": Oak desk lamp"),
        ({"key": SECRET, "product": LAMP}, {}, ": Lamp"),
        ({"product": LAMP}, {"product": "x" * 80}, ": " + "x" * 59 + "…"),
        ({"prompt": PROMPT}, {}, ": A boat on a lake"),
        ({"prompt": PROMPT, "title": LAMP}, {}, ": Lamp"),  # a long text only where no short one is
        ({"n": Input(type="integer", default=3)}, {"n": 4}, ""),
    ],
)
def test_a_run_is_named_after_its_first_text_input_its_date_and_its_wallet(
    inputs: dict[str, Input], given: dict[str, Any], name: str
) -> None:
    made, name = workflow(**inputs), f"spring-sale{name}"
    assert run_name(made, given) == name
    due = datetime(2026, 11, 25, 3, 30, tzinfo=UTC)
    assert run_name(made, given, due) == f"{name}, 2026-11-25 03:30 UTC"
    assert run_name(made, given, wallet="acme") == f"{name}, acme"


def test_the_form_names_the_page_that_takes_a_file_and_leaves_empty_what_is_optional() -> None:
    made = workflow(
        **{"class": Input(type="file")},
        more=Input(type="list", of="file"),
        product=Input(type="string"),
    )
    schema: dict[str, Any] = {
        "properties": {
            "input_class": {"description": "A.", "default": None},
            "more": {},
            "product": {"default": ""},
        }
    }
    page = "https://media.example/upload/x"
    shown = shown_form(schema, made, page)["properties"]
    assert shown["input_class"] == {
        "description": f"A. For a file of your own, upload it at {page}"
    }
    assert page in shown["more"]["description"]
    assert shown["product"] == {"default": ""}
    assert upload_link(made, page) == f"[Upload a file for the form]({page})"
    assert upload_link(made, None) is None
