"""YAML files that order the sandbox's behaviour: faults and rehearsed answers."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from rivya_sandbox.service.errors import SandboxError

MOST_CHARACTERS = 2**20
_Model = TypeVar("_Model", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """A safe loader with `true` and `false` as the only booleans, as in YAML 1.2.

    In YAML 1.1, `on` is the boolean true. Aliases are refused: a few lines of them are gigabytes.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {  # type: ignore[misc]  # its stub says instance
        first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:bool" or first in "tTfF"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # no types in its stub
            raise yaml.composer.ComposerError(problem="has an alias", problem_mark=mark)
        return super().compose_node(parent, index)


def read(text: str, *, source: str, form: str) -> Any:
    """The value of a YAML text; None of an empty one.

    Args:
        text: YAML.
        source: Name of the text in messages, such as its path.
        form: The hint of an error: how to write it.

    Raises:
        SandboxError: It is not YAML, longer than `MOST_CHARACTERS`, or has an alias.
    """
    if len(text) > MOST_CHARACTERS:
        raise SandboxError(f"{source}: has more than {MOST_CHARACTERS} characters", form)
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as problem:  # a ValueError of a date such as 2026-13-45
        mark = getattr(problem, "problem_mark", None)
        place = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        what = getattr(problem, "problem", None) or str(problem).splitlines()[0]
        raise SandboxError(f"{place}: is not YAML: {what}", form) from problem
    except RecursionError as problem:
        raise SandboxError(f"{source}: is nested too deeply", form) from problem


def validate(model: type[_Model], value: Any, *, source: str, form: str) -> _Model:
    """The value as a model.

    Raises:
        SandboxError: It does not match; says where.
    """
    try:
        return model.model_validate(value)
    except ValidationError as problem:
        first = problem.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise SandboxError(f"{source}: {place + ': ' if place else ''}{what}", form) from problem
    except RecursionError as problem:
        raise SandboxError(f"{source}: is nested too deeply", form) from problem


def fold_text(text: str) -> str:
    """The text for comparisons: without case, each run of whitespace as one space."""
    return " ".join(text.casefold().split())
