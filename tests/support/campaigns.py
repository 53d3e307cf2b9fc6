"""Frozen runs for tests of the queue: a campaign, and a fan-out of numbered pictures."""

from __future__ import annotations

import functools

from rivya_flows.queue.events import RunFrozen
from support.naive_service import NaiveService, Rehearsal, frozen

CAMPAIGN = """
version: 1
name: campaign
inputs:
  styles: {type: list, of: string, default: [studio, street, neon, noir]}
budget: {credits: 200}
steps:
  script:
    uses: chat
    with:
      model: gemini-2-5-flash-chat
      message: A shot and a line
      expect: {visual: string, narration: string}
  stills:
    uses: generate
    matrix: {style: "${{ inputs.styles }}"}
    allow_failures: 3
    regenerate: 1
    max_parallel: 2
    with:
      model: z-image
      prompt: "${{ steps.script.json.visual }}, ${{ matrix.style }}"
  films:
    uses: generate
    foreach: ${{ steps.stills.items }}
    allow_failures: 4
    with:
      model: veo3-1-lite
      prompt: Slow push-in
      references: ["${{ item.asset }}"]
  hero:
    uses: pick
    with: {from: "${{ steps.films.items }}"}
  voice:
    uses: generate
    with:
      model: elevenlabs-turbo-2-5
      prompt: ${{ steps.script.json.narration }}
      params: {voice: TX3LPaxmHKxFdv7VOQHJ}
  spot:
    uses: compose
    with: {clips: "${{ steps.hero.asset }}", audio: "${{ steps.voice.asset }}"}
on_failure:
  stand_in:
    uses: generate
    with: {model: z-image, prompt: "${{ steps.hero.status }}, ${{ steps.script.text | default('a lamp') }}"}
  loop:
    uses: compose
    with: {clips: ["${{ steps.stand_in.asset }}"]}
finally:
  card:
    uses: generate
    with: {model: z-image, prompt: "spot ${{ steps.spot.status }}, loop ${{ steps.loop.status }}"}
  reel:
    uses: compose
    with: {clips: ["${{ steps.card.asset }}"]}
outputs:
  spot: ${{ steps.spot.asset }}
"""

SET_OF = """
version: 1
name: set
budget: {{credits: {budget}, on_unfit: {on_unfit}}}
steps:
  stills:
    uses: generate
    foreach: [{items}]
    allow_failures: {allowed}
    with: {{model: {model}, prompt: "picture ${{{{ item }}}}"{more}}}
"""


def a_set(
    count: int,
    budget: int,
    *,
    model: str = "z-image",
    on_unfit: str = "fail",
    allowed: int = 0,
    more: str = "",
) -> Rehearsal:
    """A rehearsal of one fan-out of numbered pictures."""
    items = ", ".join(str(n) for n in range(count))
    text = SET_OF.format(
        items=items, budget=budget, model=model, on_unfit=on_unfit, allowed=allowed, more=more
    )
    return Rehearsal(frozen(text), NaiveService())


def until(rehearsal: Rehearsal, kind: type[object]) -> None:
    """Advances to the first event of a kind, which is written and not followed up."""
    while not any(isinstance(event, kind) for event in rehearsal.journal):
        assert rehearsal.advance(0)


@functools.cache
def campaign() -> RunFrozen:
    """A frozen run of the campaign."""
    return frozen(CAMPAIGN)


HOSTILE = """
version: 1
name: launch
budget: {credits: 9}
steps:
  stills:
    uses: generate
    matrix: {style: ["a|b", "<img src=x>", "`नीऑन`"]}
    with: {model: z-image, prompt: "A lamp, ${{ matrix.style }}"}
  none:
    uses: generate
    if: ${{ 1 == 2 }}
    with: {model: z-image, prompt: A lamp}
  later:
    uses: generate
    foreach: ${{ steps.stills.items }}
    with: {model: veo3-1-lite, prompt: "Slow, ${{ item.key }}"}
outputs:
  pictures: ${{ steps.stills.assets }}
  words: "${{ steps.stills.items[1].key }}"
  nothing: ${{ steps.none.asset }}
"""
"""A campaign whose names are Markdown and HTML."""
