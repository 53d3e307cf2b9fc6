"""What is told of text that is no YAML: where it went wrong, and what to write instead."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from rivya_flows.language.syntax.source import read
from rivya_flows.language.syntax.tree import lines_of

WRONG = {
    'tab indent': ('steps:\n☞\tstill:\n\t\tuses: x\n', 'tab', 'a tab cannot indent in YAML', 'use spaces'),
    'tab after dash': ('inputs:\n  a:\n    type: enum\n    values:\n      -☞\tx\nsteps: {}\n', 'tab', 'a tab cannot indent in YAML', 'use spaces'),
    'colon in text': ('title: Launch☞: the lamp\nsteps: {}\n', 'yaml-syntax', 'a colon stands where no key can be', 'a text that holds `: ` needs quotes'),
    'colon at end': ('title: Launch☞:\nsteps: {}\n', 'yaml-syntax', 'a colon stands where no key can be', 'a text that holds `: ` needs quotes'),
    'bad dedent': ('steps:\n  still:\n    uses: generate\n   ☞with: {model: z-image}\n', 'yaml-syntax', 'this line begins in a column where no line above it begins', 'indent it as its neighbours'),
    'over indent': ('steps:\n  still:\n    uses: generate\n      ☞with: {model: z-image}\n', 'yaml-syntax', 'this line is indented so that it goes on with the text above it', 'indent it as its neighbours'),
    'over indent key': ('title: x\n  ☞budget: {credits: 5}\nsteps: {}\n', 'yaml-syntax', 'this line is indented so that it goes on with the text above it', 'indent it as its neighbours'),
    'multi line plain colon': ('description: a\n  ☞b: c\nsteps: {}\n', 'yaml-syntax', 'this line is indented so that it goes on with the text above it', 'indent it as its neighbours'),
    'first key indented': (' a: 1\n☞b: 2\n', 'yaml-syntax', 'this line is indented less than the first one', 'begin both in the same column'),
    'unclosed double': ('title: ☞"Launch\nsteps: {}\n', 'yaml-syntax', 'this quote is never closed', 'end the text with "'),
    'unclosed single': ("title: ☞'Launch\nsteps: {}\n", 'yaml-syntax', 'this quote is never closed', "end the text with '"),
    'apostrophe': ("title: 'It'☞s a lamp'\nsteps: {}\n", 'yaml-syntax', 'the text goes on after its closing quote', "write a quote inside the text as '', or put all of it in quotes"),
    'inner double': ('title: "The "☞best" lamp"\nsteps: {}\n', 'yaml-syntax', 'the text goes on after its closing quote', 'write a quote inside the text as \\", or put all of it in quotes'),
    'quote begins': ('title: "Best" ☞lamp\nsteps: {}\n', 'yaml-syntax', 'the text goes on after its closing quote', 'write a quote inside the text as \\", or put all of it in quotes'),
    'bad escape': ('title: "C:☞\\path"\nsteps: {}\n', 'yaml-syntax', 'a backslash in double quotes begins no sign here', 'write \\\\ for a backslash, or put the text in single quotes'),
    'unclosed flow map': ('budget: ☞{credits: 5\nsteps: {}\n', 'yaml-syntax', 'this { is never closed', 'end it with }'),
    'unclosed flow seq': ('inputs: {a: {type: enum, values: [a, b☞}}\nsteps: {}\n', 'yaml-syntax', '] is missing before this }', 'close the [ first'),
    'extra close': ('budget: {credits: 5}☞}\nsteps: {}\n', 'yaml-syntax', 'this } closes nothing', 'take it out'),
    'missing comma': ('budget: {credits: 5 warn_at☞: 0.5}\nsteps: {}\n', 'yaml-syntax', 'a comma or } is missing before this', 'put a comma between two entries, and quotes round a text that holds `: `'),
    'missing comma list2': ("inputs: {a: {type: enum, values: ['a' ☞'b']}}\nsteps: {}\n", 'yaml-syntax', 'a comma or ] is missing before this', 'put a comma between two entries, and ] at the end'),
    'colon in flow': ('inputs: {a: {type: string, default: Launch☞: x}}\nsteps: {}\n', 'yaml-syntax', 'a comma or } is missing before this', 'put a comma between two entries, and quotes round a text that holds `: `'),
    'json comments': ('☞{"version": 1, // c\n "name": "test"}', 'yaml-syntax', 'this { is never closed', 'end it with }'),
    'json with trailing': ('☞{"version": 1, "name": "test", "steps": {"a": {"uses": "compose", "with": {"video": "x"}},}', 'yaml-syntax', 'this { is never closed', 'end it with }'),
    'at': ('title: ☞@home\nsteps: {}\n', 'yaml-syntax', "'@' cannot begin a text", 'put the text in quotes'),
    'percent': ('title: ☞%x\nsteps: {}\n', 'yaml-syntax', "'%' cannot begin a text", 'put the text in quotes'),
    'percent at line': ('☞%x\nsteps: {}\n', 'yaml-syntax', 'a line that begins with % is an order to the parser', 'take the % out'),
    'star': ('title: ☞*best* lamp\nsteps: {}\n', 'yaml-syntax', "'*' cannot begin a text", 'put the text in quotes'),
    'amp': ('title: ☞& more\nsteps: {}\n', 'yaml-syntax', "'&' cannot begin a text", 'put the text in quotes'),
    'comma': ('title: ☞, x\nsteps: {}\n', 'yaml-syntax', "',' cannot begin a text", 'put the text in quotes'),
    'bracket text': ('title: [Launch] ☞the lamp\nsteps: {}\n', 'yaml-syntax', 'the text goes on after its closing bracket', 'put all of it in quotes'),
    'brace text': ('title: {Launch} ☞the lamp\nsteps: {}\n', 'yaml-syntax', 'the text goes on after its closing bracket', 'put all of it in quotes'),
    'pipe bad': ('title: |☞x\n  a\nsteps: {}\n', 'yaml-syntax', 'nothing can stand here after | or >', 'begin the text in the next line, indented'),
    'fold bad': ('title: > ☞a\nsteps: {}\n', 'yaml-syntax', 'nothing can stand here after | or >', 'begin the text in the next line, indented'),
    'block less indented': ('description: |\n  a\n ☞b\nsteps: {}\n', 'yaml-syntax', 'this line begins in a column where no line above it begins', 'indent it as its neighbours'),
    'no colon': ('steps\n☞steps: {}\n', 'yaml-syntax', 'this line is indented so that it goes on with the text above it', 'indent it as its neighbours'),
    'no space after colon': ('title☞:x\nsteps: {}\n', 'yaml-syntax', 'there is no space after this colon', 'write `title: …`'),
    'no space after colon2': ('steps:\n  still:\n    uses☞:generate\n    with: {model: z-image}\n', 'yaml-syntax', 'there is no space after this colon', 'write `uses: …`'),
    'equal': ('title = x\n☞steps: {}\n', 'yaml-syntax', 'this line is indented so that it goes on with the text above it', 'indent it as its neighbours'),
    'long key': ('kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk☞: 1\n', 'yaml-syntax', 'a colon stands where no key can be', 'a text that holds `: ` needs quotes'),
    'flow expr': ('steps:\n  still:\n    uses: generate\n    with: {model: z-image, prompt: a lamp}\noutputs: {a: ☞${{ steps.still.asset }}}\n', 'unquoted-expression', 'an expression inside { } or [ ] needs quotes', 'inside { } and [ ] write "${{ … }}" with quotes'),
    'flow expr text': ('steps:\n  a:\n    uses: generate\n    with: {model: z-image, prompt: a ☞${{ inputs.x }}}\n', 'unquoted-expression', 'an expression inside { } or [ ] needs quotes', 'inside { } and [ ] write "${{ … }}" with quotes'),
    'flow expr multi': ('steps:\n  a:\n    uses: generate\n    with: {model: z-image,\n      prompt: ☞${{ inputs.x }}}\n', 'unquoted-expression', 'an expression inside { } or [ ] needs quotes', 'inside { } and [ ] write "${{ … }}" with quotes'),
    'bare double braces': ('steps:\n  still:\n    uses: generate\n    with: {model: z-image, prompt: a lamp}\noutputs:\n  a: ☞{{ steps.still.asset }}\n', 'missing-dollar', 'an expression begins with a dollar', 'write ${{ … }}, inside { } and [ ] with quotes: "${{ … }}"'),
    'list and map': ('deploy:\n  - name: a\n  ☞name: b\nsteps: {}\n', 'yaml-syntax', 'a member of the list is expected here', 'begin it with `- `, or indent the line'),
    'dash list inline': ('deploy: ☞- name: a\nsteps: {}\n', 'yaml-syntax', 'a list cannot begin here', 'begin it in the next line, indented'),
    'ends': ('steps:\n  still:\n    uses: generate\n    with: {model: z-image, prompt: a lamp}\n...\n☞foo\n', 'yaml-syntax', 'the spec ended before this line', 'take `...` out'),
    'nbsp indent': ('steps:\n☞\xa0\xa0still:\n\xa0\xa0\xa0\xa0uses: generate\n', 'yaml-syntax', 'a space that is none of YAML stands before this key', 'write plain spaces; such ones come with text from a web page'),
    'smart quotes': ('title: “Launch☞: x”\nsteps: {}\n', 'yaml-syntax', 'a colon stands where no key can be', 'a text that holds `: ` needs quotes: " or \', since “ and ” are letters like any other'),
    'undefined alias': ('title: ☞*x\nsteps: {}\n', 'unknown-alias', 'no finished anchor &x stands before this alias', 'put a text that begins with * in quotes'),
    'bang': ('title: ☞!important\nsteps: {}\n', 'tag', "the tag '!important' is not allowed", 'take it out, or put a text that begins with ! in quotes'),
}  # fmt: skip
"""Text with the ☞ where the diagnostic must point; code, message, hint."""


@pytest.mark.parametrize(("marked", "code", "message", "hint"), WRONG.values(), ids=WRONG.keys())
def test_complaint_points_at_the_cause_and_says_the_fix(
    marked: str, code: str, message: str, hint: str
) -> None:
    before, _, after = marked.partition("☞")
    _, found = read(before + after)
    place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
    assert [(one.line, one.column) for one in found] == [place]
    assert [(one.code, one.message, one.hint) for one in found] == [(code, message, hint)]


PIECES = ["a", "b", ":", ": ", "- ", "-", "\n", "  ", "\t", "{", "}", "[", "]", ",", "'", '"', "${{ a }}",
          "{{", "|", ">", "&x", "*x", "!", "#", "?", "%", "@", "...", "---", "\\", "<<"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_every_mistake_has_a_place_in_the_text_and_a_hint(text: str) -> None:
    _, found = read(text)
    lines = lines_of(text)
    for one in found:
        assert 1 <= one.line <= len(lines) + 1
        assert 1 <= one.column <= len([*lines, ""][one.line - 1]) + 1
        assert one.hint or one.code == "duplicate-key"
        assert "this is not YAML" not in one.message
