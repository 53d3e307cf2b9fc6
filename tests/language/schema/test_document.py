"""The JSON Schema of specs: what it accepts, what it refuses, and what it says."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from jsonschema import Draft202012Validator

from rivya_flows.catalogue.snapshot import from_wire, shipped
from rivya_flows.language.load import check
from rivya_flows.language.schema.document import FILE, LINE, installed, json_schema
from rivya_flows.language.syntax import source, tree
from rivya_flows.language.workflow import WITH_MODELS
from support.wrong_specs import HEAD, STILL, WRONG

ROOT = Path(__file__).parents[3]
SCHEMA = json_schema(shipped(), WITH_MODELS)
VALIDATOR = Draft202012Validator(SCHEMA)
BLOCKS = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "spec.md").read_text("utf-8"), re.DOTALL)
GOOD = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "specs").glob("*.yaml"))}
GOOD |= {f"docs/spec.md, {n}": text for n, text in enumerate(BLOCKS) if text[:8] == "version:"}

BEYOND = {
    # the YAML itself: a validator sees only what was read
    "duplicate-key",
    # names: what an expression or a key refers to
    "unknown-input", "unknown-step", "unknown-field", "unknown-name", "unknown-variable",
    "unnamed-step", "out-of-scope", "duplicate-name", "cycle",
    # the inside of expressions, and what they are worth
    "bad-expression", "not-text", "missing-dollar",
    # values that belong together
    "unequal-lists", "missing-input", "wrong-input", "reserved-secret",
}  # fmt: skip
"""Codes of mistakes that no schema can know."""

PARTLY = {
    "bad-input": {
        "pattern that cannot be read", "pattern that could take for ever",
        "broken pattern of an input that a deployment gives",
    },
    "bad-option": {"wrong option in defaults", "wrong option in a matrix", "wrong option in an enum"},
    "bad-schedule": {"unknown time zone"},
    "expression-not-allowed": {"computed key"},
    "prompt-too-long": {"long text around an expression"},
    "references-refused": {"films as references of a picture", "films as attachments"},
    "wrong-default": {"default out of range", "default outside the enum"},
    "wrong-type": {
        "asset as a prompt", "items as references", "axis is no list", "list as an address",
        "composition of a still as a film", "composition of stills as sounds",
        "composition of an uploaded photo as a film",
        "composition of a still or nothing as a sound",
        "session of a step that is no text", "pick of assets", "pick of one asset",
        "pick of a whole step", "pick of answers", "pick from a whole fan-out in a list",
    },
}  # fmt: skip
"""Mistakes that it cannot know though it knows others of their code."""


def read(text: str) -> Any:
    """The values of a spec as the language reads them: `9:16` is a text."""
    node, _ = source.read(text)
    return None if node is None else tree.plain(node)


def errors_of(text: str) -> list[str]:
    return [f"{list(e.absolute_path)}: {e.message}" for e in VALIDATOR.iter_errors(read(text))]


def test_it_is_a_schema_of_a_moderate_size() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert len((ROOT / "specs" / FILE).read_bytes()) < 400_000


def test_the_file_beside_the_specs_is_the_one_that_the_models_give() -> None:
    written = json.loads((ROOT / "specs" / FILE).read_text("utf-8"))
    assert written == SCHEMA, "run: rivya-flows schema --write"


def test_every_spec_names_it_in_its_first_line() -> None:
    assert [
        name for name, text in GOOD.items() if "/" not in name and not text.startswith(LINE)
    ] == []


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_good_spec_is_accepted(text: str) -> None:
    assert errors_of(text) == []


@pytest.mark.parametrize(("code", "marked", "hint"), WRONG.values(), ids=WRONG.keys())
def test_wrong_spec_is_refused_where_a_schema_can_know(
    code: str, marked: str, hint: str, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    if code in BEYOND or name in PARTLY.get(code, ()):
        assert errors_of(marked.replace("☞", "")) == []
    else:
        assert errors_of(marked.replace("☞", "")) != []


def test_notes_are_the_authors_own() -> None:
    noted = HEAD + "x-owner: me\nsteps:\n" + STILL + "    x-why: {any: thing}\n"
    assert errors_of(noted + "  x-old: 5\n") == []


def test_what_defaults_give_need_not_stand_in_a_step() -> None:
    bare = "  still:\n    uses: generate\n    with: {prompt: a lamp}\n"
    assert errors_of(HEAD + "steps:\n" + bare) != []
    given_there = "defaults: {generate: {with: {model: z-image}}}\n"
    assert errors_of(HEAD + given_there + "steps:\n" + bare) == []


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


def test_every_key_says_what_it_is_for() -> None:
    silent = [
        f"{name}.{key}"
        for name, definition in [("", SCHEMA), *SCHEMA["$defs"].items()]
        for key, value in definition.get("properties", {}).items()
        if "additionalProperties" in definition and not value.get("description")
    ]
    assert silent == []


def test_models_tell_their_price_and_parameters_their_range() -> None:
    ids, expression = SCHEMA["$defs"]["GenerateWith"]["properties"]["model"]["anyOf"]
    assert expression == {"$ref": "#/$defs/expression"}
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
    schema = json_schema(from_wire(wire, date="2026-01-01", source="live"), WITH_MODELS)
    assert "z-image" not in schema["$defs"]
    assert (
        "z-image" not in schema["$defs"]["GenerateWith"]["properties"]["model"]["anyOf"][0]["enum"]
    )


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
    schema = json_schema(shipped(), installed())
    uses = schema["$defs"]["Step"]["properties"]["uses"]
    assert (uses["enum"][-1], uses["enumDescriptions"][-1]) == ("title_card", "Sets a title.")
    step = "  card:\n    uses: title_card\n    with: {%s}\n"
    validator = Draft202012Validator(schema)
    for arguments, fits in {
        "text: Hello": True,
        "text: '${{ 1 }}', size: '${{ 2 }}'": True,
        "text: Hello, size: large": False,
        "size: 3": False,
        "text: Hello, colour: red": False,
    }.items():
        assert validator.is_valid(read(HEAD + "steps:\n" + step % arguments)) is fits, arguments


def test_an_include_has_nothing_of_its_own_to_repeat() -> None:
    step = "  intro:\n    uses: include\n    with: {spec: intro.yaml}\n"
    assert errors_of(HEAD + "steps:\n" + step) == []
    assert errors_of(HEAD + "steps:\n" + step + "    timeout: 5m\n") != []


PIECES: list[Any] = [None, [], True, 0, 5, 0.5, "x", "", "9:16", "15m", "first", "image", "list", {},
                     ["x"], {"a": ["x"]}, "${{ inputs.styles }}", "a ${{ inputs.product }}"]  # fmt: skip
SPECS = [read(text) for text in GOOD.values()]


@given(st.data())
def test_it_accepts_whatever_check_accepts_and_the_rest_has_hints(data: st.DataObject) -> None:
    spec = copy.deepcopy(data.draw(st.sampled_from(SPECS)))
    places = list(_places(spec))
    holder, key = data.draw(st.sampled_from(places))
    if isinstance(holder, dict) and data.draw(st.booleans()):
        del holder[key]
    else:
        holder[key] = data.draw(st.sampled_from(PIECES))
    text = json.dumps(spec)
    problems = check(text, file="spec.yaml", catalogue=shipped())[1]
    if not problems:
        assert errors_of(text) == []
    assert [str(problem) for problem in problems if not problem.hint] == []


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, part in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    ):
        yield value, key
        yield from _places(part)
