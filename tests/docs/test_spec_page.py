"""The reference in docs/spec.md is what the models of the language say."""

from __future__ import annotations

import importlib.util
import re
import typing
from pathlib import Path
from types import ModuleType

import pytest

from rivya_flows.language.workflow import InputType

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "spec.md").read_text("utf-8")


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_holds_what_the_models_say(reference: ModuleType) -> None:
    assert reference.filled(PAGE) == PAGE, "run: scripts/reference"


def test_each_block_is_made_anew_and_the_rest_stays(reference: ModuleType) -> None:
    assert re.findall(r"made by scripts/reference: (\w+)", PAGE) == ["filters", "words", "limits"]
    stale = PAGE.replace("| `slug` |", "| `slugg` |").replace("2,000 characters", "9 characters")
    assert stale != PAGE
    assert reference.filled(stale) == PAGE
    assert reference.filled(f"{stale}More.\n") == f"{PAGE}More.\n"


def test_every_type_of_an_input_is_explained() -> None:
    table = PAGE.partition("| type | takes | and also |")[2].partition("\n\n")[0]
    explained = {
        name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert explained == set(typing.get_args(InputType))
