from __future__ import annotations

import asyncio
import pickle
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from prefect import Flow, get_client
from prefect.states import Cancelled

from rivya_flows.flows.compiler import RunEndedError, compile_flow, outcome_of
from rivya_flows.language.workflow import Input, Workflow
from rivya_flows.preparation.deploy_blocks import attribute_of
from rivya_flows.store.deployments import DeployedSpec

WORKFLOW = Workflow(
    version=1,
    name="spring-sale",
    description="A still for each style.",
    inputs={
        "product": Input(type="string", default="Lamp"),
        "count": Input(type="integer", default=3, max=5),
    },
    steps={},
)


@dataclass(frozen=True)
class Ended:
    status: str
    sentence: str
    inputs: Mapping[str, Any] | None = None


def compiled(
    status: str = "completed", text: str = "version: 1"
) -> Flow[..., Coroutine[Any, Any, Any]]:
    async def execute(inputs: Mapping[str, Any], wallet: object) -> Ended:
        assert wallet is None
        return Ended(status, f"it {status}", inputs)

    return compile_flow(WORKFLOW, spec_text=text, execute=execute)


def test_a_flow_bears_the_name_and_place_of_its_spec() -> None:
    made = compiled()
    assert made.name == "spring-sale"
    assert made.description == "A still for each style."
    assert (made.fn.__module__, made.fn.__qualname__) == (
        "rivya_flows.flows.campaigns",
        "spring_sale",
    )
    assert made.isasync


def test_the_version_follows_the_text_of_the_spec() -> None:
    version = compiled().version
    assert version == DeployedSpec("another-name", "version: 1").version
    assert compiled(text="version: 1\n").version != version
    assert version.startswith("sha256:")
    assert len(version) == len("sha256:") + 12


def test_hyphens_become_underscores_in_an_attribute() -> None:
    assert attribute_of("product-launch") == "product_launch"


def test_an_error_of_a_run_can_be_pickled() -> None:
    error = RunEndedError(Ended("failed", "it failed"))
    assert str(pickle.loads(pickle.dumps(error))) == "it failed"


@pytest.mark.prefect
@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("completed", ("COMPLETED", "Completed")),
        ("suspended", ("COMPLETED", "AwaitingAnswer")),
        ("failed", ("FAILED", "Failed")),
        ("cancelled", ("CANCELLED", "Cancelled")),
    ],
)
async def test_a_run_ends_in_the_state_of_its_outcome(status: str, shown: tuple[str, str]) -> None:
    state = await compiled(status)(count=4, return_state=True)
    assert (state.type, state.name) == shown
    assert state.message == f"it {status}"
    assert await outcome_of(state) == Ended(status, f"it {status}", {"product": "Lamp", "count": 4})


@pytest.mark.prefect
async def test_the_server_shows_a_run_under_the_name_of_its_inputs() -> None:
    state = await compiled()(product="Oak desk", return_state=True)
    async with get_client() as client:
        run = await client.read_flow_run(UUID(str(state.state_details.flow_run_id)))
    assert run.name == "spring-sale: Oak desk"
    assert run.flow_version == compiled().version


@pytest.mark.prefect
async def test_a_failed_run_raises_its_sentence() -> None:
    with pytest.raises(RunEndedError, match="it failed"):
        await compiled("failed")()


@pytest.mark.prefect
async def test_a_refused_parameter_executes_nothing() -> None:
    state = await compiled()(count=9, return_state=True)
    with pytest.raises(Exception, match="less than or equal to 5"):
        await outcome_of(state)


async def test_a_flow_that_prefect_cancelled_before_it_began_is_a_cancellation() -> None:
    """Ctrl-C while a flow begins; anything else would be reported as a bug."""
    with pytest.raises(asyncio.CancelledError):
        await outcome_of(Cancelled(message="cancelled by the runtime"))
