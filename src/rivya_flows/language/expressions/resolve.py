"""Expressions inside values: their syntax, what they refer to, and their evaluation.

The syntax is a small part of Jinja2's, without calls, inside ``${{ }}``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rivya_flows.language.expressions.evaluation import Evaluation, result
from rivya_flows.language.expressions.filters import FILTERS, misuse
from rivya_flows.language.expressions.values import (
    TESTS,
    ExpressionError as ExpressionError,
    UsesNull as UsesNull,
    as_text,
    check_length,
    checked_size,
)
from rivya_flows.similar_names import nearest

OPEN, CLOSE = "${{", "}}"
MAX_CHARACTERS = 2_000
MAX_DEPTH = 60
NAMESPACES = ("inputs", "steps", "matrix", "zip", "brand", "run", "previous", "item")
"""The names that can be followed by a dot."""

_FOREIGN = (
    ("&&", "write `and`"),
    ("||", "write `or`"),
    ("??", "write `| default(…)`"),
    ("!==", "write `!=`"),
    ("===", "write `==`"),
    ("?", "write `A if CONDITION else B`"),
)
"""Operators of other languages, with the hint for each."""
_FILTERS_ELSEWHERE = {
    "batch": "write slices: LIST[0:2], LIST[2:4]",
    "capitalize": "write `| title`, or write it so",
    "combine": "write a map of the fields: {'name': A.name, 'price': B.price}",
    "count": "write `| length`",
    "d": "write `| default(…)`",
    "dict2items": "maps have no items: write a list of maps, with a field `key`",
    "dictsort": "maps have no items: write a list of maps, then `| sort(attribute='NAME')`",
    "float": "write `| int`, or declare the input as a number",
    "from_json": "write `expect` in the chat step, and read .json.FIELD",
    "items": "maps have no items: write a list of maps, with a field `key`",
    "list": "a list is one already",
    "number": "write `'%.2f' | format(VALUE)`",
    "random": "write `| seed(1, 6)`, which gives the same number for the same value",
    "reverse": "write `| sort(reverse=true)`",
    "size": "write `| length`",
    "slice": "write LIST[0:2]",
    "strip": "write `| trim`",
    "to_json": "write `| json`",
    "tojson": "write `| json`",
}
"""Filters of Jinja, Ansible and Liquid that the language lacks, and what to write."""
_STRINGS = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
_TOKENS = re.compile(rf"{_STRINGS.pattern}|[{{}}'\"]", re.DOTALL)
_BARE = re.compile(rf"({'|'.join(NAMESPACES[:-1])})\.([a-z][a-z0-9_]*)(?:\.\w+|\[[^\]]*\])*")
_TOO_LONG = f"an expression can have at most {MAX_CHARACTERS:,} characters"
_TOO_DEEP = "the expression is nested too deeply"
_SPLIT = "move part of it to an input or another step"

_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
_ALLOWED = (
    nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Slice,
    nodes.Const, nodes.List, nodes.Dict, nodes.Pair,
    nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand,
    nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos,
    nodes.Concat, nodes.Filter, nodes.Keyword, nodes.Test,
)  # fmt: skip


@dataclass(frozen=True)
class Expression:
    """One ``${{ }}``: what is between the braces, where its ``${{`` starts, and its checked syntax tree."""

    text: str
    offset: int
    tree: nodes.Expr


@dataclass(frozen=True)
class Template:
    """A parsed text; one that is `whole` is one expression and nothing else, so its value keeps its type."""

    parts: tuple[str | Expression, ...]
    whole: bool

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return tuple(part for part in self.parts if isinstance(part, Expression))


# Several checks parse the same text: the cache holds more texts than a large spec has.
@lru_cache(maxsize=32_768)
def template(text: str) -> Template:
    """The parts of a text; raises `ExpressionError` for what is not of the language."""
    parts: list[str | Expression] = []
    done = 0
    while (start := text.find(OPEN, done)) >= 0:
        end = _closing(text, start)
        source = text[start + len(OPEN) : end]
        if start > done:
            parts.append(text[done:start])
        parts.append(Expression(source, start, _parse(source, start)))
        done = end + len(CLOSE)
    if done < len(text):
        parts.append(text[done:])
    # The line break at the end of a block scalar is not text.
    spoken = [part for part in parts if not isinstance(part, str) or part.strip()]
    whole = len(spoken) == 1 and isinstance(spoken[0], Expression)
    return Template(tuple(spoken if whole else parts), whole)


def _closing(text: str, start: int) -> int:
    """The index of the ``}}`` that ends the expression; strings and maps may contain one too."""
    depth = 0
    limit = min(len(text), start + MAX_CHARACTERS + 2 * len(OPEN))
    for found in _TOKENS.finditer(text, start + len(OPEN), limit):
        match found[0]:
            case "{":
                depth += 1
            case "}" if depth:
                depth -= 1
            case "}" if text.startswith(CLOSE, found.start()):
                return found.start()
            case "'" | '"':  # of a string that is not closed
                break
    if limit < len(text) and text.find(CLOSE, limit) >= 0:
        raise ExpressionError(_TOO_LONG, _SPLIT, start)
    raise ExpressionError("the expression is not closed", "end it with }}", start)


def _parse(source: str, offset: int) -> nodes.Expr:
    if not source.strip():
        raise ExpressionError("the expression is empty", "write ${{ inputs.NAME }}", offset)
    if len(source) > MAX_CHARACTERS:
        raise ExpressionError(_TOO_LONG, _SPLIT, offset)
    try:
        parser = Parser(_ENVIRONMENT, source, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            left = parser.stream.current.value
            hint = f"join two values with an operator such as + or ~, or remove {left!r}"
            hint = _known_elsewhere(source) or ("write `==`" if left == "=" else hint)
            raise ExpressionError(f"unexpected {left!r} after the expression", hint, offset)
    except TemplateSyntaxError as error:
        hint = "write ${{ inputs.NAME }} or ${{ steps.NAME.FIELD }}; quote text"
        hint = _known_elsewhere(source) or hint
        raise ExpressionError(f"invalid expression: {error.message}", hint, offset) from error
    except RecursionError as error:
        raise ExpressionError(_TOO_DEEP, _SPLIT, offset) from error
    waiting: list[tuple[nodes.Node, int]] = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ExpressionError(_TOO_DEEP, _SPLIT, offset)
        _check(node, offset)
        waiting.extend((child, depth + 1) for child in node.iter_child_nodes())
    return tree


def without_strings(source: str) -> str:
    """The source of an expression without the texts in it."""
    return _STRINGS.sub("", source)


def _known_elsewhere(source: str) -> str | None:
    """The hint for an operator of another language, or None."""
    outside = without_strings(source)
    return next((hint for operator, hint in _FOREIGN if operator in outside), None)


def bare_name(text: str) -> tuple[str, str] | None:
    """Namespace and name of a text that looks like an expression without braces; else None."""
    found = _BARE.fullmatch(text.strip())
    return (found[1], found[2]) if found else None


def _check(node: nodes.Node, offset: int) -> None:
    if isinstance(node, nodes.Call):
        called = node.node
        name = called.name if isinstance(called, nodes.Name) else getattr(called, "attr", "this")
        hint = f"there are filters, written `value | NAME`: {', '.join(FILTERS)}"
        if name in FILTERS:
            hint = f"write it as a filter: `value | {name}`"
        raise ExpressionError(
            f"{name!r} cannot be called: expressions have filters but no functions", hint, offset
        )
    if not isinstance(node, _ALLOWED):
        what = type(node).__name__.lower()
        hint = "use names, fields, sums, comparisons, `if … else` and filters"
        raise ExpressionError(f"{what!r} is not part of the language", hint, offset)
    if isinstance(node, nodes.Filter):
        _check_filter(node, offset)
    elif isinstance(node, nodes.Test) and (node.name not in TESTS or node.args or node.kwargs):
        hint = f"there are: {', '.join(TESTS)}"
        raise ExpressionError(f"unknown test 'is {node.name}'", hint, offset, node.name)
    elif isinstance(node, nodes.Const):
        if isinstance(node.value, float) and not math.isfinite(node.value):
            raise ExpressionError("a number is too large", "write a smaller one", offset)
    elif isinstance(node, nodes.Slice) and node.step is not None:
        hint = "write [START:END]"
        raise ExpressionError("a slice has a start and an end, but no step", hint, offset)


def _check_filter(node: nodes.Filter, offset: int) -> None:
    if node.name not in FILTERS:
        near = nearest(node.name, FILTERS)
        hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(FILTERS)}"
        hint = _FILTERS_ELSEWHERE.get(node.name.lower(), hint)
        raise ExpressionError(f"unknown filter {node.name!r}", hint, offset, node.name)
    # Jinja2 types them as pairs of a map; its parser makes keywords, whose key is a str.
    named = [str(pair.key) for pair in node.kwargs]
    positional = [one.value if isinstance(one, nodes.Const) else None for one in node.args]
    hint = "write the arguments one by one"
    if node.dyn_args is None and node.dyn_kwargs is None and node.node is not None:
        hint = misuse(node.name, positional, named) or ""
    if hint:
        message = f"{node.name!r} does not take these arguments"
        raise ExpressionError(message, hint, offset, node.name)


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


def literal_reference(tree: nodes.Node) -> Reference | None:
    """The reference, if nothing in it is computed: not ``matrix.sizes[inputs.n]``."""
    return None if _chain(tree)[2] else as_reference(tree)


def whole_reference(value: Any) -> Reference | None:
    """The reference, if the value is nothing else and no item is computed: ``${{ steps.NAME.assets }}``."""
    if not isinstance(value, str) or OPEN not in value:
        return None
    parts = template(value)
    return literal_reference(parts.expressions[0].tree) if parts.whole else None


def is_whole(value: Any) -> bool:
    """Whether a value is one expression; a broken one is, and is reported with the expressions."""
    try:
        return isinstance(value, str) and template(value).whole
    except ExpressionError:
        return True


def steps_named(value: Any) -> frozenset[str]:
    """The ids of the steps that a value refers to."""
    found = (one.path[0] for one in references(value) if one.namespace == "steps" and one.path)
    return frozenset(found)


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
