"""A run with a spot for each city, a drawing that is repeated, and steps that are skipped."""

from __future__ import annotations

from support.naive_service import NaiveService, Rehearsal, frozen

CITIES = ("oslo", "graz", "pune")
_SPEC = """
version: 1
name: cities
inputs: {extras: {type: boolean, default: false}}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: a tram}
  variants:
    uses: generate
    foreach: [day, night]
    if: ${{ inputs.extras }}
    with: {model: z-image, prompt: "a tram by ${{ item }}"}
  spots:
    uses: include
    foreach: [oslo, graz, pune]
    with: {spec: spot.yaml, inputs: {city: "${{ item }}", extras: "${{ inputs.extras }}"}}
  sketch:
    uses: generate
    repeat: {until: "${{ steps.sketch.credits > 5 }}", at_most: 2}
    with: {model: z-image, prompt: a sketch}
"""
_SPOT = """
version: 1
name: spot
inputs: {city: {type: string}, extras: {type: boolean}}
steps:
  look:
    uses: generate
    with: {model: z-image, prompt: "a tram in ${{ inputs.city }}"}
  variants:
    uses: generate
    foreach: [day, night]
    if: ${{ inputs.extras }}
    with: {model: z-image, prompt: "${{ inputs.city }} by ${{ item }}"}
  clip:
    uses: generate
    with: {model: veo3-1-lite, prompt: push in, references: ["${{ steps.look.asset }}"]}
outputs:
  clip: ${{ steps.clip.asset }}
"""


def spots_of(service: NaiveService | None = None) -> Rehearsal:
    """A run that has just begun."""
    run = Rehearsal(frozen(_SPEC, includes={"spot.yaml": _SPOT}), service or NaiveService())
    run.take_up()
    return run
