"""The names that each value of a spec can use."""

from __future__ import annotations

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.spec.load import check
from rivya_flows.spec.names import NamesInScope, WrittenSpec


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


def test_items_have_the_axes_of_their_fan_out_and_a_pick_has_those_of_the_chosen_one() -> None:
    text = """
version: 1
name: test
inputs: {more: {type: list, default: []}}
steps:
  stills:
    uses: generate
    matrix: {style: [neon, noir], ratio: ["9:16"], seconds: [4], asset: [x]}
    with: {model: z-image, prompt: "${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", count: 2}
  open:
    uses: generate
    matrix: {style: [a], include: "${{ inputs.more }}"}
    with: {model: z-image, prompt: a}
outputs:
  a: ${{ steps.stills.items[0].ratio ~ steps.stills.by['neon, 9:16, 4, x'].style }}
  b: ${{ steps.hero.item.seconds + steps.hero.items[1].seconds }}
  c: ${{ steps.hero.assets[0].sha256 ~ steps.hero.item.asset.sha256 }}
  d: ${{ steps.open.items[0].mood }}
"""
    assert check(text, file="a.yaml", catalogue=shipped())[1] == ()
    for right, wrong in (("item.seconds", "item.mood"), ("stills.items[0].ratio", "stills.ratio")):
        [problem] = check(text.replace(right, wrong), file="a.yaml", catalogue=shipped())[1]
        assert problem.code == "unknown-field"
    assert problem.hint == "the step has several items: use .items, .by['KEY'].ratio"


def test_a_pick_of_texts_has_no_asset() -> None:
    text = """
version: 1
name: test
steps:
  lines:
    uses: chat
    foreach: [calm, bold]
    with: {model: gpt-5-2-chat, message: "a ${{ item }} line"}
  best:
    uses: pick
    with: {from: "${{ steps.lines.items }}"}
outputs:
  line: ${{ steps.best.item.text }}
"""
    found = check(text, file="a.yaml", catalogue=shipped())[1]
    assert [problem.code for problem in found] == []
    found = check(text.replace("item.text", "asset"), file="a.yaml", catalogue=shipped())[1]
    assert [problem.hint for problem in found] == ["these items have no asset: use .item"]


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
    assert lookups(800) < 3 * lookups(400)
