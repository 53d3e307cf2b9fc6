"""Mutated specs: `scripts/spec-mutations` tries a thousand and runs them; here `check` alone reads some."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.preparation.check import check_spec
from rivya_flows.preparation.spec_file import SpecFile, read_spec
from support.spec_mutations import HARMLESS, MISTAKES, Mutation

SPECS = Path(__file__).parents[2] / "specs"
GOOD = ["product-launch", "casting", "catalogue-batch", "markets"]


def mutated(name: str, mutation: Mutation, times: int) -> Iterator[SpecFile]:
    spec = read_spec(SPECS / f"{name}.yaml")
    for seed in range(times):
        text = mutation(spec.text, Random(seed))
        if text is not None:
            yield replace(spec, text=text)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("mutation", HARMLESS.values(), ids=HARMLESS.keys())
def test_a_change_that_keeps_the_meaning_is_not_refused(name: str, mutation: Mutation) -> None:
    for spec in mutated(name, mutation, 2):
        workflow, problems = check_spec(spec, shipped())
        assert workflow is not None, [one.lines for one in problems]


@pytest.mark.parametrize("mutation", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_gets_a_place_and_a_message_or_makes_another_good_spec(
    mutation: Mutation,
) -> None:
    for spec in mutated("product-launch", mutation, 4):
        workflow, problems = check_spec(spec, shipped())
        assert (workflow is None) == any(one.message for one in problems)
