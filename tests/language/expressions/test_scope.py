"""The names that each value of a spec can use."""

from __future__ import annotations

from rivya_flows.catalogue.snapshot import shipped
from rivya_flows.language.load import check


def test_names_of_loops_are_known_inside_them() -> None:
    text = """
version: 1
name: test
inputs:
  shots: {type: list, default: [{text: a, seconds: 4}]}
steps:
  stills:
    uses: generate
    matrix:
      style: [neon, noir]
      include: [{style: neon, mood: calm}]
    with: {model: z-image, prompt: "${{ matrix.style }} ${{ matrix.mood | default('') }}"}
  films:
    uses: generate
    foreach: ${{ steps.stills.items }}
    with:
      model: veo3-1-lite
      prompt: "slow, ${{ item.key }}"
      references: ["${{ item.asset }}"]
  pairs:
    uses: generate
    zip: {a: [1, 2], b: [x, y]}
    with: {model: z-image, prompt: "${{ zip.a }} ${{ zip.b }}"}
  texts:
    uses: generate
    foreach: ${{ inputs.shots }}
    as: shot
    key: ${{ shot.text }}
    if: ${{ shot.seconds > 3 }}
    with: {model: z-image, prompt: "${{ shot.text }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.films.items }}"}
  spot:
    uses: compose
    if: ${{ steps.hero.item.status == 'completed' }}
    with:
      video: ${{ steps.hero.item.asset }}
outputs:
  one: ${{ steps.stills.by['neon, calm'].asset }}
  all: ${{ steps.stills.assets + steps.films.assets }}
"""
    assert check(text, file="a.yaml", catalogue=shipped())[1] == ()
    wrong = text.replace('item.asset }}"]', 'item.film }}"]', 1)
    problems = check(wrong, file="a.yaml", catalogue=shipped())[1]
    assert [problem.code for problem in problems] == ["unknown-field"]
