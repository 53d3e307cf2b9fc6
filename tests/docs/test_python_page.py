"""The examples of docs/reference/python.md do what the page says, against the sandbox."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import rivya_flows as rf
from rivya_flows.runs.results import Receipt
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import bought, buy_from
from support.loaded_scripts import examples_of

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "python.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.fixture
def examples() -> dict[str, Any]:
    return examples_of(PAGE)


@pytest.fixture
def spot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The spec of the page, in a folder of its own."""
    [text] = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    monkeypatch.setenv("RIVYA_FLOWS_DATA", str(tmp_path / "data"))
    path = tmp_path / "spot.yaml"
    path.write_text(text)
    return path


def test_mistakes_have_their_lines_and_a_right_spec_has_steps(
    examples: dict[str, Any], spot: Path, tmp_path: Path
) -> None:
    assert examples["mistakes"](spot) == []
    assert examples["steps"](spot) == ["stills", "hero"]
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(spot.read_text().replace("z-image", "z-imge"))
    assert examples["mistakes"](wrong) == ["10: no model 'z-imge'"]
    with pytest.raises(rf.SpecError) as caught:
        rf.load(wrong)
    assert caught.value.diagnostics == rf.check(wrong)
    [missing] = rf.check(tmp_path / "missing.yaml")
    assert (missing.code, missing.line) == ("unreadable", 0)


def test_a_plan_has_its_items_and_its_price(
    examples: dict[str, Any],
    spot: Path,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    buy_from(sandbox, monkeypatch)
    least, most, balance = examples["price"](spot, "Comet kettle")
    assert (least, most) == (2, 2)
    assert isinstance(balance, int)
    assert capsys.readouterr().out.splitlines()[0] == "stills studio z-image 1 1"
    plan = rf.plan(rf.load(spot), inputs={"product": "Comet kettle"}, budget=1)
    assert (plan.verdict, plan.document["verdict"]) == ("over_budget", "over_budget")
    with pytest.raises(rf.BudgetError):
        rf.run(spot, inputs={"product": "Comet kettle"}, budget=1)
    assert not bought(sandbox)


@pytest.mark.prefect
def test_a_run_gives_its_receipt_and_a_suspended_one_is_resumed(
    examples: dict[str, Any],
    spot: Path,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    buy_from(sandbox, monkeypatch)
    receipt: Receipt = examples["make"](spot, "Comet kettle", tmp_path / "out")
    assert (receipt.status, receipt.credits, receipt.waiting_for) == ("completed", 2, {})
    assert receipt.files == (receipt.outputs["hero"].path,)
    assert receipt.folder is not None
    assert receipt.files == (receipt.folder / "hero.png",)
    assert receipt.files[0].exists()
    receipt = examples["in_two_steps"](spot, "Aurora lamp", tmp_path / "out")
    assert (receipt.status, receipt.credits) == ("completed", 2)
    status, credits, [file] = examples["made"](receipt.run_id)
    assert (status, credits) == ("completed", 2)
    assert file.read_bytes() == receipt.files[0].read_bytes()
    fork = examples["with_another_product"](receipt.run_id, "Aurora lamp", tmp_path / "out")
    assert (fork.status, fork.credits, fork.saved) == ("completed", 0, receipt.credits)


@pytest.mark.prefect
async def test_an_answer_that_cannot_fit_is_refused_before_anything_is_bought_where_that_is_known(
    spot: Path, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy_from(sandbox, monkeypatch)
    inputs, out = {"product": "Lamp"}, tmp_path / "out"
    with pytest.raises(rf.UsageError, match="hero: there is no choice 'noir'") as caught:
        await rf.arun(spot, inputs=inputs, out=out, answers={"hero": "noir"})
    assert caught.value.hint == "one of: studio, neon"
    for wrong in ("heros", "stills"):
        with pytest.raises(rf.UsageError, match=f"does not ask for '{wrong}'") as caught:
            await rf.arun(spot, inputs=inputs, out=out, answers={wrong: "neon"})
    assert caught.value.hint == "it asks for: hero"
    await rf.aplan(spot, inputs=inputs, out=tmp_path / "quote.json")
    with pytest.raises(rf.UsageError, match="hero: there is no choice 'noir'"):
        await rf.arun(quote=tmp_path / "quote.json", out=out, answers={"hero": "noir"})
    with pytest.raises(rf.UsageError, match="'hero' cannot be answered with 2"):
        await rf.arun(spot, inputs=inputs, answers={"hero": 2})  # type: ignore[dict-item]
    assert not bought(sandbox)
    assert not out.exists()
    # The run alone knows these choices.
    computed = "steps.stills.items if steps.stills.items else []"
    spot.write_text(spot.read_text().replace("steps.stills.items", computed))
    with pytest.raises(rf.UsageError, match=r"no choice 'noir'; run-.* is suspended") as caught:
        await rf.arun(spot, inputs=inputs, out=out, answers={"hero": "noir"})
    assert caught.value.hint == "one of: studio, neon; resume the run with that"


@pytest.mark.prefect
def test_none_of_these_asks_again_about_what_is_bought_with_the_note(
    examples: dict[str, Any],
    spot: Path,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    buy_from(sandbox, monkeypatch)
    text = spot.read_text()
    spot.write_text(text.replace("mode: human", "mode: human, none: {rounds: 2}"))
    rejected = {"hero": rf.none_of_these("no dust")}
    inputs, out = {"product": "Comet kettle"}, tmp_path / "out"
    receipt = rf.run(spot, inputs=inputs, out=out, answers=rejected, by="Ben")
    assert (receipt.status, receipt.credits) == ("suspended", 4)
    assert examples["with_a_note"](receipt.run_id) == {"hero": ("studio", "neon")}
    with pytest.raises(rf.UsageError, match="cannot be bought again any more"):
        rf.resume(receipt.run_id, answers=rejected)
    receipt = rf.resume(receipt.run_id, answers={"hero": ["neon"]}, by="Ana")
    assert (receipt.status, receipt.credits) == ("completed", 6)
    [hero] = [step for step in receipt.document["steps"] if step["id"] == "hero"]
    choice = hero["items"][0]["choice"]
    assert choice["notes"] == ["no dust", "warmer light"]
    assert (choice["by"]["name"], choice["by"]["channel"]) == ("Ana", "python")
    assert bought(sandbox) == {"z-image": 6}


@pytest.mark.prefect
async def test_a_flow_of_ones_own_awaits_campaigns(
    examples: dict[str, Any], spot: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy_from(sandbox, monkeypatch)
    spot.write_text(spot.read_text().replace("mode: human", "mode: first"))
    assert await examples["launch"](str(spot), ["kettle", "lamp"]) == 4
    assert bought(sandbox) == {"z-image": 4}


@pytest.mark.parametrize("name", rf.__all__)
def test_the_page_names_every_public_name(name: str) -> None:
    assert re.search(rf"`[^`\n]*\b{name}\b[^`\n]*`|\brf\.{name}\(", TEXT), name
