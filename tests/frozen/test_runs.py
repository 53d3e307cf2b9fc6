"""Runs on the sandbox: what they print, buy, post and record, and in which order.

Each scenario is a list of commands; a text among them orders faults of the sandbox. RUN is the last
run. Its golden file has what each command printed, then for each run the receipt, the history of the
run, of each step and of each item, and the files of its folder; then everything that was posted. What is
done side by side has no order there. The scenario `chain` does one thing after the other: of that one the
whole order is held.
"""

from __future__ import annotations

import pytest

from frozen.conftest import Stage, line_of
from frozen.golden import compare
from frozen.seams import DOCS, OWN, SPECS, journal_of, order_faults

Scenario = list[tuple[object, ...] | str]

FAILS = "faults: [{{on: generation, do: fail, {}}}]".format
REFUSES = "faults: [{{on: 'POST /api/v1/generations', do: {}}}]".format
SPEC = "--cache", "spec"
CHAIN: Scenario = [
    ("run", OWN / "chain.yaml", *SPEC),
    ("resume", "RUN", "--answer", "hero=elm", "--by", "Ana"),
]

SCENARIOS: dict[str, Scenario] = {
    # The specs of the repository.
    "first-picture": [("run", SPECS / "first-picture.yaml", *SPEC)],
    "product-launch": [("run", SPECS / "product-launch.yaml", *SPEC)],
    "social-set": [("run", SPECS / "social-set.yaml", *SPEC)],
    "podcast-teaser": [("run", SPECS / "podcast-teaser.yaml")],
    "several-languages": [("run", SPECS / "several-languages.yaml", "-i", "languages=[en, hi]")],
    "own-photo": [("run", SPECS / "own-photo.yaml", *SPEC)],
    "catalogue-batch": [
        ("run", SPECS / "catalogue-batch.yaml"),
        ("run", SPECS / "catalogue-batch.yaml", "--budget", 1),
    ],
    # A person, who wants other candidates first, and a judge.
    "casting": [
        ("run", SPECS / "casting.yaml", *SPEC),
        ("resume", "RUN", "--plan"),
        ("resume", "RUN", "--answer", "heroes=none: warmer light", "--by", "Ana"),
        ("resume", "RUN", "--answer", "heroes=2,3", "--by", "Ana"),
    ],
    "judged": [
        ("run", OWN / "judged.yaml"),
        ("resume", "RUN", "--answer", "person=evening", "--by", "Ana"),
    ],
    "choosing": [("run", DOCS / "spec-choosing.yaml", "-i", "who=judge")],
    # Every kind of step.
    "kinds": [("run", OWN / "kinds.yaml", *SPEC)],
    "kinds-plain": [
        ("run", OWN / "kinds.yaml", "-i", "bold=false", "-i", "lights=[noon]", "-i", "many=1")
    ],
    # Failures, what stands in, and what is bought again.
    "failing": [
        FAILS("model: veo3-1-lite"),
        ("run", OWN / "failing.yaml"),
        "",
        ("resume", "RUN", "--plan", "--regenerate"),
        ("resume", "RUN", "--regenerate"),
    ],
    "falling-back": [
        FAILS("model: z-image"),
        ("run", OWN / "failing.yaml"),
    ],
    "refused": [
        REFUSES("refuse, prompt: brass lamp"),
        ("run", OWN / "failing.yaml"),
    ],
    "refused-by-status": [
        REFUSES("status, status: 422"),
        ("run", SPECS / "first-picture.yaml"),
        "",
        ("resume", "RUN"),
        ("fork", "RUN"),
    ],
    "answer-lost": [
        REFUSES("drop_after_commit, times: 1"),
        ("run", SPECS / "first-picture.yaml"),
    ],
    "result-gone": [
        "faults: [{on: 'GET /media/results/*', do: status, status: 410, times: 1}]",
        ("run", SPECS / "first-picture.yaml"),
        "",
        ("resume", "RUN"),
    ],
    "backup-step": [
        FAILS("model: veo3-1-lite"),
        ("run", DOCS / "spec-backup-step.yaml"),
    ],
    # Money: a budget that is passed, and raised.
    "paused": [
        ("run", OWN / "paused.yaml"),
        ("resume", "RUN", "--answer", "budget=no"),
        ("resume", "RUN", "--budget", 6),
    ],
    "too-dear": [("run", OWN / "chain.yaml", "--budget", 2)],
    # Work that is not bought again.
    "cached": [
        ("run", SPECS / "social-set.yaml", *SPEC),
        ("run", SPECS / "social-set.yaml", *SPEC),
        ("plan", SPECS / "social-set.yaml", *SPEC),
    ],
    "forked": [
        *CHAIN,
        ("fork", "RUN", "-i", "light=evening", "--plan"),
        ("fork", "RUN", "--from", "large"),
        ("fork", "RUN", "--from", "stills[oak]"),
        ("resume", "RUN", "--answer", "hero=oak", "--by", "Ana"),
    ],
    "batch": [
        ("batch", SPECS / "catalogue-batch.yaml", "--rows", OWN / "rows.csv",
         "--parallel", 1),
    ],
}  # fmt: skip


@pytest.mark.prefect
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_run_prints_buys_posts_and_records_as_ever(stage: Stage, name: str) -> None:
    printed = _played(stage, SCENARIOS[name])
    compare(f"runs/{name}", stage.normal({"printed": printed, **stage.told()}))


@pytest.mark.prefect
def test_a_chain_acts_and_records_in_the_same_order_as_ever(stage: Stage) -> None:
    _played(stage, CHAIN)
    lines = [
        f"{event.get('step') or 'run'}[{event.get('key', '')}] {line_of(event)}"
        for event in journal_of(stage.call, stage.runs[0])
    ]
    compare("order", stage.normal({"recorded": lines, "asked": stage.wire.asked}))


def _played(stage: Stage, scenario: Scenario) -> list[object]:
    printed: list[object] = []
    for one in scenario:
        if isinstance(one, str):
            order_faults(stage.wire.sandbox, one)
        else:
            printed.append({"command": " ".join(map(str, one)), **stage.said(*one)})
    return printed
