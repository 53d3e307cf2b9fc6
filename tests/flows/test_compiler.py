from __future__ import annotations

import asyncio
import pickle
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from prefect import Flow, get_client
from prefect.exceptions import ParameterTypeError
from prefect.states import Cancelled

from rivya_flows.flows.compiler import RunEndedError, compile_flow, outcome_of
from rivya_flows.language.workflow import Input, Workflow
from rivya_flows.plans.run_form import inputs_from, shown_parameters
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


def test_a_flow_bears_the_name_and_place_of_its_spec_and_the_version_of_its_text() -> None:
    made = compiled()
    assert made.name == "spring-sale"
    assert made.description == "A still for each style."
    assert (made.fn.__module__, made.fn.__qualname__) == (
        "rivya_flows.flows.campaigns",
        "spring_sale",
    )
    assert made.isasync
    assert made.version == DeployedSpec("another-name", "version: 1").version
    assert made.version.startswith("sha256:")
    assert len(made.version) == len("sha256:") + 12
    assert compiled(text="version: 1\n").version != made.version


def test_a_description_is_text_for_the_server() -> None:
    made = WORKFLOW.model_copy(
        update={"description": "A *film* ![](https://evil.example/x.png)\n<b>new</b>"}
    )

    async def nothing(*_: Any) -> Any: ...

    shown = compile_flow(made, spec_text="", execute=nothing).description
    assert shown == (
        r"A \*film\* \!\[\](https:" + "\u2060" + "//evil.example/x.png)\n&lt;b&gt;new&lt;/b&gt;"
    )


async def test_the_rows_of_a_form_reach_the_run_as_json_and_those_of_a_run_its_form() -> None:
    row = {
        "name": Input(type="string", max=9),
        "price": Input(type="integer", default=3),
        "schema": Input(type="date", required=False),
        "photo": Input(type="file", required=False),
    }
    made = WORKFLOW.model_copy(
        update={"inputs": {"products": Input(type="list", of="map", fields=row)}}
    )

    async def execute(inputs: Mapping[str, Any], _: Any) -> Any:
        raise AssertionError(inputs)

    flow = compile_flow(made, spec_text="", execute=execute)
    given = {"products": [{"name": "Lamp", "schema": "2026-01-02", "price": None}]}
    checked = flow.validate_parameters({**given, "credentials": None})
    assert inputs_from(made, checked) == given
    with pytest.raises(ParameterTypeError):
        flow.validate_parameters({"products": [{"name": "Lamp", "prize": 3}]})
    asset = {"kind": "image", "sha256": "a" * 64, "path": "/x.png", "url": None}
    frozen: dict[str, Any] = {
        "products": [{"name": "Lamp", "price": 3, "schema": None, "photo": asset}]
    }
    shown = shown_parameters(made, frozen)
    assert shown["products"] == [{**frozen["products"][0], "photo": f"sha256:{'a' * 64}"}]
    assert flow.validate_parameters(dict(shown))


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
async def test_a_run_ends_in_the_state_of_its_outcome_under_the_name_of_its_inputs(
    status: str, shown: tuple[str, str]
) -> None:
    state = await compiled(status)(product="Oak desk", count=4, return_state=True)
    assert (state.type, state.name, state.message) == (*shown, f"it {status}")
    given = {"product": "Oak desk", "count": 4}
    assert await outcome_of(state) == Ended(status, f"it {status}", given)
    async with get_client() as client:
        run = await client.read_flow_run(UUID(str(state.state_details.flow_run_id)))
    assert run.name == "spring-sale: Oak desk"
    assert run.flow_version == compiled(status).version


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
