"""Changes good specs at random, and runs on a sandbox each that `check` and the plan accept.

``scripts/spec-mutations --count 1000`` exits with 1 if `check` breaks, if a run fails after it has bought
something, or if a change that keeps the meaning is refused or costs another sum. A run may fail for what
only its media and answers can tell; look at each. ``--only SEED`` repeats one and prints its difference.
"""

from __future__ import annotations

import asyncio
import difflib
import os
import re
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random
from shutil import copytree

import click
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.engine.loop import PlainRunner
from rivya_flows.preparation.check import SpecWithTests, check_spec
from rivya_flows.preparation.spec_file import TEST_SUFFIX, read_spec
from rivya_flows.spec.spec_tests import Case, SpecTests
from rivya_flows.spec_tests import run_cases
from support.spec_mutations import HARMLESS, MISTAKES

ROOT = Path(__file__).parents[1]
_PAGE = ROOT / "docs" / "reference" / "spec.md"
_EXAMPLES = re.compile(
    r"^```yaml\n(version: 1\nname: ([a-z0-9-]+)\n.*?)^```", re.DOTALL | re.MULTILINE
)
_UNFIT = "no answer matched the schema"
_MAIN = "main.yaml"


@dataclass(frozen=True)
class Campaign:
    """A good spec in a folder, with what its run is given.

    Attributes:
        folder: Files beside it; None for a spec that names none.
        given: Inputs, answers and texts of chats, as a case of a test has them.
    """

    name: str
    text: str
    folder: Path | None
    given: dict[str, object]


@dataclass(frozen=True)
class Outcome:
    """What became of a mutated spec: `refused`, `completed`, `failed free`, or a finding."""

    seed: int
    campaign: str
    mutation: str
    verdict: str
    lines: tuple[str, ...] = ()
    is_finding: bool = False


@cache
def campaigns() -> tuple[Campaign, ...]:
    """The specs of the repository with a test, and the whole examples of the reference."""
    found = [
        Campaign(path.stem, path.read_text("utf-8"), path.parent, _given_by(tests))
        for path in sorted((ROOT / "specs").glob("*.yaml"))
        if (tests := path.with_suffix("").with_suffix(TEST_SUFFIX)) != path and tests.exists()
    ]
    page = _PAGE.read_text("utf-8")
    found += [Campaign(name, text, None, {}) for text, name in _EXAMPLES.findall(page)]
    return tuple(found)


def _given_by(tests: Path) -> dict[str, object]:
    """What the first case of a spec that completes gives to its run."""
    for case in yaml.safe_load(tests.read_text("utf-8"))["cases"]:
        expected = case.get("expect") or {}
        if not case.get("faults") and not {"status", "diagnostics"} & expected.keys():
            return {key: case[key] for key in ("inputs", "answers", "chat") if key in case}
    return {}


def mutate(seed: int, harmless: bool) -> tuple[Campaign, str, str]:
    """A campaign, the name of a mutation, and its text after it; all follow from the seed."""
    chance = Random(seed)
    while True:
        campaign = chance.choice(campaigns())
        name, mutation = chance.choice([*(HARMLESS if harmless else MISTAKES).items()])
        text = mutation(campaign.text, chance)
        if text is not None and text != campaign.text:
            return campaign, name, text


def try_one(seed: int) -> Outcome:
    """Checks and runs one mutated spec; every sixth keeps the meaning."""
    harmless = seed % 6 == 0
    campaign, mutation, text = mutate(seed, harmless)
    verdict, lines, credits = _run(campaign, text)
    finding = verdict in ("CRASHED", "FAILED AFTER MONEY")
    if harmless and not finding:
        usual = _usual(campaign.name)
        if (verdict, credits) != usual:
            verdict, finding = f"CHANGED: {verdict}, {credits} credits, not {usual}", True
    return Outcome(seed, campaign.name, mutation, verdict, lines if finding else (), finding)


@cache
def _usual(name: str) -> tuple[str, int]:
    """How a campaign ends as it is written, and what it costs."""
    campaign = next(one for one in campaigns() if one.name == name)
    verdict, _, credits = _run(campaign, campaign.text)
    return verdict, credits


def _run(campaign: Campaign, text: str) -> tuple[str, tuple[str, ...], int]:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if campaign.folder is not None:
            copytree(campaign.folder, folder, dirs_exist_ok=True)
        path = folder / _MAIN
        path.write_text(text, "utf-8")
        try:
            spec = read_spec(path)
            workflow, problems = check_spec(spec, shipped())
        except Exception:
            return "CRASHED", tuple(traceback.format_exc().splitlines()), 0
        if workflow is None:
            return "refused", tuple(line for one in problems for line in one.lines), 0
        case = Case.model_validate({"name": "mutated", **campaign.given})
        tests = SpecTests.model_validate({"version": 1, "cases": [case]})
        tested = SpecWithTests(path.with_suffix(TEST_SUFFIX), tests, spec, workflow, ())
        [result] = asyncio.run(run_cases([(tested, case)], PlainRunner()))
        if result.status is None:
            return "refused", result.problems, result.credits
        if any(_UNFIT in line for line in result.problems):  # a rehearsed one, for other bounds
            return "answer unfit", result.problems, result.credits
        if result.status == "failed":
            verdict = "FAILED AFTER MONEY" if result.credits else "failed free"
            return verdict, result.problems, result.credits
        return result.status, result.problems, result.credits


def _difference(seed: int) -> Iterator[str]:
    campaign, _, text = mutate(seed, seed % 6 == 0)
    before, after = campaign.text.splitlines(), text.splitlines()
    return islice(
        difflib.unified_diff(before, after, "as written", "mutated", lineterm="", n=1), 40
    )


@click.command(help=__doc__)
@click.option("--count", default=1000, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=1, show_default=True, help="The first; others count on from it.")
@click.option("--only", type=int, help="One seed, with its difference.")
def main(count: int, seed: int, only: int | None) -> None:
    """Try mutated specs on all processors."""
    seeds = range(seed, seed + count) if only is None else range(only, only + 1)
    verdicts: Counter[str] = Counter()
    findings = 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for one in pool.map(try_one, seeds, chunksize=4 if count > 8 else 1):
            verdicts[one.verdict.partition(":")[0]] += 1
            findings += one.is_finding
            if one.is_finding or only is not None:
                print(f"\nseed {one.seed}: {one.mutation} in {one.campaign}: {one.verdict}")
                print(*one.lines, *_difference(one.seed), sep="\n", flush=True)
    print(", ".join(f"{verdict} {times}" for verdict, times in sorted(verdicts.items())))
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
