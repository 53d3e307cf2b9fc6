"""`on_failure` and `finally`: when they run, what they see, and what they cost."""

from __future__ import annotations

from typing import Any

from rivya_flows.queue.events import ItemCompleted, ItemFailed, PurchaseAccepted, RunEnded
from rivya_flows.queue.scope import outputs_of
from support.naive_service import NOON, NaiveService, Rehearsal, frozen, priced

SPEC = """
version: 1
name: closing
steps:
  stills:
    uses: generate
    foreach: [a, b]
    allow_failures: 0
    with: {model: z-image, prompt: "picture ${{ item }}"}
  hero: {uses: pick, with: {from: "${{ steps.stills.items }}"}}
on_failure:
  other:
    uses: generate
    foreach: ${{ steps.stills.items }}
    if: ${{ item.status == 'failed' }}
    with: {model: z-image, prompt: "instead of ${{ item.key }}"}
  retold: {uses: generate, with: {model: z-image, prompt: "${{ steps.hero.key }}"}}
finally:
  card:
    uses: generate
    with: {model: z-image, prompt: "hero ${{ steps.hero.status }}, other ${{ steps.other.status }}"}
  reel: {uses: compose, with: {clips: "${{ steps.stills.assets + ['https://a.example/b.png'] }}"}}
outputs:
  picture: ${{ steps.hero.asset or steps.other.assets }}
"""


def rehearsal(text: str = SPEC, **service: Any) -> Rehearsal:
    return Rehearsal(frozen(text), NaiveService(3, **service))


def failing_until(step: str) -> Rehearsal:
    """A run whose jobs fail until this step is bought."""
    run = rehearsal(failing=1.0)
    run.take_up()
    while step not in run.bought:
        assert run.advance(0)
    run.service.failing = 0.0
    run.run()
    return run


def test_a_run_that_completes_runs_finally_and_not_on_failure() -> None:
    run = rehearsal().execute()
    assert run.ended == ["completed"]
    assert run.statuses == {
        "stills": "completed", "hero": "completed", "other": "skipped", "retold": "skipped",
        "card": "completed", "reel": "completed",
    }  # fmt: skip
    assert run.item("retold").reason == "nothing failed"
    assert run.prompts("card") == ["hero completed, other skipped"]


def test_a_failed_run_runs_on_failure_then_finally_and_ends_failed() -> None:
    run = failing_until("other")
    assert run.ended == ["failed"]
    found = run.statuses
    assert (found["stills"], found["hero"]) == ("failed", "skipped")
    assert (found["other"], found["card"]) == ("completed", "completed")
    assert run.prompts("other") == ["instead of a", "instead of b"]
    assert run.prompts("card") == ["hero skipped, other completed"]
    assert run.bought == ["stills", "stills", "other", "other", "card"]
    picture: Any = outputs_of(run.state).values["picture"]
    assert len(picture) == 2
    null = run.item("retold")
    assert (null.phase, null.reason) == ("skipped", "steps.hero.key is null")


def test_failures_that_are_allowed_call_for_nothing() -> None:
    run = rehearsal(SPEC.replace("allow_failures: 0", "allow_failures: 1"), failing=0.5)
    while sorted(run.execute().phases("stills")) != ["completed", "failed"]:
        run = Rehearsal(run.start, NaiveService(run.service.seed + 1, failing=0.5))
    assert run.statuses["other"] == "skipped"


def test_a_purchase_without_an_end_keeps_on_failure_back_until_a_resume() -> None:
    run = rehearsal()
    run.take_up()
    run.until(PurchaseAccepted)
    run._open = []
    for item in run.items("stills"):
        run.feed(ItemFailed(step="stills", key=item.key, code="connection", message="no answer"))
        run.run()
    assert run.ended == ["failed"]
    assert run.item("retold").reason == "stills[a] has not ended; resume the run"
    assert run.statuses["card"] == "completed"
    assert run.execute().ended == ["failed", "completed"]


def test_a_resume_after_a_failure_runs_what_is_free_in_finally_again() -> None:
    run = failing_until("card").execute(regenerate=("stills",))
    assert run.ended == ["failed", "completed"]
    done = [event.step for event in run.events(ItemCompleted)]
    assert (done.count("reel"), done.count("card")) == (2, 1)
    assert [event.step for event in run.execute().events(ItemCompleted)] == done


def test_after_a_cancel_finally_waits_for_the_resume() -> None:
    run = rehearsal()
    run.take_up()
    run.advance(0)
    run.feed(RunEnded(status="cancelled", at=NOON))
    assert run.statuses["card"] == "running"
    assert run.execute().ended == ["completed"]
    assert run.statuses["card"] == "completed"


def test_a_failed_step_of_finally_fails_the_run() -> None:
    nothing = '{uses: pick, with: {from: "${{ steps.other.items | default([]) }}"}}'
    run = rehearsal(
        SPEC.replace(
            """{uses: compose, with: {clips: "${{ steps.stills.assets + ['https://a.example/b.png'] }}"}}""",
            nothing,
        )
    ).execute()
    assert (run.statuses["hero"], run.statuses["reel"]) == ("completed", "failed")
    assert run.ended == ["failed"]


def test_on_failure_is_priced_in_max_only_and_finally_in_both() -> None:
    each = "foreach: ${{ steps.stills.items }}\n    if: ${{ item.status == 'failed' }}"
    text = SPEC.replace(each, "foreach: [a, b]").replace("${{ item.key }}", "${{ item }}")
    found = priced(frozen(text), 100)
    assert (found.min, found.max) == (2 + 1, 2 + 2 + 1 + 1)
