"""The examples of docs/how-to/own-flow.md do what the page says, on a real Prefect server."""

from __future__ import annotations

import ast
import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from prefect.runtime import flow_run

import rivya_flows as rf
from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import bought, buy_from
from support.loaded_scripts import examples_of
from support.prefect_workers import Place, Server, deploy_specs, eventually

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-flow.md"
[SPEC] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("small_pictures")]


@pytest.fixture
def examples(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "spot.yaml").write_text(SPEC)
    return examples_of(PAGE)


async def test_a_flow_that_fails_after_its_campaign_buys_once(
    examples: dict[str, Any], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy_from(sandbox, monkeypatch)
    seen: list[str] = []

    def publish(path: Path) -> str:
        seen.append(flow_run.id)
        if len(seen) < 3:
            raise RuntimeError("the shop does not answer")
        return path.name

    examples["publish"] = publish
    published = await examples["launch"]("Comet kettle")
    assert bought(sandbox) == {"z-image": 2}
    receipt = await rf.aoutputs_of(seen[0])
    assert published == receipt.outputs["hero"].sha256
    assert (receipt.status, receipt.credits, receipt.folder) == ("completed", 2, None)
    assert receipt.files == (receipt.outputs["hero"].path,)


def test_flows_call_it_without_async_at_once_and_by_a_key_and_get_the_receipt_of_a_failure(
    examples: dict[str, Any],
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    buy_from(sandbox, monkeypatch)
    assert examples["launch_without_async"]("Comet kettle") == 2
    assert asyncio.run(examples["season"](["kettle", "lamp"])) == 4
    receipt = asyncio.run(examples["order"]("7", "bowl"))
    assert bought(sandbox) == {"z-image": 8}
    again = rf.outputs_of(receipt.run_id)
    assert (again.status, again.waiting_for) == ("completed", {})
    admin.set_faults(sandbox.data, "faults: [{on: generation, do: fail}]")
    capsys.readouterr()
    with pytest.raises(rf.RunEndedError):
        asyncio.run(examples["careful_launch"]("Aurora lamp"))
    run_id, _, problems = capsys.readouterr().out.partition(" ")
    assert "The generation failed; 1 credit refunded" in problems
    assert rf.outputs_of(run_id).problems == ast.literal_eval(problems)


async def test_an_order_that_comes_twice_is_one_flow_run_with_one_bill(
    studio: Place,
    server: Server,
    examples: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    # With a pick that waits.
    text = SPEC.replace("name: studio", "{name: studio, work_pool: studio}")
    deploy_specs(studio, server, [text.replace("mode: first", "mode: human")])
    deployment = server.ask("GET", "/deployments/name/spot/studio")["id"]
    sold = len(admin.ledger(studio.sandbox)["generations"])
    for name, value in studio.environment.items():
        monkeypatch.setenv(name, value)
    orders = [examples["order_came"]("7", "kettle") for _ in range(2)]
    coming = [asyncio.create_task(asyncio.to_thread(asyncio.run, order)) for order in orders]

    def question() -> str | None:
        suspended = {"name": {"any_": ["Suspended"]}}
        wanted = {"deployment_id": {"any_": [deployment]}, "state": suspended}
        found = server.ask("POST", "/flow_runs/filter", {"flow_runs": wanted})
        return str(found[0]["id"]) if found else None

    run = await asyncio.to_thread(eventually, question, "the question")
    waiting = await asyncio.to_thread(examples["look"], run)
    assert waiting == "waits for {'hero': ('studio', 'neon')}"
    resumed = {"run_input": {"hero": "neon"}}

    def answer() -> bool:
        said = server.ask("POST", f"/flow_runs/{run}/resume", resumed)
        return bool(said["status"] == "ACCEPT")

    await asyncio.to_thread(eventually, answer, "the form")
    first, second = await asyncio.gather(*coming)
    assert first == second
    assert (first.run_id, first.status) == (f"run-{run}", "completed")
    assert sorted(studio.bought(run).values()) == [1, 1]
    assert len(admin.ledger(studio.sandbox)["generations"]) == sold + 2
    fetched = await asyncio.to_thread(examples["fetch"], run, str(tmp_path / "out"))
    assert fetched == ["hero.png"]
