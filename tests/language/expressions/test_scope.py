"""The names that each value of a spec can use."""

from __future__ import annotations

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.spec.load import check
from rivya_flows.spec.names import NamesInScope, WrittenSpec

SPEC = """
version: 1
name: test
inputs:
  shots: {type: list, default: [{text: a, seconds: 4}]}
  more: {type: list, default: []}
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
    with: {model: veo3-1-lite, prompt: "slow, ${{ item.key }}", references: ["${{ item.asset }}"]}
  pairs: {uses: generate, zip: {a: [1, 2], b: [x, y]}, with: {model: z-image, prompt: "${{ zip.a }} ${{ zip.b }}"}}
  texts:
    uses: generate
    foreach: ${{ inputs.shots }}
    as: shot
    key: ${{ shot.text }}
    if: ${{ shot.seconds > 3 }}
    with: {model: z-image, prompt: "${{ shot.text }}"}
  grid:
    uses: generate
    matrix: {style: [neon, noir], ratio: ["9:16"], seconds: [4], asset: [x]}
    with: {model: z-image, prompt: "${{ matrix.style }}"}
  hero: {uses: pick, with: {from: "${{ steps.grid.items }}", count: 2}}
  open: {uses: generate, matrix: {style: [a], include: "${{ inputs.more }}"}, with: {model: z-image, prompt: a}}
  spot: {uses: compose, if: "${{ steps.hero.item.status == 'completed' }}", with: {clips: ["${{ steps.films.assets[0] }}"]}}
  lines: {uses: chat, foreach: [calm, bold], with: {model: gpt-5-2-chat, message: "a ${{ item }} line"}}
  best: {uses: pick, with: {from: "${{ steps.lines.items }}"}}
outputs:
  one: ${{ steps.stills.by['neon, calm'].asset }}
  all: ${{ steps.stills.assets + steps.films.assets }}
  a: ${{ steps.grid.items[0].ratio ~ steps.grid.by['neon, 9:16, 4, x'].style }}
  b: ${{ steps.hero.item.seconds + steps.hero.items[1].seconds }}
  c: ${{ steps.hero.assets[0].sha256 ~ steps.hero.item.asset.sha256 }}
  d: ${{ steps.open.items[0].mood }}
  line: ${{ steps.best.item.text }}
"""


@pytest.mark.parametrize(
    ("right", "wrong", "hints"),
    [
        ("", "", []),
        ('item.asset }}"]', 'item.film }}"]', ["there are: style, mood, key, status"]),
        ("item.seconds", "item.mood", ["there are: "]),
        ("grid.items[0].ratio", "grid.ratio", ["the step has several items: use .items, .by['KEY'].ratio"]),
        ("best.item.text", "best.asset", ["these items have no asset: use .item"]),
    ],
)  # fmt: skip
def test_items_and_picks_have_the_names_of_their_loops_and_what_they_gave(
    right: str, wrong: str, hints: list[str]
) -> None:
    _, found = check(SPEC.replace(right, wrong, 1), file="a.yaml", catalogue=shipped())
    assert [one.code for one in found] == ["unknown-field"] * len(hints)
    assert all((one.hint or "").startswith(hint) for one, hint in zip(found, hints, strict=True))


class CountedName(str):
    """The name of a step that counts how often it is found by another text."""

    __slots__ = ()
    __hash__ = str.__hash__
    found = 0

    def __eq__(self, other: object) -> bool:
        CountedName.found += 1
        return str.__eq__(self, other)


def lookups(picks: int) -> int:
    """How often the names of a chain of picks are looked up to infer the last one."""
    steps = {
        CountedName(f"p{n}"): {"uses": "pick", "with": {"from": f"${{{{ steps.p{n - 1}.items }}}}"}}
        for n in range(picks)
    }
    CountedName.found = 0
    NamesInScope(WrittenSpec({"steps": steps}), shipped())
    return CountedName.found


def test_a_chain_of_picks_costs_in_proportion_to_its_length() -> None:
    assert lookups(300) < 3 * lookups(150)
