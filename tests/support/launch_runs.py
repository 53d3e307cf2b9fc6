"""Rehearsed runs of a small launch."""

from __future__ import annotations

from support.naive_service import NaiveService, Rehearsal, frozen

SPEC = """
version: 1
name: launch
budget: {credits: 20, warn_at: 0.5}
steps:
  script:
    uses: chat
    with:
      model: gemini-2-5-flash-chat
      message: A shot
      expect: {visual: string, narration: string}
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "${{ steps.script.json.visual }}, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human, question: Which one?}
  film:
    uses: generate
    with:
      model: veo3-1-lite
      prompt: Slow push-in
      references: ["${{ steps.hero.asset }}"]
"""


FIRST = SPEC.replace("mode: human, question: Which one?", "mode: first")


def rehearsed(
    spec: str = SPEC, service: NaiveService | None = None, *, budget: int | None = None
) -> Rehearsal:
    """The run, which waits for the answer of a person if its pick asks one."""
    run = Rehearsal(frozen(spec, budget=budget), service or NaiveService())
    run.take_up()
    run.run()
    return run
