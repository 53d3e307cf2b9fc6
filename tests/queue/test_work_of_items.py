"""The expressions of all items that a run evaluates at once have a bound together."""

from __future__ import annotations

import json
from dataclasses import dataclass

from rivya_flows.queue.actions import Buy
from rivya_flows.queue.events import PurchaseIntended
from support.naive_service import NaiveService, Rehearsal, frozen

SPEC = """
version: 1
name: slow
inputs: {large: {type: text, default: LARGE}}
steps:
  ideas:
    uses: chat
    with: {model: gpt-5-2-chat, message: numbers, expect: {numbers: [number]}}
  told:
    uses: generate
    foreach: ${{ steps.ideas.json.numbers }}
    with: {model: z-image, prompt: "${{ (inputs.large | upper | lower | upper | lower | length) ~ item }}"}
"""


@dataclass
class Counting(NaiveService):
    """A service whose chat answers with so many numbers."""

    numbers: int = 0

    def answer(self, buy: Buy) -> tuple[str, str]:
        return "s_1", json.dumps({"numbers": list(range(self.numbers))})


def test_a_list_of_the_run_does_not_make_a_step_endless() -> None:
    text = SPEC.replace("LARGE", "x" * 990_000)
    for numbers, ended, bought in ((60, "completed", 61), (90, "failed", 68)):
        run = Rehearsal(frozen(text), Counting(numbers=numbers))
        run.take_up()
        run.run()
        assert run.state.ended == ended
        assert sum(isinstance(event, PurchaseIntended) for event in run.journal) == bought
        reasons = [item.reason or "" for item in run.state.steps["told"].items.values()][67:]
        assert all("all items handle more than 536,870,912 characters" in one for one in reasons)
