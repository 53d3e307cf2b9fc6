"""Insights of a store agree with the receipts of its runs to the credit, on the sandbox and on both databases."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from rivya_flows.money.insights import Insights, insights
from rivya_flows.money.spending import SANDBOX
from rivya_flows.questions.question import Answer, Question
from rivya_flows.receipt.outcomes import update_outcomes
from rivya_flows.store.leases import Leases
from rivya_flows.store.outcomes import Fact, outdated_runs, sum_outcomes, usual_rounds
from support.databases import BACKENDS, fresh_store
from support.engine_runs import Bomb, Studio

pytestmark = pytest.mark.slow

ROUNDS = """
version: 1
name: rounds
cache: spec
labels: {client: "${{ inputs.client }}"}
brand: {name: Aurora}
inputs: {client: {type: string, default: acme}}
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    fallback: [{model: seedream-5-lite}]
    with: {model: z-image, prompt: "A lamp on a table, ${{ matrix.style }}"}
  hero:
    uses: pick
    with:
      from: ${{ steps.stills.items }}
      mode: human
      none: {rounds: 2}
      judge: {model: gemini-2-5-flash-chat, criteria: [the lamp is whole]}
  copy:
    uses: generate
    with: {model: nano-banana, prompt: in watercolor, references: ["${{ steps.hero.asset }}"]}
  sign_off:
    uses: review
    with: {media: "${{ steps.copy.asset }}", changes: {redo: [copy], rounds: 1}}
outputs: {copy: "${{ steps.sign_off.media }}"}
"""
SCRIPT = """
version: 1
name: script
labels: {client: globex}
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: A line for a lamp}
  voice:
    uses: generate
    with:
      model: elevenlabs-turbo-2-5
      prompt: ${{ steps.script.text }}
      params: {voice: TX3LPaxmHKxFdv7VOQHJ}
outputs: {voice: "${{ steps.voice.asset }}"}
"""


async def answers(question: Question) -> Answer | None:
    """Sends back what is asked about first, and takes what is made instead."""
    if question.kind == "pick":
        return Answer((question.choices[0],)) if question.round else Answer((), "warmer")
    return Answer(("approve" if question.round else "changes",), "larger", "legal")


async def unanswered(_: Question) -> Answer | None:
    return None


def told(studio: Studio, by: str) -> Insights:
    """Insights after the outcomes of all runs that changed were read."""
    with studio.context(Bomb()) as context:
        engine = context.journal.engine
        assert all(update_outcomes(context.journal, one) for one in outdated_runs(engine))
        assert outdated_runs(engine) == ()
        fact: Fact | None = None if by.startswith("label:") else by  # type: ignore[assignment]
        found = sum_outcomes(engine, fact, since=None, until=None)
        return insights(found, by, service=SANDBOX, labels={})


@pytest.mark.parametrize("backend", BACKENDS)
def test_insights_agree_with_the_receipts_to_the_credit(backend: str, studio: Studio) -> None:
    studio = replace(studio, store=fresh_store(backend, studio.folder))
    studio.run(ROUNDS, "run-1", answers)
    studio.order("on: generation, model: z-image, do: fail, times: 2")
    studio.run(ROUNDS, "run-2", answers, cache="off", inputs={"client": "globex"})
    studio.order()
    studio.run(ROUNDS, "run-3", answers)  # from the cache, as far as prompts are equal
    studio.prepared(SCRIPT, "run-4")
    asyncio.run(studio.execute("run-4", bomb=Bomb(write=-8)))  # killed between two purchases
    studio.run(ROUNDS, "run-5", unanswered, cache="off")
    runs = [f"run-{number}" for number in range(1, 6)]
    assert told(studio, "model").rows["z-image"].offered == 10, "of the last run none is decided"
    studio.executed("run-5", ask=answers)
    studio.executed("run-4")
    studio.audit(*runs)

    receipts = [studio.receipt(run_id) for run_id in runs]
    ledger = [(one, row) for one in receipts for row in one["ledger"]]
    models = told(studio, "model")
    assert models.total.credits == sum(one["credits"]["spent"] for one in receipts)
    for by, of in (
        ("model", lambda receipt, row: row["model"]),
        ("label:client", lambda receipt, row: receipt["labels"]["client"]),
        ("brand", lambda receipt, row: "-" if receipt["name"] == "script" else "Aurora"),
    ):
        held = Counter[str]()
        for receipt, row in ledger:
            held[of(receipt, row)] += row["held"]
        found = told(studio, by)
        assert {name: one.credits for name, one in found.rows.items()} == dict(held)
        assert found.total == models.total
    prompts = told(studio, "prompt").rows
    stills = [row["key"] for _, row in ledger if "stills" in row["step"]]
    for key in ("studio", "neon"):
        assert prompts[f"A lamp on a table, {key}"].purchases == stills.count(key)

    z_image, other = models.rows["z-image"], models.rows["seedream-5-lite"]
    assert (z_image.failed and z_image.failed.count, other.offered) == (2, 2)
    # Four times two rounds of two stills, of which the fallback made two that were sent back.
    assert z_image.offered == 14
    assert (z_image.picked and z_image.picked.count, z_image.accepted) == (4, 3)
    assert (z_image.refused and z_image.refused.count) == 6
    assert models.rows["nano-banana"].offered == 8
    assert models.rows["elevenlabs-turbo-2-5"].accepted == 1
    assert models.rows["gemini-2-5-flash-chat"].judged == 8

    with studio.context(Bomb()) as context:
        usual = usual_rounds(context.journal.engine, studio.service.identity, "rounds")
        assert usual == {}, "there are only four runs"
        leases = Leases(context.journal.engine)
        lease = leases.acquire("run-2")
        context.journal.hide(lease)
        context.journal.remove(lease)
    assert told(studio, "model") == models, "a removed run counts on"
