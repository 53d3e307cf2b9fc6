"""The schema of requests, from the catalogue."""

from __future__ import annotations

import copy

from rivya_client.catalogue.snapshot import from_wire, shipped
from rivya_flows.spec.json_schema.document import json_schema
from rivya_flows.steps.registry import BUILT_IN
from support.spec_schema import SCHEMA, errors_of
from support.wrong_specs import HEAD


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


def test_models_show_their_price_and_parameters_their_range() -> None:
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
    schema = json_schema(from_wire(wire, date="2026-01-01", source="live"), BUILT_IN)
    assert "z-image" not in schema["$defs"]
    assert (
        "z-image" not in schema["$defs"]["GenerateWith"]["properties"]["model"]["anyOf"][0]["enum"]
    )
