"""`on_failure` and `finally`: when they run, what they see, and what they cost."""

from __future__ import annotations

from typing import Any

from rivya_flows.estimate.estimate import Estimate, estimate, rehearse
from rivya_flows.queue.events import (
    ItemCompleted,
    ItemFailed,
    PurchaseAccepted,
    PurchaseIntended,
    RunEnded,
)
from rivya_flows.queue.reducer import initial_state
from rivya_flows.queue.scope import outputs_of
from rivya_flows.queue.state import State
from support.naive_service import NOON, NaiveService, Rehearsal, frozen

SPEC = """
version: 1
name: closing
steps:
  stills:
    uses: generate
    foreach: [a, b]
    {{allowed}}
    with: {model: z-image, prompt: "picture ${{ item }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}"}
on_failure:
  other:
    uses: generate
    foreach: ${{ steps.stills.items }}
    if: ${{ item.status == 'failed' }}
    with: {model: z-image, prompt: "instead of ${{ item.key }}"}
  retold:
    uses: generate
    with: {model: z-image, prompt: "${{ steps.hero.key }}"}
finally:
  card:
    uses: generate
    with: {model: z-image, prompt: "hero ${{ steps.hero.status }}, other ${{ steps.other.status }}"}
  reel:
    uses: compose
    with: {images: "${{ steps.stills.assets }}"}
outputs:
  picture: ${{ steps.hero.asset or steps.other.assets }}
"""


def rehearsal(*, failing: float = 0.0, allowed: int = 0, text: str = SPEC) -> Rehearsal:
    more = f"allow_failures: {allowed}" if allowed else ""
    return Rehearsal(frozen(text.replace("{{allowed}}", more)), NaiveService(3, failing=failing))


def statuses(state: State) -> dict[str, str]:
    return {name: now.status for name, now in state.steps.items()}


def prompts(run: Rehearsal, step: str) -> list[str]:
    items = run.state.steps[step].items.values()
    return [item.request.prompt for item in items if item.request]


def test_a_run_that_completes_runs_finally_and_not_on_failure() -> None:
    run = rehearsal()
    run.take_up()
    run.run()
    assert run.ended == ["completed"]
    found = statuses(run.state)
    assert (found["other"], found["retold"]) == ("skipped", "skipped")
    assert (found["card"], found["reel"]) == ("completed", "completed")
    assert [item.reason for item in run.state.steps["retold"].items.values()] == ["nothing failed"]
    assert prompts(run, "card") == ["hero completed, other skipped"]


def test_a_failed_run_runs_on_failure_then_finally_and_ends_failed() -> None:
    run = rehearsal(failing=1.0)
    run.take_up()
    while run.advance(0) and "other" not in {e.step for e in intents(run)}:
        pass
    run.service.failing = 0.0
    run.run()
    assert run.ended == ["failed"]
    found = statuses(run.state)
    assert (found["stills"], found["hero"]) == ("failed", "skipped")
    assert (found["other"], found["card"]) == ("completed", "completed")
    assert prompts(run, "other") == ["instead of a", "instead of b"]
    assert prompts(run, "card") == ["hero skipped, other completed"]
    request = [event.step for event in intents(run)]
    assert request == ["stills", "stills", "other", "other", "card"]
    picture: Any = outputs_of(run.state).values["picture"]
    assert len(picture) == 2


def intents(run: Rehearsal) -> list[PurchaseIntended]:
    return [event for event in run.journal if isinstance(event, PurchaseIntended)]


def test_a_null_of_a_failed_step_skips_and_says_so() -> None:
    run = rehearsal(failing=1.0)
    run.take_up()
    run.run()
    [item] = run.state.steps["retold"].items.values()
    assert (item.phase.value, item.reason) == ("skipped", "steps.hero.key is null")


def test_failures_that_are_allowed_call_for_nothing() -> None:
    run = rehearsal(allowed=1)
    run.service.failing = 0.5
    for seed in range(50):
        run = rehearsal(allowed=1)
        run.service.failing, run.service.seed = 0.5, seed
        run.take_up()
        run.run()
        phases = [item.phase.value for item in run.state.steps["stills"].items.values()]
        if sorted(phases) == ["completed", "failed"]:
            break
    assert sorted(phases) == ["completed", "failed"]
    assert statuses(run.state)["other"] == "skipped"


def test_a_purchase_without_an_end_keeps_on_failure_back_until_a_resume() -> None:
    run = rehearsal()
    run.take_up()
    while run.advance(0) and not any(isinstance(e, PurchaseAccepted) for e in run.journal):
        pass
    run._open = []
    run.feed(ItemFailed(step="stills", key="a", code="connection", message="no answer"))
    run.run()
    items = [*run.state.steps["stills"].items.values()]
    for item in items[1:]:
        run.feed(ItemFailed(step="stills", key=item.key, code="connection", message="no answer"))
    run.run()
    assert run.ended == ["failed"]
    reasons = [item.reason for item in run.state.steps["retold"].items.values()]
    assert reasons == ["stills[a] has not ended; resume the run"]
    assert statuses(run.state)["card"] == "completed"
    run.take_up()
    run.run()
    assert run.ended == ["failed", "completed"]


def test_a_resume_after_a_failure_runs_what_is_free_in_finally_again() -> None:
    run = rehearsal(failing=1.0)
    run.take_up()
    while run.advance(0) and "card" not in {e.step for e in intents(run)}:
        pass
    run.service.failing = 0.0
    run.run()
    run.take_up(regenerate=("stills",))
    run.run()
    assert run.ended == ["failed", "completed"]
    done = [event.step for event in run.journal if isinstance(event, ItemCompleted)]
    assert (done.count("reel"), done.count("card")) == (2, 1)
    run.take_up()
    run.run()
    assert [e.step for e in run.journal if isinstance(e, ItemCompleted)] == done


def test_after_a_cancel_finally_waits_for_the_resume() -> None:
    run = rehearsal()
    run.take_up()
    run.advance(0)
    run.feed(RunEnded(status="cancelled", at=NOON))
    assert statuses(run.state)["card"] == "running"
    run.take_up()
    run.run()
    assert run.ended == ["completed"]
    assert statuses(run.state)["card"] == "completed"


def test_a_failed_step_of_finally_fails_the_run() -> None:
    text = SPEC.replace("uses: compose\n    with: {images: \"${{ steps.stills.assets }}\"}",
                        "uses: pick\n    with: {from: \"${{ steps.other.items | default([]) }}\"}")  # fmt: skip
    run = rehearsal(text=text)
    run.take_up()
    run.run()
    assert statuses(run.state)["hero"] == "completed"
    assert statuses(run.state)["reel"] == "failed"
    assert run.ended == ["failed"]


def priced(text: str) -> Estimate:
    start = frozen(text.replace("{{allowed}}", ""))
    return estimate(rehearse(initial_state(start), NOON, lambda _: None), 100)


def test_on_failure_is_priced_in_max_only_and_finally_in_both() -> None:
    found = priced(SPEC.replace("foreach: ${{ steps.stills.items }}\n    if: ${{ item.status == 'failed' }}", "foreach: [a, b]").replace("${{ item.key }}", "${{ item }}"))  # fmt: skip
    assert (found.min, found.max) == (2 + 1, 2 + 2 + 1 + 1)
