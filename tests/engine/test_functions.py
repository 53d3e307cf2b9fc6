"""Python functions as steps: the example of the guide, and what can be wrong with one."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, Studio, studio_at
from support.function_steps import HEAD, SPLIT, Installer, install_paid, install_strange, installing

GUIDE = (Path(__file__).parents[2] / "docs" / "reference" / "spec.md").read_text("utf-8")


SECTION = GUIDE[GUIDE.index("## Your own steps in Python") :]


CODE, REGISTERED, EXAMPLE = (
    re.search(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)[1]  # type: ignore[index]  # it is there
    for language in ("python", "toml", "yaml")
)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installer]:
    with installing(tmp_path, monkeypatch) as install:
        yield install


@pytest.fixture
def strange(install: Installer) -> None:
    install_strange(install)


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return studio_at(tmp_path / "studio", sandbox.base_url, sandbox.api_key)


def test_the_example_of_the_guide_runs(studio: Studio, install: Installer) -> None:
    found = re.search(r'^(thumbnail = )"(.*)"$', REGISTERED, re.MULTILINE)
    assert found is not None
    install("shop_steps", CODE, found[1] + found[2])
    state = studio.run(HEAD + EXAMPLE)
    assert state.ended == "completed"
    receipt = studio.receipt("run-1")
    picture = receipt["outputs"]["picture"]
    assert (picture["kind"], picture["mime_type"]) == ("image", "image/png")
    assert [picture["width"], picture["height"]] == receipt["outputs"]["size"]
    assert receipt["credits"]["spent"] == 1
    assert not list(studio.folder.glob("function-*"))


@pytest.mark.usefixtures("strange")
def test_a_coroutine_is_a_step_and_its_fields_are_known(studio: Studio) -> None:
    state = studio.run(SPLIT)
    assert state.ended == "completed"
    assert studio.receipt("run-1")["outputs"] == {"words": ["b-5"]}


@pytest.mark.usefixtures("strange")
def test_what_a_function_raises_fails_its_step(studio: Studio) -> None:
    state = studio.run(SPLIT, inputs={"text": "fail"})
    assert state.ended == "failed"
    [item] = state.steps["split"].items.values()
    assert (item.code, item.reason) == ("function", "split_words: ValueError: it was asked to fail")


@pytest.mark.usefixtures("strange")
def test_a_computed_value_that_does_not_fit_fails_before_the_call(studio: Studio) -> None:
    text = SPLIT.replace("most: 2", "most: '${{ inputs.text }}'")
    with pytest.raises(Exception, match="most: input should be a valid integer"):
        studio.run(text)


@pytest.fixture
def paid(install: Installer) -> None:
    install_paid(install)


def prints(book: Path, *, motif: str = "a lamp", budget: int = 10, items: str = "1, 2") -> str:
    return (
        HEAD
        + f"budget: {{credits: {budget}}}\nsteps:\n"
        + f"  prints:\n    uses: order_print\n    foreach: [{items}]\n    with: {{motif: {motif}, book: '{book}'}}\n"
        + "outputs:\n  first: ${{ steps.prints.items[0].number }}\n"
    )


@pytest.mark.usefixtures("paid")
def test_a_function_that_costs_credits_stands_in_plan_budget_and_ledger(
    studio: Studio, tmp_path: Path
) -> None:
    text = prints(tmp_path / "book")
    prepared = asyncio.run(studio.start(text, "run-0"))
    assert (prepared.estimate.min, prepared.estimate.max) == (6, 6)
    state = studio.run(text)
    assert (state.ended, state.spent) == ("completed", 6)
    receipt = studio.receipt("run-1")
    rows = [(row["route"], row["model"], row["status"], row["final"]) for row in receipt["ledger"]]
    assert rows == [("function", "order_print", "succeeded", 3)] * 2
    assert receipt["outputs"]["first"].startswith("A")
    assert asyncio.run(studio.fork("run-1", "run-3")).estimate.max == 0, "taken as other purchases"
    assert asyncio.run(
        studio.start(prints(tmp_path / "b", budget=5), "run-2")
    ).estimate.verdict == ("over_budget")


@pytest.mark.usefixtures("paid")
def test_stopping_at_any_write_calls_it_again_under_the_same_key(
    studio: Studio, tmp_path: Path
) -> None:
    async def all_places() -> int:
        for number in itertools.count(1):
            for side in (1, -1):
                run_id, book = f"run-{number}-{side}", tmp_path / f"book-{number}-{side}"
                await studio.start(prints(book, items="1"), run_id)
                if await studio.execute(run_id, bomb=Bomb(write=side * number)) is not None:
                    break
                state = await studio.execute(run_id)
                assert state is not None
                assert (state.ended, state.spent) == ("completed", 3)
                keys = {line.split()[0] for line in book.read_text().splitlines()}
                assert len(keys) == 1, f"stopped at write {side * number}"
            else:
                continue
            return number
        raise AssertionError

    assert asyncio.run(all_places()) > 5


@pytest.mark.usefixtures("paid")
def test_without_an_answer_the_purchase_stays_open_under_its_key(
    studio: Studio, tmp_path: Path
) -> None:
    text = prints(tmp_path / "book", motif="unknown")
    state = studio.run(text)
    assert (state.ended, state.spent) == ("failed", 6)
    asyncio.run(studio.execute("run-1"))
    lines = (tmp_path / "book").read_text().splitlines()
    assert (len(lines), len(set(lines))) == (4, 2)
