"""Fixes: what is certain is written, everything else stays byte for byte, and a guess is never made."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.fixes import Fixed, fixed
from rivya_flows.spec.load import check as check_spec
from support.wrong_specs import WRONG, diagnostics_of

ROOT = Path(__file__).parents[2]
SPECS = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "specs").glob("*.yaml"))}
GUIDE = (ROOT / "docs" / "reference" / "errors.md").read_text("utf-8")
EVERY = [text.replace("☞", "") for _, text, _ in WRONG.values()]
HEAD = "version: 1\nname: test\n"
STEP = "steps:\n  still:\n    uses: generate\n    with: {model: z-image, prompt: a lamp}\n"
GOOD = HEAD + "inputs:\n  product: {type: string, default: lamp}\n" + STEP
FILM = "steps:\n  film:\n    uses: compose\n    with: {clips: [a.mp4], "


def check(text: str) -> tuple[Diagnostic, ...]:
    return check_spec(text, file="spec.yaml", catalogue=shipped(), folder=ROOT / "specs")[1]


def fix(text: str) -> Fixed:
    return fixed(text, "spec.yaml", check)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("titel: A lamp", "title: A lamp"),
        ('"titel": A lamp  # for us', '"title": A lamp  # for us'),
        ("cache: spce", "cache: spec"),
        ("budget: {credits: 40 credits}", "budget: {credits: 40}"),
        ("budget: {credits: '40'}", "budget: {credits: 40}"),
        ("budget: {credits: 40, warn_at: 80%}", "budget: {credits: 40, warn_at: 0.8}"),
        ("defaults: {generate: {timeout: 20 min}}", "defaults: {generate: {timeout: 20m}}"),
        (
            "defaults: {generate: {timeout: 1 hour and 30 minutes}}",
            "defaults: {generate: {timeout: 1h30m}}",
        ),
        ("title: 2026", 'title: "2026"'),
        ("title: 012", 'title: "012"'),
        ("title: true", 'title: "true"'),
        (
            "outputs: {still: ${{ steps.still.asset }}}",
            'outputs: {still: "${{ steps.still.asset }}"}',
        ),
        (
            "outputs: {still: ${{ steps['still'].asset }}, again: ${{ steps.still.asset }}}",
            "outputs: {still: \"${{ steps['still'].asset }}\", again: \"${{ steps.still.asset }}\"}",
        ),
        ('outputs: {still: ${{ steps["still"].asset }}}', None),
        ("outputs: {still: '${{ steps.stil.asset }}'}", "outputs: {still: '${{ steps.still.asset }}'}"),
        ("outputs:\n  still: ${{ step.still.asset }}", "outputs:\n  still: ${{ steps.still.asset }}"),
    ],
)  # fmt: skip
def test_what_is_certain_is_written(wrong: str, right: str | None) -> None:
    right = right or wrong.replace("${{", "'${{").replace("}}}", "}}'}")
    found = fix(f"{GOOD}{wrong}\n")
    assert found.text == f"{GOOD}{right}\n"
    assert check(found.text) == ()
    assert all(one.fix for one in found.applied)


def test_a_type_by_its_name_in_python_is_fixed() -> None:
    assert fix(GOOD.replace("type: string", "type: str")).text == GOOD


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("{model: z-imge, prompt: a lamp}", "{model: z-image, prompt: a lamp}"),
        ("{modle: z-imge, prompt: a lamp}", "{model: z-image, prompt: a lamp}"),
        (
            "{model: z-image, prompt: a lamp, params: {aspectRatio: 16x9}}",
            '{model: z-image, prompt: a lamp, params: {aspect_ratio: "16:9"}}',
        ),
        (
            "{model: z-image, prompt: 'a ${{ inputs.prodct }}'}",
            "{model: z-image, prompt: 'a ${{ inputs.product }}'}",
        ),
        ("{model: z-image, prompt: 2026}", '{model: z-image, prompt: "2026"}'),
    ],
)
def test_requests_are_fixed(wrong: str, right: str) -> None:
    head = GOOD.partition("{model")[0]
    assert fix(f"{head}{wrong}\n").text == f"{head}{right}\n"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ('transition: {kind: fade, seconds: "0.5s"}}', "transition: {kind: fade, seconds: 0.5}}"),
        ("transition: {kind: fade, seconds: 400ms}}", "transition: {kind: fade, seconds: 0.4}}"),
        ("loudness: -16 LUFS}", "loudness: -16}"),
        ("music: {audio: a.mp3, duck: yes}}", "music: {audio: a.mp3, duck: true}}"),
    ],
)
def test_units_and_words_for_yes_and_no_are_fixed_in_a_film(wrong: str, right: str) -> None:
    assert fixed(f"{HEAD}{FILM}{wrong}\n", "spec.yaml", diagnostics_of).text == (
        f"{HEAD}{FILM}{right}\n"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(GOOD.replace("z-image", "z-image-2"), id="another version of a model"),
        pytest.param(GOOD.replace("z-image", "veo3-1"), id="the beginning of a model"),
        pytest.param(GOOD + "titel: a\ntitle: b\n", id="a key that is there already"),
        pytest.param(GOOD + "budget: {credits: about 40}\n", id="a number in words"),
        pytest.param(GOOD + "defaults: {generate: {timeout: 5 moons}}\n", id="an unknown unit"),
        pytest.param(GOOD + "defaults: {generate: {timeout: 5 min 1 hour}}\n", id="odd order"),
        pytest.param(GOOD + "outputs: {a: 'steps.still.asset'}\nlabels: 5\n", id="another type"),
        pytest.param(
            GOOD.replace("a lamp}", "a lamp, ${{ inputs.product }}, bright}"), id="a text with commas"
        ),
        pytest.param(
            GOOD.replace("prompt: a lamp", "prompt: '{{ inputs.product }}'"), id="a prompt"
        ),
        pytest.param(
            GOOD + "outputs: {a: \"${{ 'steps.stil' ~ steps.stil.text }}\"}\n",
            id="a name that is in a string too",
        ),
        pytest.param(
            GOOD.replace("prompt: a lamp", "prompt: a lamp, params: {aspect_ratio: '1:1'}")
            + "    fallback: [{m5del: seedream-5-lite, params: {aspectRatio: '1:1'}}]\n",
            id="a parameter of a model whose key is wrong",
        ),
        pytest.param(
            GOOD + "x-a: &a 5\ntitle: *a\ndescription: *a\n", id="a value with other uses"
        ),
        pytest.param(
            GOOD.replace("steps:", "steps:\n  stall:\n    uses: generate\n    with: {model: z-image, prompt: b}")
            + "outputs: {a: '${{ steps.stoll.asset }}'}\n",
            id="a name as near to another",
        ),
        pytest.param(
            GOOD.replace("{model: z-image", "{model: '${{ matrix.model }}'").replace(
                "    uses", "    matrix: {model: [z-image, z-imge]}\n    uses"
            ),
            id="one of the values of an expression",
        ),
    ],
)  # fmt: skip
def test_a_guess_is_never_made(wrong: str) -> None:
    assert check(wrong)
    assert fix(wrong) == Fixed(wrong, ())


def test_each_mistake_of_a_name_in_one_expression_is_fixed() -> None:
    found = fix(GOOD + "outputs: {a: '${{ steps.stil.asset.url ~ steps.stil.asset.url }}'}\n")
    assert "steps.still.asset.url ~ steps.still.asset.url" in found.text
    assert len(found.applied) == 2


def test_a_fix_that_shows_more_mistakes_than_before_is_not_applied() -> None:
    wrong = GOOD + "outptus:\n  a: ${{ steps.x.y }}\n  b: ${{ steps.z.y }}\n"
    assert fix(wrong) == Fixed(wrong, ())


def test_mistakes_of_another_file_are_not_fixed() -> None:
    wrong = GOOD.replace("z-image", "z-imge")
    assert fixed(wrong, "other.yaml", check) == Fixed(wrong, ())


def test_the_guide_to_errors_lists_the_codes_that_have_a_fix() -> None:
    line = next(
        line for line in GUIDE.split("\n\n") if "check --fix" in line and "`wrong-type`" in line
    )
    listed = set(re.findall(r"`([a-z]+-[a-z-]+)`", line)) - {"rivya-flows"}
    given = {one.code for wrong in EVERY for one in diagnostics_of(wrong) if one.fix}
    more = (GOOD + "outputs: {a: '${{ step.still.asset }}'}\n", GOOD + "outputs: {a: ${{ inputs.product }}}\n",
            GOOD + "defaults: {generate: {timeout: 5 min}}\n",
            GOOD.replace("generate", "chat").replace("a lamp}", "a lamp, expect: {a: strng}}"),
            GOOD.replace("a lamp}", "a lamp, params: {aspect_ratio: 16x9}}"))  # fmt: skip
    given |= {one.code for wrong in more for one in check(wrong) if one.fix}
    assert listed == given


WORD = re.compile(
    r"(?m)\b(uses|with|model|prompt|params|title|default|values|matrix|foreach|timeout|budget|credits|expect"
    r"|message|outputs|clips|captions|fallback|criteria|rounds|aspect_ratio|seconds|allow_failures):(?!\s+\{?type:)"
    r"|(?:model|uses|type|kind|mode|cache|position): ([\w.-]{3,})"
    r"|(?:steps|inputs|matrix)\.([a-z_]{3,})"
)
"""Keys, choices and names that a mistake is made in; not names that the spec gives itself."""


@st.composite
def mistaken(draw: st.DrawFn) -> tuple[str, str]:
    """A spec of the repository, and the same with some letters lost, doubled or swapped."""
    good = draw(st.sampled_from(list(SPECS.values())))
    words = [found.span(found.lastindex or 0) for found in WORD.finditer(good)]
    text = good
    for start, end in sorted(draw(st.sets(st.sampled_from(words), max_size=4)), reverse=True):
        at = draw(st.integers(start, end - 2))
        pair = text[at : at + 2]
        pair = draw(st.sampled_from([pair[0], pair[1], pair[0] + pair, pair[::-1]]))
        text = text[:at] + pair + text[at + 2 :]
    if draw(st.booleans()):
        return good.replace("\n", "\r\n"), text.replace("\n", "\r\n")
    return good, text


def differences(one: str, other: str) -> set[int]:
    lines = zip(one.split("\n"), other.split("\n"), strict=True)
    return {number for number, (was, now) in enumerate(lines, 1) if was != now}


def comments(text: str) -> list[str]:
    return re.findall(r"(?m)(?:^|\s)(#.*)$", text)


@given(mistaken())
def test_fixes_change_what_they_say_and_make_nothing_worse(specs: tuple[str, str]) -> None:
    good, wrong = specs
    found = fix(wrong)
    assert fix(found.text) == Fixed(found.text, ())
    assert differences(wrong, found.text) == {one.line for one in found.applied}
    assert comments(found.text) == comments(wrong)
    assert len(check(found.text)) <= len(check(wrong))
    # What was fixed is as it was before the mistake was made.
    assert differences(good, found.text) <= differences(good, wrong)


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_without_mistakes_stays_as_it_is(name: str) -> None:
    assert fix(SPECS[name]) == Fixed(SPECS[name], ())


@pytest.mark.parametrize("wrong", EVERY)
def test_a_wrong_spec_has_no_more_mistakes_after_its_fixes(wrong: str) -> None:
    found = fixed(wrong, "spec.yaml", diagnostics_of)
    if found.applied and not any(one.code == "unquoted-expression" for one in found.applied):
        assert len(diagnostics_of(found.text)) <= len(diagnostics_of(wrong))
    assert fixed(found.text, "spec.yaml", diagnostics_of) == Fixed(found.text, ())
