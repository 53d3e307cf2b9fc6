"""Warnings about specs without mistakes: what nothing uses, at its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.spec.load import check, lint
from support.wrong_specs import HEAD, SCRIPT, STILL

ROOT = Path(__file__).parents[3]
OUT = 'outputs: {still: "${{ steps.still.asset }}"}\n'
DRAFT = "  draft:\n    uses: generate\n    with: {model: z-image, prompt: a lamp}\n"
MESSAGE = "  still: {uses: chat, with: {model: gpt-5-2-chat, message: TEXT}}\n"
TEXT = 'outputs: {text: "${{ steps.still.text }}"}\n'
ONE = "'${{ inputs.b }}'"
ALL = "'${{ inputs | json }}'"
CALL = "  call:\n    uses: notify\n    with: {url: https://a.b/c}\n"


def warnings_of(marked: str) -> tuple[list[tuple[int, int, str]], list[tuple[int, int, str]]]:
    """Places and codes as marked by ☞code☞, and as found."""
    parts = re.split(r"☞([a-z-]+)☞", marked)
    text, expected = parts[0], []
    for code, rest in zip(parts[1::2], parts[2::2], strict=True):
        expected.append((text.count("\n") + 1, len(text) - text.rfind("\n"), code))
        text += rest
    workflow, problems = check(text, file="spec.yaml", catalogue=shipped())
    assert workflow is not None, "\n".join(map(str, problems))
    found = lint(text, file="spec.yaml", workflow=workflow)
    assert all(one.hint for one in found)
    return expected, [(one.line, one.column, one.code) for one in found]


LINTED = {
    "no outputs": f"☞no-outputs☞{HEAD}steps:\n{STILL}",
    "a callback takes what there is": f"{HEAD}steps:\n{STILL}{CALL}",
    "a step": f"{HEAD}steps:\n{STILL}  ☞unused-step☞{DRAFT.lstrip()}{OUT}",
    "a step that only its own rounds read": f"{HEAD}steps:\n{STILL}  ☞unused-step☞{DRAFT.lstrip()}"
    f"    repeat: {{until: '${{{{ steps.draft.asset.width > 9 }}}}', at_most: 2}}\n{OUT}",
    "a pick": f"{HEAD}steps:\n{STILL}{DRAFT}  ☞unused-step☞chosen:\n    uses: pick\n"
    f"    with: {{from: ['${{{{ steps.draft }}}}']}}\n{OUT}",
    "a step that is needed": f"{HEAD}steps:\n{DRAFT}{STILL}    needs: [draft]\n{OUT}",
    "a step at the end, which no output can name": f"{HEAD}steps:\n{STILL}finally:\n{DRAFT}on_failure:\n"
    f"{DRAFT.replace('draft', 'other')}{OUT}",
    "a text as a whole condition":
    f"{HEAD}steps:\n{SCRIPT}{STILL}    if: ☞text-condition☞${{{{ steps.script.json.visual }}}}\n{OUT}",
    "a text that is compared":
    f"{HEAD}steps:\n{SCRIPT}{STILL}    if: ${{{{ steps.script.json.visual != '' }}}}\n{OUT}",
    "a step whose status is read":
    f"{HEAD}steps:\n{STILL}{DRAFT}    if: ${{{{ steps.still.status == 'failed' }}}}\n"
    "outputs: {still: '${{ steps.draft.asset | default(steps.still.asset) }}'}\n",
    "an input": f"{HEAD}inputs: {{☞unused-input☞a: {{type: string}}, b: {{type: string}}, c: {{type: string}}}}\n"
    f"labels: {{c: '${{{{ inputs.c }}}}'}}\nsteps:\n{STILL.replace('a lamp', ONE)}{OUT}",
    "an empty default": f"{HEAD}inputs:\n  a: {{type: string, ☞empty-default☞default: }}\n"
    f"  b: {{type: date, required: false, default: }}\nsteps:\n{STILL.replace('a lamp', ALL)}{OUT}",
    "an exclude of a value that the default lacks":
    f"{HEAD}inputs: {{b: {{type: list, of: string, default: [Bergen, Turku]}}}}\nsteps:\n{STILL}    matrix:\n"
    "      city: ${{ inputs.b }}\n      exclude: [{city: Turku}, {city: ☞useless-exclude☞Oslo}]\n"
    "outputs: {still: '${{ steps.still.assets }}'}\n",
    "braces without a dollar sign":
    f"{HEAD}inputs: {{b: {{type: string}}}}\nsteps:\n"
    + MESSAGE.replace("TEXT", '"a ${{ inputs.b }} ☞plain-braces☞{{ b }} on {{c | upper}}"') + TEXT,
    "braces that hold no name, or that an expression writes":
    f"{HEAD}steps:\n" + MESSAGE.replace("TEXT", """'{{}} {{1}} {{"a"}} ${{ "{{ a }}" }}'""") + TEXT,
    "braces that a receiver fills in":
    f"{HEAD}steps:\n{STILL}" + CALL.replace("c}", "c, body: '{{ name }}'}") + OUT,
    "an output, and a step after it, of the first round of a review":
    f"{HEAD}steps:\n{STILL}  sign_off:\n    uses: review\n"
    "    with: {media: '${{ steps.still.asset }}', changes: {redo: [still]}}\n"
    "  film:\n    uses: generate\n    needs: [sign_off]\n"
    "    with: {model: veo3-1-lite, prompt: x, references: ☞first-round☞['${{ steps.still.asset }}']}\n"
    "outputs: {a: '${{ steps.film.asset }}', b: ☞first-round☞'${{ steps.still.asset }}', c: '${{ steps.sign_off.media }}'}\n",
    "all inputs at once":
    f"{HEAD}inputs: {{a: {{type: string}}}}\nsteps:\n{STILL.replace('a lamp', ALL)}{OUT}",
}  # fmt: skip


@pytest.mark.parametrize("marked", LINTED.values(), ids=LINTED)
def test_what_nothing_uses_is_told_at_its_place_and_nothing_else(marked: str) -> None:
    expected, found = warnings_of(marked)
    assert found == expected


def test_examples_of_the_docs_have_no_warnings() -> None:
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for text in re.findall(
            r"^```yaml[^\n]*\n(version:.*?)^```", page.read_text("utf-8"), re.M | re.S
        ):
            workflow, _ = check(text, file=page.name, catalogue=shipped())
            if workflow is not None and page.name != "errors.md":
                assert lint(text, file=str(page), workflow=workflow) == ()
