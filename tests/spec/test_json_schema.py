"""The JSON Schema of specs: what it accepts, what it refuses, and what it says."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from rivya_client.catalogue.snapshot import from_wire, shipped
from rivya_flows.preparation.spec_file import specs_at
from rivya_flows.spec.json_schema import FILE, LINE, json_schema
from rivya_flows.steps.registry import BUILT_IN, installed_kinds
from support.spec_schema import SCHEMA, errors_of, read
from support.wrong_specs import HEAD, STILL, diagnostics_of

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(
    r"```yaml\n(.*?)```", (ROOT / "docs" / "reference" / "spec.md").read_text("utf-8"), re.DOTALL
)
GOOD = {path.name: path.read_text("utf-8") for path in specs_at(ROOT / "specs")}
GOOD |= {
    f"docs/reference/spec.md, {n}": text for n, text in enumerate(BLOCKS) if text[:8] == "version:"
}


def test_it_is_a_schema_of_a_moderate_size() -> None:
    wire = copy.deepcopy(dict(shipped().wire))
    wire["data"] = wire["data"][::8]  # all have the same shapes
    few = from_wire(wire, date="2026-01-01", source="live")
    Draft202012Validator.check_schema(json_schema(few, BUILT_IN))
    assert len((ROOT / "specs" / FILE).read_bytes()) < 410_000


def test_the_file_beside_the_specs_is_up_to_date() -> None:
    written = json.loads((ROOT / "specs" / FILE).read_text("utf-8"))
    assert written == SCHEMA, "run: rivya-flows schema --write"


def test_every_spec_names_it_in_its_first_line() -> None:
    assert [
        name for name, text in GOOD.items() if "/" not in name and not text.startswith(LINE)
    ] == []


def test_a_good_spec_is_accepted() -> None:
    assert {name: errors_of(text) for name, text in GOOD.items()} == {name: [] for name in GOOD}


def test_notes_are_allowed_everywhere() -> None:
    noted = HEAD + "x-owner: me\nsteps:\n" + STILL + "    x-why: {any: thing}\n"
    assert errors_of(noted + "  x-old: 5\n") == []


def test_every_key_has_a_description() -> None:
    silent = [
        f"{name}.{key}"
        for name, definition in [("", SCHEMA), *SCHEMA["$defs"].items()]
        for key, value in definition.get("properties", {}).items()
        if "additionalProperties" in definition and not value.get("description")
    ]
    assert silent == []


def test_options_of_a_parameter_may_be_written_without_quotes() -> None:
    step = "  a:\n    uses: generate\n    with: {model: veo3-1-lite, prompt: x, params: {%s}}\n"
    for written in ("enableTranslation: true", "enableTranslation: 'true'", "seeds: 12345",
                    "seeds: '12345'", "seeds: ${{ inputs.a }}", "aspectRatio: 9:16"):  # fmt: skip
        assert (
            errors_of(HEAD + "steps:\n" + step % written.replace("${{ inputs.a }}", "'${{ 1 }}'"))
            == []
        )
    for written in ("enableTranslation: maybe", "seeds: 5", "seeds: soon", "aspectRatio: 2"):
        assert errors_of(HEAD + "steps:\n" + step % written) != []


def test_what_check_takes_in_other_spellings_the_schema_takes_too() -> None:
    film = "  a:\n    uses: generate\n    with: {model: runway, prompt: x, %s}\n"
    chat = (
        "  a:\n    uses: chat\n    with: {model: gemini-2-5-flash-chat, message: x, expect: %s}\n"
    )
    for good in (
        film % "resolution: 720P",
        film % 'seconds: "5.0"',
        chat % "{type: map, fields: {type: string}}",
    ):
        text = HEAD + "steps:\n" + good
        assert (errors_of(text), diagnostics_of(text)) == ([], ())


def test_models_show_their_price_and_parameters_their_range() -> None:
    ids, expression, name = SCHEMA["$defs"]["GenerateWith"]["properties"]["model"]["anyOf"]
    assert expression == {"$ref": "#/$defs/expression"}
    assert re.fullmatch(name["pattern"], "still")
    assert "gemini-2-5-flash-chat" not in ids["enum"]
    assert ids["enumDescriptions"][ids["enum"].index("z-image")] == "Z-Image: 1 credit"
    lite = SCHEMA["$defs"]["veo3-1-lite"]["properties"]
    assert "Video, 10 credits." in lite["model"]["description"]
    assert "From 10000 to 99999." in lite["params"]["properties"]["seeds"]["description"]
    pro = SCHEMA["$defs"]["sora-2-pro"]["properties"]["params"]["properties"]["size"]
    assert pro["description"].endswith("Another value may change the price.")


def test_a_model_that_cannot_be_called_is_not_offered() -> None:
    wire = copy.deepcopy(dict(shipped().wire))
    [still] = [one for one in wire["data"] if one["id"] == "z-image"]
    still["api_status"] = "unavailable"
    schema = json_schema(from_wire(wire, date="2026-01-01", source="live"), BUILT_IN)
    assert "z-image" not in schema["$defs"]
    assert (
        "z-image" not in schema["$defs"]["GenerateWith"]["properties"]["model"]["anyOf"][0]["enum"]
    )


def test_arguments_from_defaults_are_optional_in_a_step() -> None:
    bare = "  still:\n    uses: generate\n    with: {prompt: a lamp}\n"
    given_there = "defaults: {generate: {with: {model: z-image}}}\n"
    assert errors_of(HEAD + given_there + "steps:\n" + bare) == []


def test_a_registered_function_is_a_kind_of_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "title_cards.py").write_text(
        "from pydantic import BaseModel\n\n"
        "class Card(BaseModel):\n    words: str\n\n"
        "def card(text: str, size: int = 3) -> Card:\n"
        '    """Sets a title."""\n    return Card(words=text)\n'
    )
    package = tmp_path / "cards-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: cards\nVersion: 1\n")
    (package / "entry_points.txt").write_text(
        "[rivya_flows.steps]\ntitle_card = title_cards:card\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    schema = json_schema(shipped(), installed_kinds())
    uses = schema["$defs"]["Step"]["properties"]["uses"]
    assert (uses["enum"][-1], uses["enumDescriptions"][-1]) == ("title_card", "Sets a title.")
    step = "  card:\n    uses: title_card\n    with: {%s}\n"
    validator = Draft202012Validator(schema)
    for arguments, fits in {
        "text: Hello": True,
        "text: '${{ 1 }}', size: '${{ 2 }}'": True,
        "text: Hello, size: large": False,
        "text: Hello, colour: red": False,
    }.items():
        assert validator.is_valid(read(HEAD + "steps:\n" + step % arguments)) is fits, arguments
