"""Expressions inside values: what they refer to, and their evaluation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import Any

from jinja2 import nodes

from rivya_flows.language.expressions.evaluation import Evaluation, result
from rivya_flows.language.expressions.templates import OPEN, Expression, template
from rivya_flows.language.expressions.values import (
    ExpressionError,
    UsesNull,
    as_text,
    check_length,
    checked_size,
)

__all__ = ["ExpressionError", "Reference", "UsesNull", "as_reference", "condition", "evaluate",
           "expressions_in", "is_computed", "is_whole", "items_named", "references", "tree_references",
           "whole_reference"]  # fmt: skip

ITEMS = r"^\s*\$\{\{\s*steps\.([a-z][a-z0-9_]*)\.items\s*\}\}\s*$"
"""Pattern of all items of a step, as an editor checks it too."""


@dataclass(frozen=True, order=True)
class Reference:
    """A name that an expression reads, such as ``steps``, and the fields after it up to a computed one."""

    namespace: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join((self.namespace, *self.path))


def references(value: Any) -> frozenset[Reference]:
    """All names that the expressions in a value read, at any depth; raises as `template`."""
    return frozenset[Reference]().union(*map(_text_references, _computed_texts(value)))


def expressions_in(value: Any) -> Iterator[Expression]:
    """All expressions in a value, at any depth; raises as `template`."""
    for text in _computed_texts(value):
        yield from template(text).expressions


def _computed_texts(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            if OPEN in part:
                yield part
        elif isinstance(part, Mapping):
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)


@lru_cache(maxsize=32_768)  # as of templates
def _text_references(text: str) -> frozenset[Reference]:
    trees = (expression.tree for expression in template(text).expressions)
    return frozenset(reference for tree in trees for reference in tree_references(tree))


def tree_references(tree: nodes.Node) -> Iterator[Reference]:
    """The names that one syntax tree reads, with their paths as long as they go."""
    reference = as_reference(tree)
    if reference is not None:
        yield reference
    for child in _chain(tree)[2] if reference else tree.iter_child_nodes():
        yield from tree_references(child)


def as_reference(tree: nodes.Node) -> Reference | None:
    """The reference, if the tree is nothing but a name with fields and items; else None."""
    base, steps, _ = _chain(tree)
    if not isinstance(base, nodes.Name):
        return None
    return Reference(base.name, tuple(takewhile(lambda step: step is not None, steps)))


def _chain(tree: nodes.Node) -> tuple[nodes.Node, list[Any], list[nodes.Node]]:
    """What fields and items are of, their names, None for a computed one, and the trees of those."""
    steps: list[str | None] = []
    computed: list[nodes.Node] = []
    while isinstance(tree, nodes.Getattr | nodes.Getitem):
        if isinstance(tree, nodes.Getattr):
            steps.append(tree.attr)
        elif isinstance(tree.arg, nodes.Const):
            steps.append(as_text(tree.arg.value))
        else:
            steps.append(None)
            computed.append(tree.arg)
        tree = tree.node
    return tree, steps[::-1], computed


def whole_reference(value: Any) -> Reference | None:
    """The reference, if the value is nothing else and no item is computed: ``${{ steps.NAME.assets }}``."""
    if not isinstance(value, str) or OPEN not in value:
        return None
    parts = template(value)
    tree = parts.expressions[0].tree
    return as_reference(tree) if parts.whole and not _chain(tree)[2] else None


def is_whole(value: Any) -> bool:
    """Whether a value is one expression; a broken one is, and is reported with the expressions."""
    try:
        return isinstance(value, str) and template(value).whole
    except ExpressionError:
        return True


def items_named(value: Any) -> str | None:
    """The step in ``${{ steps.NAME.items }}``; None for any other value, however it is computed."""
    found = re.match(ITEMS, value) if isinstance(value, str) else None
    return found[1] if found else None


def evaluate(value: Any, scope: Mapping[str, Any]) -> Any:
    """The value with every expression in it replaced by its result: as text where text is around it.

    Raises:
        UsesNull: A null is used alone, in text, or looked into.
        ExpressionError: Anything else that does not fit.
    """
    if isinstance(value, str):
        return _evaluate_text(value, scope) if OPEN in value else value
    if isinstance(value, Mapping):
        return {key: evaluate(part, scope) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [evaluate(part, scope) for part in value]
    return value


def condition(value: Any, scope: Mapping[str, Any]) -> bool:
    """Whether an `if` is true. None is true; a null that it uses makes it false.

    Raises:
        ExpressionError: The expression does not fit.
    """
    if value is None:
        return True
    try:
        return bool(evaluate(value, scope))
    except UsesNull:
        return False


def _evaluate_text(text: str, scope: Mapping[str, Any]) -> Any:
    parts, here = template(text), Evaluation(scope)
    if parts.whole:
        return checked_size(result(parts.expressions[0].tree, here))
    pieces: list[str] = []
    size = 0
    for part in parts.parts:
        piece = part if isinstance(part, str) else as_text(result(part.tree, here))
        size += len(piece)
        check_length(size)
        pieces.append(piece)
    return checked_size("".join(pieces))


def is_computed(value: Any) -> bool:
    """Whether a value contains an expression."""
    return any(True for _ in _computed_texts(value))
