from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from prefect.utilities.callables import parameter_schema

from rivya_flows.flows.compiler import WALLET, compile_flow
from rivya_flows.language.workflow import Input, Workflow
from rivya_flows.plans.run_form import (
    inputs_from,
    parameter_names,
    run_name,
    shown_form,
    signature_of,
    upload_link,
)


def workflow(**inputs: Input) -> Workflow:
    return Workflow(
        version=1, name="spring-sale", title="Spring sale", inputs=dict(inputs), steps={}
    )


def form(made: Workflow) -> Mapping[str, Any]:
    """The form as the server stores it."""

    async def campaign(**parameters: Any) -> None: ...

    campaign.__signature__ = signature_of(made, WALLET)  # type: ignore[attr-defined]  # read by inspect
    return parameter_schema(campaign).model_dump_for_openapi()


def field(given: Input) -> Mapping[str, Any]:
    shown: Mapping[str, Any] = form(workflow(it=given))["properties"]["it"]
    return shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        pytest.param(
            Input(type="string", default="Lamp", min=2, max=80),
            {
                "type": "string",
                "default": "Lamp",
                "minLength": 2,
                "maxLength": 80,
                "pattern": r"^(?:\n*(?:[^\n]+\n*)?)$",
            },
            id="string",
        ),
        pytest.param(
            Input(type="string", default="x", pattern="(?=x)x+"),
            {
                "type": "string",
                "default": "x",
                "pattern": r"^(?:\n*(?:[^\n]+\n*)?)$",
                "description": "Must match the pattern (?=x)x+",
            },
            id="pattern",
        ),
        pytest.param(Input(type="text", default=""), {"type": "string", "default": ""}, id="text"),
        pytest.param(
            Input(type="integer", default=3, min=1, max=5),
            {"type": "integer", "default": 3, "minimum": 1, "maximum": 5},
            id="integer",
        ),
        pytest.param(
            Input(type="number", default=1, min=0.5),
            {"type": "number", "default": 1, "minimum": 0.5},
            id="number",
        ),
        pytest.param(
            Input(type="boolean", default=False), {"type": "boolean", "default": False}, id="bool"
        ),
        pytest.param(
            Input(type="enum", values=("en", "hi"), default="en"),
            {"type": "string", "enum": ["en", "hi"], "default": "en"},
            id="enum",
        ),
        pytest.param(
            Input(type="list", of="string", default=["a"], min=1, max=4),
            {
                "type": "array",
                "items": {"type": "string", "pattern": r"^(?:\n*(?:[^\n]+\n*)?)$"},
                "default": ["a"],
                "minItems": 1,
                "maxItems": 4,
            },
            id="list",
        ),
        pytest.param(
            Input(type="list", of="enum", values=("a", "b"), default=["a"]),
            {"type": "array", "items": {"enum": ["a", "b"], "type": "string"}, "default": ["a"]},
            id="choices",
        ),
        pytest.param(
            Input(type="date", default="2026-01-02"),
            {
                "type": "string",
                "format": "date",
                "default": "2026-01-02",
                "pattern": "^(?:[0-9]{4}-[0-9]{2}-[0-9]{2})$",
            },
            id="date",
        ),
        pytest.param(
            Input(type="enum", values=(0.5, 1, 2), default=1),
            {"type": "number", "enum": [0.5, 1, 2], "default": 1},
            id="fractions",
        ),
        pytest.param(
            Input(type="list", of="string", pattern="[a-z]+", default=["a"]),
            {
                "type": "array",
                "items": {"type": "string", "pattern": r"^(?:\n*(?:[^\n]+\n*)?)$"},
                "default": ["a"],
                "description": "Must match the pattern [a-z]+",
            },
            id="pattern of members",
        ),
        pytest.param(
            Input(type="integer", required=False, max=9),
            {"anyOf": [{"type": "integer", "maximum": 9}, {"type": "null"}], "default": None},
            id="optional",
        ),
    ],
)
def test_an_input_becomes_a_field_with_its_type_and_limits(
    given: Input, shown: dict[str, Any]
) -> None:
    assert field(given) == shown | {"title": "It", "position": 0}


@pytest.mark.parametrize(
    ("given", "taken", "refused"),
    [
        (
            Input(type="file", default="photos/a+(1).jpg"),
            ["https://a.example/x.png", "file_abc-1", "photos/a+(1).jpg"],
            ["/etc/passwd", "photos/aa(1).jpg", "ftp://a.example/x", "", "photos/a+(1).jpg2"],
        ),
        (
            Input(type="list", of="file", default=["a.jpg", "b.jpg"]),
            ["a.jpg", "b.jpg", "http://a.example/x.png"],
            ["c.jpg"],
        ),
        (
            Input(type="secret"),
            ["env:SHOP_TOKEN", "block:shop", "block:secret/shop"],
            ["rk_live_0123456789", "env:", "env:A B", "block:a/b/c"],
        ),
    ],
)
def test_a_form_takes_references_and_no_paths_or_secrets(
    given: Input, taken: list[str], refused: list[str]
) -> None:
    shown = field(given)
    pattern = shown.get("items", shown)["pattern"]
    assert [one for one in [*taken, *refused] if re.search(pattern, one)] == taken


@pytest.mark.parametrize("kind", ["string", "text", "list"])
def test_no_pattern_of_a_spec_reaches_the_engine_of_the_server(kind: Any) -> None:
    of: Any = {"of": "string"} if kind == "list" else {}
    shown = field(Input(type=kind, pattern="(a+)+$", description="A word", **of))
    patterns = [shown.get("pattern", ""), shown.get("items", {}).get("pattern", "")]
    assert not any("a+" in pattern for pattern in patterns)
    assert shown["description"] == "A word. Must match the pattern (a+)+$"


@pytest.mark.parametrize(
    ("text", "fits"), [("", True), ("a b", True), ("\n\na\n", True), ("\n", True), ("a\nb", False)]
)
def test_a_string_is_one_line_for_the_server_too(text: str, fits: bool) -> None:
    pattern = field(Input(type="string"))["pattern"]
    assert (re.search(pattern, text) is not None) is fits


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


def test_only_an_input_without_a_default_must_be_given() -> None:
    made = workflow(
        must=Input(type="string"),
        may=Input(type="string", required=False),
        has=Input(type="string", default="x"),
    )
    assert form(made)["required"] == ["must"]


def test_parameters_are_keyword_only_with_plain_defaults() -> None:
    signature = signature_of(workflow(n=Input(type="integer", default=3, min=1)), WALLET)
    assert signature.parameters["n"].kind is inspect.Parameter.KEYWORD_ONLY
    assert signature.parameters["n"].default == 3


@pytest.mark.parametrize(
    "name", ["class", "copy", "wait_for", "self", "json", "model_dump", "v__x", "credentials"]
)
def test_a_name_that_prefect_keeps_gets_a_prefix(name: str) -> None:
    made = workflow(**{name: Input(type="string", default="x")})
    assert parameter_names(made) == {name: f"input_{name}"}
    assert [*form(made)["properties"]] == [f"input_{name}", "credentials"]
    assert inputs_from(made, {f"input_{name}": "y"}) == {name: "y"}


def test_a_prefixed_name_never_takes_the_place_of_another_input() -> None:
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
    defaults = {name: p.default for name, p in signature_of(made, WALLET).parameters.items()}
    given = defaults | {"other": "https://example.com/a.png"}
    assert inputs_from(made, given) == {"day": "2026-01-02", "other": "https://example.com/a.png"}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        pytest.param({"product": "Oak  desk\nlamp"}, "spring-sale: Oak desk lamp", id="given"),
        pytest.param({}, "spring-sale: Lamp", id="default"),
        pytest.param({"product": "x" * 80}, "spring-sale: " + "x" * 59 + "…", id="long"),
    ],
)
def test_a_run_is_named_after_its_first_text_input(given: dict[str, str], name: str) -> None:
    made = workflow(
        key=Input(type="secret", default="env:KEY"), product=Input(type="string", default="Lamp")
    )
    assert run_name(made, given) == name
    due = datetime(2026, 11, 25, 3, 30, tzinfo=UTC)
    assert run_name(made, given, due) == f"{name}, 2026-11-25 03:30 UTC"


def test_a_long_text_names_a_run_only_if_no_short_one_does() -> None:
    prompt = Input(type="text", default="A boat on\na lake")
    assert run_name(workflow(prompt=prompt), {}) == "spring-sale: A boat on a lake"
    named = workflow(prompt=prompt, title=Input(type="string", default="Mornings"))
    assert run_name(named, {}) == "spring-sale: Mornings"


def test_the_name_of_a_run_ends_with_its_wallet() -> None:
    made = workflow(product=Input(type="string"))
    assert run_name(made, {"product": "Lamp"}, wallet="acme") == "spring-sale: Lamp, acme"


def test_a_run_without_text_inputs_bears_the_name_of_its_spec() -> None:
    assert run_name(workflow(n=Input(type="integer", default=3)), {"n": 4}) == "spring-sale"


def test_a_description_is_text_for_the_server() -> None:
    made = workflow().model_copy(
        update={"description": "A *film* ![](https://evil.example/x.png)\n<b>new</b>"}
    )

    async def nothing(*_: Any) -> Any: ...

    shown = compile_flow(made, spec_text="", execute=nothing).description
    assert shown == (
        r"A \*film\* \!\[\](https:" + "\u2060" + "//evil.example/x.png)\n&lt;b&gt;new&lt;/b&gt;"
    )


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
