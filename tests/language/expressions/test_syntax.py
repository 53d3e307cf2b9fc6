"""What the grammar of expressions allows."""

from __future__ import annotations

import pytest

from rivya_flows.language.expressions.resolve import ExpressionError, evaluate, references
from support.expression_scope import SCOPE


@pytest.mark.parametrize(
    "written",
    [
        "${{ ''.__class__ }}",
        "${{ ''.__class__.__mro__[1].__subclasses__() }}",
        "${{ inputs.__class__ }}",
        "${{ inputs.holder.update }}",
        "${{ inputs.styles.append('x') }}",
        "${{ inputs['__init__'] }}",
        "${{ 'a'.format }}",
        "${{ '%s' % inputs }}",
        "${{ '{0.__class__}' | format }}",
        "${{ range(9) }}",
        "${{ lipsum() }}",
        "${{ cycler }}",
        "${{ self }}",
        "${{ inputs | attr('__class__') }}",
        "${{ inputs | map('upper') }}",
        "${{ now() }}",
        "${{ [1, 2] | random }}",
        "${{ 2 ** 99999 }}",
        "${{ (1, 2) }}",
        "${{ inputs.styles | join(*inputs.styles) }}",
        "${{ 'x' is callable }}",
        "${{ 1 }}${% import os %}${{ x",
        "${{ 1 %}{% for x in y %}{{ }}",
    ],
)
def test_nothing_of_python_can_be_reached(written: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(written, SCOPE)


@pytest.mark.parametrize(
    "written",
    ["${{ ", "${{ }}", "${{ x", "${{ 'x }}", "${{ a b }}", "${{ a. }}", "${{ " + "(" * 900 + " }}",
     "${{ " + "a." * 900 + "b }}", "${{ " + "not " * 400 + "a }}", "${{ " + "a" * 2500 + " }}",
     "${{ 1e999 }}", "${{ a[::2] }}", "${{ x | default }}", "${{ x | upper(1) }}"],
)  # fmt: skip
def test_what_cannot_be_read_is_an_error(written: str) -> None:
    with pytest.raises(ExpressionError):
        references(written)
