"""Comparisons that no run can make true, and conditions that can never hold."""

from __future__ import annotations

import pytest

from support.wrong_specs import HEAD, STILL, assert_one_diagnostic, diagnostics_of

INPUTS = "inputs:\n  tone: {type: enum, values: [warm, cold], required: false}\n  n: {type: enum, values: [1, 2], default: 1}\n"
ENDS = "it can be: completed, cached, skipped, failed"


def spec(condition: str, *, more: str = "", prompt: str = "a lamp") -> str:
    return (
        HEAD + INPUTS + "steps:\n" + STILL + f"  b:\n    uses: generate\n{more}"
        f"    if: ${{{{ {condition} }}}}\n    with: {{model: z-image, prompt: '{prompt}'}}\n"
    )


MATRIX = "    matrix: {style: [neon, studio], size: [1, 2], include: [{style: flat}]}\n"
WRONG = {
    "another word": ("☞steps.still.status == 'success'", "", f"did you mean 'completed'? {ENDS}"),
    "an error": ("☞steps.still.status == 'Error'", "", f"did you mean 'failed'? {ENDS}"),
    "a typo": ("'fialed' != ☞steps.still.status", "", "did you mean 'failed'? there are: "),
    "one of a list": ("☞steps.still.status in ['cached', 'done']", "", "did you mean 'completed'? "),
    "one side": ("inputs.tone or ☞steps.still.status == 'ok'", "", f"did you mean 'completed'? {ENDS}"),
    "in a branch": ("'x' if ☞inputs.tone == 'hot' else ''", "", "there are: warm, cold"),
    "an enum": ("☞inputs.tone == 'colt'", "", "did you mean 'cold'? there are: warm, cold"),
    "another type": ("☞inputs.n == '1'", "", "there are: 1, 2"),
    "an axis": ("☞matrix.style == 'neo'", MATRIX, "did you mean 'neon'? there are: neon, studio, flat"),
    "a text and a number": ("☞steps.still.credits == '0'", "", "write the number without quotes"),
    "a picture and a text": ("'' != ☞steps.still.asset", "", "compare it with a value of its type"),
    "a zip": ("☞zip.a == 'c'", "    zip: {a: [d, e]}\n", "there are: d, e"),
}  # fmt: skip


@pytest.mark.parametrize(("condition", "more", "hint"), WRONG.values(), ids=WRONG)
def test_a_value_that_never_occurs_is_told_at_its_name(
    condition: str, more: str, hint: str
) -> None:
    marked = spec(condition, more=more)
    [found] = diagnostics_of(marked.replace("☞", ""))
    assert (found.code, found.line) == ("useless-condition", marked.split("☞")[0].count("\n") + 1)
    assert (found.hint or "").startswith(hint)
    assert found.source[found.column - 1 :].startswith(("steps.", "inputs.", "matrix.", "zip."))


@pytest.mark.parametrize(
    ("condition", "more"),
    [
        ("steps.still.status == 'failed'", ""),
        ("steps.still.status in ['completed', 'cached']", ""),
        ("inputs.tone == none or inputs.tone != 'warm'", ""),
        ("inputs.n == 1.0", ""),
        ("inputs.tone > 'a'", ""),
        ("matrix.style == 'flat' and matrix.size == 2", MATRIX),
        ("matrix.style == 'x'", '    matrix: {style: [a, "${{ inputs.tone }}"]}\n'),
        (
            "matrix.size ~ '' == 'big' or matrix.size == 'big'",
            "    matrix: {size: [1], include: [{size: big}]}\n",
        ),
        ("inputs.n == true or steps.still.credits == 1.5", ""),
        ("matrix.style == 'x'", '    matrix: {style: [a], include: "${{ [{}] }}"}\n'),
        ("matrix.style[inputs.n] == 'x'", "    matrix: {style: [[neon, studio]]}\n"),
    ],
)
def test_what_may_hold_is_left_alone(condition: str, more: str) -> None:
    assert diagnostics_of(spec(condition, more=more)) == ()


@pytest.mark.parametrize(
    "key",
    ["matrix.style", "inputs.tone or 'neon'", "inputs.tone ~ ''", "'neon' ~ inputs.n", "matrix.style | int",
     "('ne' ~ 'on') | lower", "matrix.style ~ matrix.size"],
)  # fmt: skip
def test_a_computed_key_that_may_exist_is_left_alone(key: str) -> None:
    keys = "{'neon': 1, 'warm': 2, 'neon1': 3, 'studio2': 4}"
    prompt = f"${{{{ {keys}[{key}] }}}}".replace("'", "''")
    assert diagnostics_of(spec("inputs.tone", more=MATRIX, prompt=prompt)) == ()


NEEDS = "    needs: [still]\n"
NEVER = {
    "also its asset": ("☞steps.still.status == 'failed'", "", "a ${{ steps.still.credits }}"),
    "needs": ("☞steps.still.status == 'failed'", NEEDS, "a"),
    "and more": ("inputs.tone and ☞steps.still.status == 'failed'", NEEDS, "a"),
    "not": ("not ☞steps.still.status in ['completed', 'cached', 'skipped']", NEEDS, "a"),
}


@pytest.mark.parametrize(("condition", "more", "prompt"), NEVER.values(), ids=NEVER)
def test_the_failure_of_a_step_with_which_the_step_is_skipped_never_holds(
    condition: str, more: str, prompt: str
) -> None:
    marked = spec(condition, more=more, prompt=prompt)
    hint = "read nothing of 'still' but its status, or move the step to `on_failure`"
    assert_one_diagnostic("useless-condition", marked, hint)


def test_a_condition_that_other_ends_make_true_is_left_alone() -> None:
    for condition in (
        "steps.still.status == 'failed' or inputs.tone",
        "steps.still.status != 'completed'",
    ):
        assert diagnostics_of(spec(condition, more=NEEDS)) == ()
    # A later part sees the failed step.
    text = spec("steps.still.status == 'failed'", prompt="a ${{ steps.still.credits }}")
    assert diagnostics_of(text.replace("  b:\n", "on_failure:\n  b:\n")) == ()


def test_a_status_that_cannot_be_compared_is_said_at_its_place() -> None:
    text = spec("steps.still.status > 3", prompt="${{ steps.still.asset.url }}")
    assert [one.code for one in diagnostics_of(text)] == ["wrong-type"]
