"""Diagnostics of text that is not YAML: the place of the mistake, and the fix."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from rivya_flows.language.syntax.source import read
from rivya_flows.language.syntax.tree import lines_of
from support.wrong_specs import unmarked

WRONG = {
    'unclosed quote in flow': ('inputs: {a: {type: string, default: ☞"x},\n  b: {type: string, default: "y"}}\n', 'yaml-syntax', 'the quoted text that starts here ends on line 2', 'end it with " where it should end'),
    'one brace': ("model: ${ {'a'☞: 'b'}[inputs.x] }}\n", 'yaml-syntax', 'unexpected colon: a key is not possible here', 'write an expression with two braces, in quotes: "${{ … }}"'),
    'tab indent': ('steps:\n☞\tstill:\n\t\tuses: x\n', 'tab', 'YAML does not allow tabs as indentation', 'use spaces'),
    'tab after dash': ('inputs:\n  a:\n    type: enum\n    values:\n      -☞\tx\nsteps: {}\n', 'tab', 'YAML does not allow tabs as indentation', 'use spaces'),
    'colon in text': ('title: Launch☞: the lamp\nsteps: {}\n', 'yaml-syntax', 'unexpected colon: a key is not possible here', 'quote text that contains `: `'),
    'colon at end': ('title: Launch☞:\nsteps: {}\n', 'yaml-syntax', 'unexpected colon: a key is not possible here', 'quote text that contains `: `'),
    'bad dedent': ('steps:\n  still:\n    uses: generate\n   ☞with: {model: z-image}\n', 'yaml-syntax', 'the indentation of this line matches no line above it', 'align it with the lines around it'),
    'over indent': ('steps:\n  still:\n    uses: generate\n      ☞with: {model: z-image}\n', 'yaml-syntax', 'the indentation makes this line part of the text above it', 'align it with the lines around it'),
    'arguments without with': ('steps:\n  still:\n    uses: generate\n      ☞model: z-image\n', 'yaml-syntax', 'the indentation makes this line part of the text above it', 'write `with:` above it, as far in as `uses:`'),
    'over indent key': ('title: x\n  ☞budget: {credits: 5}\nsteps: {}\n', 'yaml-syntax', 'the indentation makes this line part of the text above it', 'align it with the lines around it'),
    'multi line plain colon': ('description: a\n  ☞b: c\nsteps: {}\n', 'yaml-syntax', 'the indentation makes this line part of the text above it', 'align it with the lines around it'),
    'first key indented': (' a: 1\n☞b: 2\n', 'yaml-syntax', 'this line is indented less than the first one', 'start both in the same column'),
    'unclosed double': ('title: ☞"Launch\nsteps: {}\n', 'yaml-syntax', 'this quote is never closed', 'end the text with "'),
    'unclosed single': ("title: ☞'Launch\nsteps: {}\n", 'yaml-syntax', 'this quote is never closed', "end the text with '"),
    'apostrophe': ("title: 'It'☞s a lamp'\nsteps: {}\n", 'yaml-syntax', 'text continues after the closing quote', "write a quote inside the text as '', or quote the whole text"),
    'inner double': ('title: "The "☞best" lamp"\nsteps: {}\n', 'yaml-syntax', 'text continues after the closing quote', 'write a quote inside the text as \\", or quote the whole text'),
    'quote begins': ('title: "Best" ☞lamp\nsteps: {}\n', 'yaml-syntax', 'text continues after the closing quote', 'write a quote inside the text as \\", or quote the whole text'),
    'quote of two lines': ('title: ☞"a\nb" c\n', 'yaml-syntax', 'the quoted text that starts here ends on line 2', 'end it with " where it should end'),
    'bad escape': ('title: "C:☞\\path"\nsteps: {}\n', 'yaml-syntax', 'this is not a valid escape in double quotes', 'write \\\\ for a backslash, or use single quotes'),
    'unclosed flow map': ('budget: ☞{credits: 5\nsteps: {}\n', 'yaml-syntax', 'this { is never closed', 'end it with }'),
    'a colour that is a comment': ('look: ☞{accent: #f2c14e}\nsteps: {}\n', 'yaml-syntax', 'this { is never closed', 'quote what begins with #, which is a comment here'),
    'unclosed flow seq': ('inputs: {a: {type: enum, values: [a, b☞}}\nsteps: {}\n', 'yaml-syntax', 'missing ] before this }', 'close the [ first'),
    'extra close': ('budget: {credits: 5}☞}\nsteps: {}\n', 'yaml-syntax', 'this } has no opening bracket', 'remove it'),
    'missing comma': ('budget: {credits: 5 warn_at☞: 0.5}\nsteps: {}\n', 'yaml-syntax', 'missing a comma or } before this', 'separate entries with commas, and quote text that contains `: `'),
    'missing comma list2': ("inputs: {a: {type: enum, values: ['a' ☞'b']}}\nsteps: {}\n", 'yaml-syntax', 'missing a comma or ] before this', 'separate entries with commas, and quote text that contains `: `'),
    'colon in flow': ('inputs: {a: {type: string, default: Launch☞: x}}\nsteps: {}\n', 'yaml-syntax', 'missing a comma or } before this', 'separate entries with commas, and quote text that contains `: `'),
    'json comments': ('☞{"version": 1, // c\n "name": "test"}', 'yaml-syntax', 'this { is never closed', 'end it with }'),
    'json with trailing': ('☞{"version": 1, "name": "test", "steps": {"a": {"uses": "compose", "with": {"clips": "x"}},}', 'yaml-syntax', 'this { is never closed', 'end it with }'),
    'at': ('title: ☞@home\nsteps: {}\n', 'yaml-syntax', "text cannot start with '@'", 'put the text in quotes'),
    'percent': ('title: ☞%x\nsteps: {}\n', 'yaml-syntax', "text cannot start with '%'", 'put the text in quotes'),
    'percent at line': ('☞%x\nsteps: {}\n', 'yaml-syntax', 'a line that starts with % is a YAML directive', 'remove the %'),
    'star': ('title: ☞*best* lamp\nsteps: {}\n', 'yaml-syntax', "text cannot start with '*'", 'put the text in quotes'),
    'amp': ('title: ☞& more\nsteps: {}\n', 'yaml-syntax', "text cannot start with '&'", 'put the text in quotes'),
    'comma': ('title: ☞, x\nsteps: {}\n', 'yaml-syntax', "text cannot start with ','", 'put the text in quotes'),
    'bracket text': ('title: [Launch] ☞the lamp\nsteps: {}\n', 'yaml-syntax', 'text continues after the closing bracket', 'quote the whole text'),
    'brace text': ('title: {Launch} ☞the lamp\nsteps: {}\n', 'yaml-syntax', 'text continues after the closing bracket', 'quote the whole text'),
    'pipe bad': ('title: |☞x\n  a\nsteps: {}\n', 'yaml-syntax', 'unexpected text after | or >', 'start the text on the next line, indented'),
    'fold bad': ('title: > ☞a\nsteps: {}\n', 'yaml-syntax', 'unexpected text after | or >', 'start the text on the next line, indented'),
    'block less indented': ('description: |\n  a\n ☞b\nsteps: {}\n', 'yaml-syntax', 'the indentation of this line matches no line above it', 'align it with the lines around it'),
    'no colon': ('steps\n☞steps: {}\n', 'yaml-syntax', 'the indentation makes this line part of the text above it', 'align it with the lines around it'),
    'no space after colon': ('title☞:x\nsteps: {}\n', 'yaml-syntax', 'missing space after this colon', 'write `title: …`'),
    'no space after colon2': ('steps:\n  still:\n    uses☞:generate\n    with: {model: z-image}\n', 'yaml-syntax', 'missing space after this colon', 'write `uses: …`'),
    'key without a colon': ('title: x\n☞steps\nname: y\n', 'yaml-syntax', 'a key without a colon', 'write `key: value`; text of several lines starts with `|`'),
    'no space after colon of a later key': ('title: x\nname☞:a\nsteps: {}\n', 'yaml-syntax', 'missing space after this colon', 'write `name: …`'),
    'equal': ('title = x\n☞steps: {}\n', 'yaml-syntax', 'the indentation makes this line part of the text above it', 'align it with the lines around it'),
    'long key': ('k' * 1100 + '☞: 1\n', 'yaml-syntax', 'unexpected colon: a key is not possible here', 'quote text that contains `: `'),
    'flow expr': ('steps:\n  still:\n    uses: generate\n    with: {model: z-image, prompt: a lamp}\noutputs: {a: ☞${{ steps.still.asset }}}\n', 'unquoted-expression', 'an expression inside { } or [ ] needs quotes', 'inside { } and [ ] write "${{ … }}" with quotes'),
    'flow expr text': ('steps:\n  a:\n    uses: generate\n    with: {model: z-image, prompt: a ☞${{ inputs.x }}}\n', 'unquoted-expression', 'an expression inside { } or [ ] needs quotes', 'inside { } and [ ] write "${{ … }}" with quotes'),
    'flow expr multi': ('steps:\n  a:\n    uses: generate\n    with: {model: z-image,\n      prompt: ☞${{ inputs.x }}}\n', 'unquoted-expression', 'an expression inside { } or [ ] needs quotes', 'inside { } and [ ] write "${{ … }}" with quotes'),
    'bare double braces': ('steps:\n  still:\n    uses: generate\n    with: {model: z-image, prompt: a lamp}\noutputs:\n  a: ☞{{ steps.still.asset }}\n', 'missing-dollar', 'an expression starts with a dollar sign', 'write ${{ … }}, inside { } and [ ] with quotes: "${{ … }}"'),
    'list and map': ('deploy:\n  - name: a\n  ☞name: b\nsteps: {}\n', 'yaml-syntax', 'expected a list item here', 'start it with `- `, or indent the line'),
    'dash list inline': ('deploy: ☞- name: a\nsteps: {}\n', 'yaml-syntax', 'a list cannot start here', 'start it on the next line, indented'),
    'ends': ('steps:\n  still:\n    uses: generate\n    with: {model: z-image, prompt: a lamp}\n...\n☞foo\n', 'yaml-syntax', 'the document ended before this line', 'remove `...`'),
    'nbsp indent': ('steps:\n☞\xa0\xa0still:\n\xa0\xa0\xa0\xa0uses: generate\n', 'yaml-syntax', 'this key starts with a special space, which YAML reads as a letter', 'use plain spaces; text copied from a web page has others'),
    'smart quotes': ('title: “Launch☞: x”\nsteps: {}\n', 'yaml-syntax', 'unexpected colon: a key is not possible here', 'quote text that contains `: `: " or \'; “ and ” are ordinary letters'),
    'undefined alias': ('title: ☞*x\nsteps: {}\n', 'unknown-alias', 'no complete anchor &x before this alias', 'quote text that starts with *'),
    'bang': ('title: ☞!important\nsteps: {}\n', 'tag', "the tag '!important' is not allowed", 'remove it, or quote text that starts with !'),
}  # fmt: skip
"""Text with the ☞ where the diagnostic must point; code, message, hint."""


@pytest.mark.parametrize(("marked", "code", "message", "hint"), WRONG.values(), ids=WRONG.keys())
def test_diagnostic_points_at_the_cause_and_has_the_fix(
    marked: str, code: str, message: str, hint: str
) -> None:
    text, line, column = unmarked(marked)
    assert [(one.line, one.column, one.code, one.message, one.hint) for one in read(text)[1]] == [
        (line, column, code, message, hint)
    ]


PIECES = ["a", "b", ":", ": ", "- ", "-", "\n", "  ", "\t", "{", "}", "[", "]", ",", "'", '"', "${{ a }}",
          "{{", "|", ">", "&x", "*x", "!", "#", "?", "%", "@", "...", "---", "\\", "<<"]  # fmt: skip


@given(
    st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
    | st.text(alphabet="ab:- \n\t{}[]'\"&*!|>#?,%@`$0.~", max_size=60)
)
def test_any_text_gives_a_tree_or_mistakes_with_a_place_in_it_and_a_hint(text: str) -> None:
    root, found = read(text)
    assert root is not None or found or not text.strip() or "#" in text or "%" in text
    lines = lines_of(text)
    for one in found:
        assert 1 <= one.line <= len(lines) + 1
        assert 1 <= one.column <= len([*lines, ""][one.line - 1]) + 1
        assert one.hint or one.code == "duplicate-key"
        assert "invalid YAML" not in one.message
