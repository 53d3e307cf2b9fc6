"""Runs on the sandbox: what they print, buy, post and record, and in which order.

The golden file of a scenario has what each command printed, then for each run the receipt, the history
of the run, of each step and of each item, and the files of its folder; then everything that was posted.
What is done side by side has no order there. `chain` does one thing after the other: of that one the
whole order is held.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from frozen.conftest import Stage, line_of
from frozen.golden import compare
from frozen.seams import journal_of

SCENARIOS: dict[str, list[Any]] = yaml.safe_load(
    Path(__file__).with_name("scenarios.yaml").read_text("utf-8")
)


@pytest.mark.prefect
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_run_prints_buys_posts_and_records_as_ever(stage: Stage, name: str) -> None:
    printed = stage.played(SCENARIOS[name])
    compare(f"runs/{name}", stage.normal({"printed": printed, **stage.told()}))


@pytest.mark.prefect
def test_a_chain_acts_and_records_in_the_same_order_as_ever(stage: Stage) -> None:
    # Looking into a cache may take any time, and either item may be first then.
    stage.played([SCENARIOS["forked"][0].removesuffix(" --cache spec"), SCENARIOS["forked"][1]])
    lines = [
        f"{event.get('step') or 'run'}[{event.get('key', '')}] {line_of(event)}"
        for event in journal_of(stage.call, stage.runs[0])
    ]
    compare("order", stage.normal({"recorded": lines, "asked": stage.wire.asked}))
