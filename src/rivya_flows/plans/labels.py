"""The labels of a run: what its credits are counted under, in pools, reports and Prefect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rivya_flows.errors import UsageError
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull, evaluate
from rivya_flows.language.expressions.values import as_text
from rivya_flows.language.workflow import (
    MAX_LABEL_VALUE,
    MAX_LABELS,
    Inputs,
    Workflow,
    is_label_value,
)

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def labels_of(
    workflow: Workflow, inputs: Inputs, given: Mapping[str, str], run: Mapping[str, Any]
) -> dict[str, str]:
    """The labels of a run, in the order of their names; those `given` by the command win."""
    scope = {"inputs": dict(inputs), "run": run}
    labels = {name: _value(name, text, scope) for name, text in workflow.labels.items()} | {
        name: label_value(name, text) for name, text in given.items()
    }
    if len(labels) > MAX_LABELS:
        raise UsageError(f"{len(labels)} labels; a run has at most {MAX_LABELS}", "leave some out")
    return dict(sorted(labels.items()))


def read_labels(assignments: tuple[str, ...]) -> dict[str, str]:
    """Labels by name, from ``NAME=VALUE`` texts; `UsageError` if one is not a label."""
    labels = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"label {text!r}: it has no value", "write NAME=VALUE: client=acme")
        labels[name] = label_value(name, value)
    return labels


def label_value(name: str, value: object) -> str:
    """The value; `UsageError` if it or its name cannot be a label."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"label {name!r}: not a name",
            "lower-case letters, digits, _ and -, a letter first, at most 32: client",
        )
    if not isinstance(value, str) or not is_label_value(value):  # in Python it may be a number
        raise UsageError(
            f"label {name}: its value cannot be used",
            f"one line of 1 to {MAX_LABEL_VALUE} printable characters",
        )
    return value


def _value(name: str, written: str, scope: Mapping[str, Any]) -> str:
    try:
        return label_value(name, as_text(evaluate(written, scope)))
    except (ExpressionError, UsesNull) as error:
        raise UsageError(
            f"labels.{name}: {error}", "a label may use inputs and run alone"
        ) from error
