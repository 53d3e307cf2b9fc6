"""Checks of `fallback`: each mistake at its place, with the fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.spec_schema import errors_of
from support.wrong_specs import diagnostics_of

RIGHT = """
version: 1
name: right
brand: {name: Aurora, prompt: matte black}
inputs: {word: {type: string, default: neon}}
steps:
  idea:
    uses: chat
    with: {model: gpt-5-2-chat, message: A lamp}
  stills:
    uses: generate
    matrix: {style: [studio, neon], model: [z-image, seedream-5-lite]}
    with: {model: "${{ matrix.model }}", prompt: "a lamp, ${{ matrix.style }}", brand: false}
    regenerate: 1
    fallback:
"""
FALLBACKS_THAT_FIT = [
    "{model: seedream-5-lite}",
    '{prompt: "${{ steps.idea.text }}, ${{ inputs.word }}, ${{ matrix.style }}"}',
    "{model: nano-banana-2, params: {resolution: 2K}, references: ['https://a.b/c.png']}",
    "{brand: true}",
    "{model: '${{ matrix.model }}', x-why: the first refuses swimwear}",
]


@pytest.mark.parametrize("fallback", FALLBACKS_THAT_FIT)
def test_a_fallback_may_change_a_part_of_the_request(fallback: str) -> None:
    text = f"{RIGHT}      - {fallback}\n"
    assert diagnostics_of(text) == ()
    assert errors_of(text) == []


def test_a_mistake_of_the_step_is_not_told_again_for_its_fallbacks() -> None:
    text = RIGHT.replace("brand: false", "params: {ratio: 5}") + "      - {brand: true}\n"
    text += "      - {prompt: a lamp}\n"
    assert len(diagnostics_of(text)) == 2  # one for each model of the matrix


def test_words_of_the_brand_count_in_a_fallback_too() -> None:
    prompt = "x" * 995
    still = f"    with: {{model: z-image, prompt: {prompt}, brand: false}}"
    text = "version: 1\nname: long\nbrand: {name: Aurora, prompt: matte black}\nsteps:\n"
    text += f"  still:\n    uses: generate\n{still}\n    fallback: [{{brand: true}}]\n"
    [found] = diagnostics_of(text)
    assert found.code == "prompt-too-long"
    assert "the brand adds" in found.message


def test_files_of_a_fallback_are_looked_for(tmp_path: Path) -> None:
    text = RIGHT + "      - {model: nano-banana-2, references: [photos/none.png]}\n"
    [found] = diagnostics_of(text, tmp_path)
    assert (found.code, found.line) == ("bad-file", 16)
