"""What docs/reference/spec.md says by hand follows the models of the language."""

from __future__ import annotations

import re
import typing
from pathlib import Path

from rivya_flows.language.workflow import InputType

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "spec.md").read_text("utf-8")


def test_every_type_of_an_input_is_explained() -> None:
    table = PAGE.partition("| type | takes | and also |")[2].partition("\n\n")[0]
    explained = {
        name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert explained == set(typing.get_args(InputType))
