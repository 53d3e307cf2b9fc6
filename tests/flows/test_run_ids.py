"""A campaign that another flow calls is a part of it: bought once, however often that is retried."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect import flow, task
from prefect.runtime import flow_run

import rivya_flows as rf
from rivya_flows.flows.compiler import CampaignFlow
from rivya_flows.runs.results import Receipt
from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import bought, buy_from
from support.tea_time import SPEC

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("small_pictures")]


class AfterItsCampaignsError(Exception):
    """What fails in a flow of one's own."""


@pytest.fixture
def campaign(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> CampaignFlow:
    buy_from(sandbox, monkeypatch)
    path = tmp_path / "tea-time.yaml"
    path.write_text(SPEC)
    return rf.campaign(path)


def failing(times: int) -> Callable[[], None]:
    """Raises on the first calls."""
    left = iter(range(times))

    def fail() -> None:
        if next(left, None) is not None:
            raise AfterItsCampaignsError

    return fail


async def test_a_flow_that_fails_after_its_campaign_buys_once(
    campaign: CampaignFlow, sandbox: Sandbox
) -> None:
    receipts: list[Receipt] = []
    fail = failing(2)

    @flow(retries=2)
    async def launch() -> str:
        receipts.append(await campaign(product="kettle"))
        fail()
        return str(flow_run.id)

    outermost = await launch()
    assert bought(sandbox) == {"z-image": 1}
    assert len({one.run_id for one in receipts}) == 1
    assert receipts[0].run_id.startswith(f"run-{outermost}-")
    assert [one.outputs for one in receipts] == [receipts[0].outputs] * 3
    # It was not executed again either.
    assert {one.document["executions"] for one in receipts} == {1}


async def test_calls_at_once_are_told_apart_by_their_inputs_in_any_order(
    campaign: CampaignFlow, sandbox: Sandbox
) -> None:
    orders = iter([["kettle", "lamp", "bowl"], ["bowl", "kettle", "lamp", "chair"]])
    fail = failing(1)

    @flow(retries=1)
    async def launch() -> None:
        await asyncio.gather(*[campaign(product=product) for product in next(orders)])
        fail()

    await launch()
    assert bought(sandbox) == {"z-image": 4}


async def test_equal_calls_are_two_runs_and_a_retry_adds_none(
    campaign: CampaignFlow, sandbox: Sandbox
) -> None:
    seen: list[tuple[str, ...]] = []
    fail = failing(1)

    @flow(retries=1)
    async def launch() -> None:
        # An input that is its default says nothing.
        made = await campaign(), await campaign(product="Lamp")
        seen.append(tuple(one.run_id for one in made))
        fail()

    await launch()
    [first, second] = seen
    assert first == second
    assert len(set(first)) == 2
    assert bought(sandbox) == {"z-image": 2}


async def test_a_key_names_a_run_wherever_it_is_called_and_refuses_other_inputs(
    campaign: CampaignFlow, sandbox: Sandbox
) -> None:
    keyed = campaign.with_options(run_key="order-7")

    @flow
    async def inner() -> str:
        return str((await keyed(product="kettle")).run_id)

    @flow
    async def launch() -> set[str]:
        found = {await inner(), await inner(), (await keyed(product="kettle")).run_id}
        with pytest.raises(rf.UsageError, match=r"run_key 'order-7' names a run .* other inputs"):
            await keyed(product="lamp")
        return found

    assert len(await launch()) == 1
    assert bought(sandbox) == {"z-image": 1}
    with pytest.raises(rf.UsageError, match="outside of a flow"):
        await keyed()


async def test_a_campaign_in_a_subflow_is_part_of_the_outermost_flow(
    campaign: CampaignFlow, sandbox: Sandbox
) -> None:
    fail = failing(1)

    @flow
    async def for_one(product: str) -> str:
        receipt = await campaign(product=product)
        fail()
        return str(receipt.run_id)

    @flow(retries=1)
    async def launch() -> set[str]:
        return {await for_one("kettle"), await for_one("lamp")}

    assert len(await launch()) == 2
    assert bought(sandbox) == {"z-image": 2}


async def test_a_task_that_is_retried_or_mapped_buys_each_thing_once(
    campaign: CampaignFlow, sandbox: Sandbox
) -> None:
    fail = failing(2)

    @task(retries=1, retry_delay_seconds=0)
    async def make(product: str) -> str:
        receipt = await campaign(product=product)
        fail()
        return str(receipt.run_id)

    @flow(retries=1)
    async def launch() -> set[str]:
        found = set(await asyncio.gather(make("kettle"), make("lamp")))
        fail()
        return found

    assert len(await launch()) == 2
    assert bought(sandbox) == {"z-image": 2}


async def test_equal_calls_of_two_tasks_or_subflows_need_a_key(
    campaign: CampaignFlow, sandbox: Sandbox
) -> None:
    async def make(key: str | None) -> str:
        return str((await campaign.with_options(run_key=key)(product="kettle")).run_id)

    def launch(own: Callable[..., Any]) -> Any:
        @flow
        async def launch() -> set[str]:
            await own(None)
            with pytest.raises(rf.UsageError, match="from several tasks or subflows"):
                await own(None)
            return {await own("first"), await own("second")}

        return launch()

    assert len(await launch(task(make))) == 2
    assert len(await launch(flow(make))) == 2
    assert bought(sandbox) == {"z-image": 6}


async def test_a_campaign_that_failed_is_continued_when_its_flow_is_retried(
    campaign: CampaignFlow, sandbox: Sandbox
) -> None:
    admin.set_faults(
        sandbox.data, 'faults: [{on: "GET /media/results/*", do: status, status: 410, times: 1}]'
    )
    runs: list[str] = []

    @flow(retries=1)
    async def launch() -> Receipt:
        try:
            receipt: Receipt = await campaign(product="kettle")
        except rf.RunEndedError as error:
            runs.append(error.outcome.run_id)
            raise
        return receipt

    receipt = await launch()
    assert runs == [receipt.run_id]
    assert (receipt.status, receipt.document["executions"]) == ("completed", 2)
    assert bought(sandbox) == {"z-image": 1}
