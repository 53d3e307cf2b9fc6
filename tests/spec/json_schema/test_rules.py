"""The schema of steps and their arguments."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.spec.json_schema.document import json_schema
from rivya_flows.steps.registry import installed
from support.spec_schema import errors_of, read
from support.wrong_specs import HEAD


def test_arguments_from_defaults_are_optional_in_a_step() -> None:
    bare = "  still:\n    uses: generate\n    with: {prompt: a lamp}\n"
    assert errors_of(HEAD + "steps:\n" + bare) != []
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


def test_an_include_takes_no_keys_of_requests() -> None:
    step = "  intro:\n    uses: include\n    with: {spec: intro.yaml}\n"
    assert errors_of(HEAD + "steps:\n" + step) == []
    assert errors_of(HEAD + "steps:\n" + step + "    timeout: 5m\n") != []
