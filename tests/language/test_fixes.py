"""Fixes: what is certain is written, everything else stays byte for byte, and a guess is never made."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.diagnostic_report import Fixed, apply_fixes
from rivya_flows.spec.load import check as check_spec
from support.wrong_specs import HEAD, STILL, diagnostics_of

ROOT = Path(__file__).parents[2]
SPECS = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "specs").glob("*.yaml"))}
GOOD = f"{HEAD}inputs:\n  product: {{type: string, default: lamp}}\nsteps:\n{STILL}"


def check(text: str) -> tuple[Diagnostic, ...]:
    return check_spec(text, file="spec.yaml", catalogue=shipped(), folder=ROOT / "specs")[1]


def fix(text: str) -> Fixed:
    return apply_fixes(text, "spec.yaml", check)


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
        ("{model: z-image, prompt: a lamp, params: {aspectRatio: 16x9}}",
         '{model: z-image, prompt: a lamp, params: {aspect_ratio: "16:9"}}'),
        ("{model: z-image, prompt: '${{ inputs.prodct }}'}", "{model: z-image, prompt: '${{ inputs.product }}'}"),
        ("{model: z-image, prompt: 2026}", '{model: z-image, prompt: "2026"}'),
        ('{transition: {kind: fade, seconds: "0.5"}}', '{transition: {kind: fade, seconds: "0.5s"}}'),
        ("{transition: {kind: fade, seconds: 2 sec}}", "{transition: {kind: fade, seconds: 2s}}"),
        ("{transition: dissolve}", "{transition: dissolve}"),
        ("{loudness: -16 LUFS}", "{loudness: -16}"),
        ("{music: {media: a.mp3, duck: yes}}", "{music: {media: a.mp3, duck: true}}"),
    ],
)  # fmt: skip
def test_arguments_are_fixed(wrong: str, right: str) -> None:
    head = GOOD.partition("{model")[0]
    if "prompt" not in wrong:
        head = head.replace("generate", "compose")
        wrong, right = (one.replace("{", "{clips: [a.mp4], ", 1) for one in (wrong, right))
    assert apply_fixes(f"{head}{wrong}\n", "spec.yaml", diagnostics_of).text == f"{head}{right}\n"


GUESSES = {
    "another version of a model": GOOD.replace("z-image", "z-image-2"),
    "the beginning of a model": GOOD.replace("z-image", "veo3-1"),
    "a key that is there already": GOOD + "titel: a\ntitle: b\n",
    "a number in words": GOOD + "budget: {credits: about 40}\n",
    "an unknown unit": GOOD + "defaults: {generate: {timeout: 5 moons}}\n",
    "odd order": GOOD + "defaults: {generate: {timeout: 5 min 1 hour}}\n",
    "another type": GOOD + "outputs: {a: 'steps.still.asset'}\nlabels: 5\n",
    "a text with commas": GOOD.replace("a lamp}", "a lamp, ${{ inputs.product }}, bright}"),
    "a prompt": GOOD.replace("prompt: a lamp", "prompt: '{{ inputs.product }}'"),
    "a name that is in a string too": GOOD + "outputs: {a: \"${{ 'steps.stil' ~ steps.stil.text }}\"}\n",
    "a parameter of a model whose key is wrong": GOOD.replace("a lamp", "a lamp, params: {aspect_ratio: '1:1'}")
    + "    fallback: [{m5del: seedream-5-lite, params: {aspectRatio: '1:1'}}]\n",
    "a value with other uses": GOOD + "x-a: &a 5\ntitle: *a\ndescription: *a\n",
    "a name as near to another": GOOD + STILL.replace("still", "stall") + "outputs: {a: '${{ steps.stoll.asset }}'}\n",
    "one of the values of an expression": GOOD.replace("{model: z-image", "{model: '${{ matrix.model }}'").replace(
        "    uses", "    matrix: {model: [z-image, z-imge]}\n    uses"),
    "what would show more mistakes": GOOD + "outptus:\n  a: ${{ steps.x.y }}\n  b: ${{ steps.z.y }}\n",
}  # fmt: skip


@pytest.mark.parametrize("wrong", GUESSES.values(), ids=GUESSES)
def test_a_guess_is_never_made(wrong: str) -> None:
    assert check(wrong)
    assert fix(wrong) == Fixed(wrong, ())


def test_each_mistake_of_a_name_in_one_expression_is_fixed() -> None:
    found = fix(GOOD + "outputs: {a: '${{ steps.stil.asset.url ~ steps.stil.asset.url }}'}\n")
    assert "steps.still.asset.url ~ steps.still.asset.url" in found.text
    assert len(found.applied) == 2


def test_more_mistakes_than_are_shown_are_all_fixed_in_few_checks() -> None:
    steps = [STILL.replace("still", f"s{n}") + "    titel: x\n" for n in range(150)]
    checked = list[str]()

    def count(text: str) -> tuple[Diagnostic, ...]:
        checked.append(text)
        return check(text)

    found = apply_fixes(f"{HEAD}steps:\n{''.join(steps)}", "spec.yaml", count)
    assert (check(found.text), len(found.applied)) == ((), 150)
    assert len(checked) < 10


def test_mistakes_of_another_file_are_not_fixed() -> None:
    wrong = GOOD.replace("z-image", "z-imge")
    assert apply_fixes(wrong, "other.yaml", check) == Fixed(wrong, ())


WORD = re.compile(
    r"(?m)\b(uses|with|model|prompt|params|title|default|values|matrix|foreach|timeout|budget|credits|expect"
    r"|message|outputs|clips|captions|fallback|criteria|rounds|aspect_ratio|seconds|allow_failures):(?!\s+(?:\{?type:|string\b))"
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


def test_a_spec_without_mistakes_stays_as_it_is() -> None:
    assert [name for name, text in SPECS.items() if fix(text) != Fixed(text, ())] == []
