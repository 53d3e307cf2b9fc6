"""A rehearsed run that asks which of two stills becomes the film, and what its deadline does."""

from __future__ import annotations

from datetime import timedelta

from rivya_flows.questions.open_questions import question_asked
from support.naive_service import NOON, Rehearsal, played

SPEC = """
version: 1
name: launch
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "lamp, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human, timeout: 1h, on_timeout: fail}
"""


def waiting() -> Rehearsal:
    """The run, waiting for an answer."""
    return played(SPEC)


def past_its_deadline() -> Rehearsal:
    """The run after no one answered in time: its pick has failed."""
    run = waiting()
    for question in run.asked[-1].questions:
        run.feed(question_asked(question, NOON))
    run.leave()
    run.execute(at=NOON + timedelta(hours=2))
    assert run.ended == ["suspended", "failed"]
    return run
