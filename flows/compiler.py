"""Compile a workflow into a Prefect flow: its form, its version, its name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, overload

from prefect import Flow
from prefect.client.schemas.objects import State
from prefect.exceptions import Abort, CancelledRun, ParameterTypeError
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed
from prefect.types.entrypoint import EntrypointType
from pydantic import Field

from rivya_client.printable import one_line, printable
from rivya_flows.engine.run import StoppedError, stoppable
from rivya_flows.engine.run_context import WalletCredentials
from rivya_flows.errors import LeaseLostError, RivyaError, hint_of
from rivya_flows.flows.absence import try_later
from rivya_flows.flows.credentials import RivyaCredentials, name_of, refuse_unsaved, wallet_of
from rivya_flows.flows.current_run import can_be_suspended, flow_run_here, remember_call
from rivya_flows.language.workflow import Inputs, Workflow
from rivya_flows.markdown import paragraphs
from rivya_flows.plans.run_form import CREDENTIALS, inputs_from, run_name, signature_of
from rivya_flows.preparation.deploy_blocks import ENTRYPOINT_MODULE, attribute_of
from rivya_flows.store.deployments import DeployedSpec

if TYPE_CHECKING:  # a run has no deployment to make
    from prefect.deployments.runner import RunnerDeployment

    from rivya_flows.runs.results import Receipt

_OF_MODULE = {"entrypoint_type": EntrypointType.MODULE_PATH}
_MADE_UP = re.compile("[A-Za-z]+-[A-Za-z]+")  # a flow run's name by its server or its UI

WALLET = Annotated[
    RivyaCredentials | None,
    Field(
        json_schema_extra={
            "title": "Wallet",
            "description": "The credentials to buy with; None: the key of the worker.",
            # The server refuses a key itself, which it would store as text; a saved block is a reference.
            "not": {"type": "object", "required": ["api_key"]},
        }
    ),
]
"""The type of the parameter `credentials`."""


class Outcome(Protocol):
    """How a run ended, as far as a flow shows it."""

    @property
    def status(self) -> str: ...
    @property
    def sentence(self) -> str: ...


class RunEndedError(RivyaError):
    """The run failed or was cancelled; its receipt says what was done.

    Attributes:
        outcome: How it ended; of a flow of `rivya_flows.campaign` it is the `Receipt`.
    """

    code = "run_ended"

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome: Any = outcome  # a command's flow has a report instead

    def __str__(self) -> str:
        return str(self.outcome.sentence)


class CampaignFlow(Flow[..., Coroutine[Any, Any, Any]]):
    """The flow of a campaign; its deployments import it from `rivya_flows.flows.campaigns`."""

    run_key: str | None = None  # of the run in the flow run that calls; None: by the call's place

    @overload  # type: ignore[override]  # its inputs have names
    def __call__(
        self, *, return_state: Literal[True], **inputs: Any
    ) -> Coroutine[Any, Any, State[Receipt]]: ...
    @overload
    def __call__(self, **inputs: Any) -> Coroutine[Any, Any, Receipt]: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As that of `Flow`: the result, or with ``return_state=True`` the state.

        In a flow of your own the run is a part of it: when that flow run is retried, the same call
        continues the same run.
        """

        async def call() -> Any:
            refuse_unsaved(kwargs.get(CREDENTIALS))
            with remember_call(self.run_key):
                return await super(CampaignFlow, self).__call__(*args, **kwargs)

        return call()

    def validate_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """As that of `Flow`; says what is wrong with the credentials."""
        try:
            return super().validate_parameters(parameters)
        except ParameterTypeError as error:
            if (cause := error.__cause__) is None:
                raise
            raise ParameterTypeError(
                f"{CREDENTIALS}: the block cannot be loaded: {one_line(str(cause))}; fix or create it"
                " in Prefect, under Blocks, and start another run; one that has begun continues with"
                " `rivya-flows resume`, by the name of its block"
            ) from cause

    def with_options(self, *, run_key: str | None = None, **options: Any) -> CampaignFlow:
        """As that of `Flow`, with one more option."""
        made = super().with_options(**options)
        made.__class__ = CampaignFlow
        assert isinstance(made, CampaignFlow)
        made.run_key = self.run_key if run_key is None else run_key
        return made

    async def ato_deployment(  # type: ignore[override]  # its options are passed on
        self, name: str, **options: Any
    ) -> RunnerDeployment:
        """As that of `Flow`, with the entrypoint of the module and not that of a file."""
        return await super().ato_deployment(name, **{**options, **_OF_MODULE})

    def to_deployment(self, name: str, **options: Any) -> Any:  # type: ignore[override]  # passed on
        """As `ato_deployment`; gives the deployment itself outside of asynchronous code."""
        return super().to_deployment(name, **{**options, **_OF_MODULE})


Execute = Callable[[Inputs, WalletCredentials | None], Awaitable[Outcome]]
"""Called inside the flow run; a wallet of None is the key of the process."""

Announce = Callable[[Exception, Literal["cancelled", "failed"]], Awaitable[None]]

_CANCELLED = "the run was cancelled; bought jobs continue"

_COMPLETED = {"completed": "Completed", "suspended": "AwaitingAnswer", "skipped": "Skipped"}
"""The state's name by the run's status."""


def end_state(outcome: Outcome) -> State[Any]:
    """The flow run's last state; `outcome_of` gives the outcome back.

    One that waits for an answer, and is no run of a deployment, has ended well as far as Prefect is concerned.
    """
    message = one_line(outcome.sentence)  # Prefect logs it
    if outcome.status in _COMPLETED:
        return Completed(name=_COMPLETED[outcome.status], message=message, data=outcome)
    ended = Cancelled if outcome.status == "cancelled" else Failed
    # Prefect can raise the data of a failed state only if it is an exception.
    return ended(message=message, data=RunEndedError(outcome))


async def _ended_by(error: Exception, announce: Announce | None) -> State[Any]:
    """The last state of a flow run that an error ends, once that is announced; or it tries again later."""
    cancelled = await try_later(error)
    if announce is not None:
        await announce(error, "cancelled" if cancelled else "failed")
    if cancelled:
        return Cancelled(message=_CANCELLED)
    hint = hint_of(error)
    message = printable(f"{error} (hint: {hint})" if hint else str(error))
    return Failed(message=message, data=error)


async def outcome_of(state: State[Any]) -> Outcome:
    """The outcome in the last state of a flow run of this process; raises what else ended the flow."""
    result = await state.aresult(raise_on_failure=False)
    if isinstance(result, CancelledRun):
        raise asyncio.CancelledError from result
    if isinstance(result, RunEndedError):
        result = result.outcome
    if isinstance(result, BaseException):
        raise result
    outcome: Outcome = result
    return outcome


def compile_flow(
    workflow: Workflow,
    *,
    spec_text: str,
    attribute: str | None = None,
    version: str | None = None,
    execute: Execute,
    announce: Announce | None = None,
) -> CampaignFlow:
    """An asynchronous flow whose parameters are the workflow's inputs, and `credentials`.

    Gives the outcome, or raises `RunEndedError` for a run that did not complete. `attribute` and `version` of
    None come from name and text. `announce` gets the error that ends the run, if `execute` raises one.
    """

    async def campaign(**parameters: Any) -> State[Any]:
        credentials = parameters.get(CREDENTIALS)
        try:
            with stoppable():
                wallet = None if credentials is None else wallet_of(credentials)
                outcome = await execute(inputs_from(workflow, parameters), wallet)
        except StoppedError:
            return Cancelled(message=_CANCELLED)
        except Exception as error:
            if isinstance(error, LeaseLostError) and can_be_suspended():
                raise Abort(str(error)) from error  # who has the lease ends this flow run
            state = await _ended_by(error, announce)
            if state.is_failed() and not isinstance(error, RivyaError):
                raise
            return state
        return end_state(outcome)

    def name_of_this_run() -> str:
        run = flow_run_here()
        if run is not None and not _MADE_UP.fullmatch(run.name):
            return run.name  # a person gave it, or an earlier execution
        due = run.expected_start_time if run is not None and run.auto_scheduled else None
        given = flow_run.parameters or {}
        wallet = name_of(given.get(CREDENTIALS))
        return run_name(workflow, inputs_from(workflow, given), due, wallet)

    # Prefect finds a flow again by module and qualified name, and reads the form off the rest.
    campaign.__module__ = ENTRYPOINT_MODULE
    campaign.__name__ = campaign.__qualname__ = attribute or attribute_of(workflow.name)
    campaign.__doc__ = one_line(workflow.title or workflow.name)
    campaign.__signature__ = signature_of(workflow, WALLET)  # type: ignore[attr-defined]  # read by inspect

    return CampaignFlow(
        campaign,
        name=workflow.name,
        version=version or DeployedSpec(workflow.name, spec_text).version,
        description=paragraphs(workflow.description or workflow.title or workflow.name),
        flow_run_name=name_of_this_run,
        # Attempts must not multiply: the journal alone knows what is already bought.
        retries=0,
        persist_result=False,
        validate_parameters=True,
    )


def failing_flow(
    attribute: str, error: Exception, announce: Announce, inputs: Iterable[str]
) -> CampaignFlow:
    """Stands in for a spec that cannot be compiled: Failed with its error, not Crashed, whatever its inputs."""

    async def campaign(**parameters: Any) -> State[Any]:
        return await _ended_by(error, announce)

    given = [Parameter(name, Parameter.KEYWORD_ONLY) for name in inputs if name.isidentifier()]
    campaign.__signature__ = Signature(given)  # type: ignore[attr-defined]  # read by inspect
    return CampaignFlow(
        campaign, name=attribute, retries=0, persist_result=False, validate_parameters=False
    )
