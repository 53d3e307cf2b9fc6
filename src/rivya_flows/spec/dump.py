"""Workflow -> text: a spec that was built in Python as the file that one would write."""

from __future__ import annotations

from typing import Any

import yaml

from rivya_flows.language.field_types import keys_of
from rivya_flows.language.syntax.source import read_scalar
from rivya_flows.language.workflow import PARTS, Workflow
from rivya_flows.steps.registry import known_kind


def dump(workflow: Workflow) -> str:
    """The text of a workflow; loading it with the texts of its includes returns an equal workflow."""
    written = workflow.model_dump(by_alias=True, exclude_defaults=True)
    data = {key: written[key] for key in keys_of(Workflow) if key in written}
    for part in PARTS:
        for step_id, step in data.get(part, {}).items():
            del step["id"]
            if (kind := known_kind(step["uses"])) and kind.takes_brand:
                # A brand fills in what is not written, also where that is the default.
                arguments = workflow.part(part)[step_id].with_
                step["with"] = arguments.model_dump(by_alias=True, exclude_unset=True)
    return yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=100,
    )


class _Dumper(yaml.SafeDumper):
    """Writes YAML 1.2, where some texts need quotes that 1.1 does not need."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    plain = text.isprintable() and _is_text(text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


def _is_text(text: str) -> bool:
    try:
        return isinstance(read_scalar(text), str)
    except ValueError:
        return False


_Dumper.add_representer(str, _text)
