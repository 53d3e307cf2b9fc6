"""`run.id`, `run.date` and `run.scheduled_for`: the same from the plan to the end of a run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rivya_flows.queue.events import RunFrozen, dump, parse
from rivya_flows.queue.queue import replay
from rivya_flows.queue.scope import outputs_of
from support.journal_entries import NOON, frozen as entry
from support.naive_service import Rehearsal, frozen

PART = """
version: 1
name: part
inputs: {word: {type: string}}
steps:
  inner: {uses: generate, with: {model: z-image, prompt: "${{ inputs.word }} inside ${{ run.id }}"}}
outputs: {day: "${{ run.date }}"}
"""
SPEC = """
version: 1
name: dated
steps:
  still:
    uses: generate
    foreach: ["${{ run.date }}", a]
    if: ${{ run.scheduled_for is none }}
    with: {model: z-image, prompt: "${{ item }} of ${{ run.id }}"}
  each:
    uses: generate
    foreach: ${{ steps.still.items }}
    key: ${{ run.date ~ '-' ~ item.key }}
    with: {model: z-image, prompt: "again ${{ item.key }}"}
  part: {uses: include, with: {spec: part.yaml, inputs: {word: "${{ run.date }}"}}}
outputs:
  date: ${{ run.date }}
  due: ${{ run.scheduled_for or 'by hand' }}
  inside: ${{ steps.part.outputs.day }}
"""


def test_a_run_has_its_id_and_date_in_steps_outputs_and_included_specs() -> None:
    start = frozen(SPEC, includes={"part.yaml": PART}).model_copy(update={"date": "2026-11-08"})
    run = Rehearsal(start).execute()
    assert run.prompts("still") == [f"2026-11-08 of {start.run_id}", f"a of {start.run_id}"]
    assert [*run.state.steps["each"].items] == ["2026-11-08-2026-11-08", "2026-11-08-a"]
    assert run.prompts("part__inner") == [f"2026-11-08 inside {start.run_id}"]
    assert outputs_of(run.state).values == {
        "date": "2026-11-08",
        "due": "by hand",
        "inside": "2026-11-08",
    }
    again = replay(parse(dump(event)) for event in run.journal)
    assert outputs_of(again).values == outputs_of(run.state).values


@pytest.mark.parametrize(
    ("changes", "date", "scheduled_for"),
    [
        ({}, "2026-11-25", None),
        ({"date": "2026-01-01"}, "2026-01-01", None),
        (
            {"scheduled_for": datetime(2026, 11, 9, 1, tzinfo=ZoneInfo("Asia/Kolkata"))},
            "2026-11-09",
            "2026-11-09T01:00:00+05:30",
        ),
        (
            {"scheduled_for": datetime(2026, 11, 8, 19, 30, tzinfo=UTC)},
            "2026-11-08",
            "2026-11-08T19:30:00+00:00",
        ),
    ],
)
def test_the_date_is_that_of_the_schedule_else_that_of_the_start_in_utc(
    changes: dict[str, Any], date: str, scheduled_for: str | None
) -> None:
    start = entry(started_at=NOON, **changes)
    again = parse(dump(start))
    assert isinstance(again, RunFrozen)
    for one in (start, again):
        assert one.run == {"id": "run-1", "date": date, "scheduled_for": scheduled_for}
