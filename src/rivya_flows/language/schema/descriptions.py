"""What an editor says of the keys of a spec: the models' own docstrings, and what they lack."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping

from pydantic import BaseModel

_ATTRIBUTE = re.compile(r"    (\w+(?:, \w+)*): (.*)")

_KEYS: Mapping[tuple[str, str], str] = {
    ("Workflow", "version"): "Version of the spec language; there is 1.",
    ("Workflow", "name"): "Name of the spec: small letters, digits, `_` and `-`.",
    ("Workflow", "title"): "What people see instead of the name.",
    ("Workflow", "description"): "What the campaign makes, in a sentence or two.",
    ("Workflow", "inputs"): "What changes from run to run: the fields of the run form, in order.",
    ("Workflow", "budget"): "The most that a run may spend.",
    ("Workflow", "concurrency"): "How many runs go on at once, of all specs of a group.",
    ("Workflow", "cache"): "Where finished work may come from: `run` is what `resume` keeps, "
    "`spec` also earlier runs of this spec, `off` nothing.",
    ("Workflow", "steps"): "The things to do, by name. Order follows from references.",
    ("Workflow", "outputs"): "What to have at the end, by name.",
    ("Workflow", "deploy"): "Prefect deployments of this spec.",
    ("Input", "title"): "Label of the field.",
    ("Input", "description"): "Help text of the field.",
    ("Step", "title"): "What people see instead of the id.",
}  # fmt: skip
"""Keys by model and spelling that the docstring of their model says nothing of."""


def words_of(model: type[BaseModel]) -> str | None:
    """The first paragraph of a model's docstring, in one line; None where there is none."""
    if not model.__doc__:
        return None
    return " ".join(inspect.cleandoc(model.__doc__).partition("\n\n")[0].split())


def words_for(model: type[BaseModel]) -> dict[str, str]:
    """What is said of each key of a model, by its spelling in a file."""
    told = _attributes(model.__doc__ or "")
    said = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        words = told.get(name) or _KEYS.get((model.__name__, key))
        if words:
            said[key] = words
    return said


def _attributes(docstring: str) -> dict[str, str]:
    """The entries of a docstring's section `Attributes:`."""
    _, _, section = inspect.cleandoc(docstring).partition("Attributes:\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if begins := _ATTRIBUTE.fullmatch(line):
            names = begins.group(1).split(", ")
            found |= dict.fromkeys(names, begins.group(2))
        elif line.startswith("        "):
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
        else:
            break
    return found
