"""The automations that restart a run whose process or worker died.

The server runs four of them, for flow runs with our tag only:

* *lost*: no heartbeat for `within` → Crashed. (A live worker reports a dead process itself.)
* *again*: Crashed for `AGAIN_SECONDS` → rescheduled; the run resumes from its journal. The wait is
  needed because a worker reports a dead process twice, some seconds apart: the second report would
  overwrite a new schedule, and the server refuses it while the run is still Crashed.
* *enough*: Crashed `CRASHES` times within `CRASHES_SECONDS` → Failed, which ends the wait of
  *again*: a run that always crashes at once stops. One that crashes now and then stops after
  `EXECUTIONS` executions.
* *unbegun*: Pending for `PENDING_SECONDS` → rescheduled. Its worker died before it began.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.settings import get_current_settings

from rivya_flows.errors import UsageError
from rivya_flows.flows.deploy_blocks import OWNER_TAG
from rivya_flows.flows.prefect_internals import RUN_COUNT_LABEL
from rivya_flows.flows.server.environment import password_hint

EVENT_PREFIX = "rivya-flows.run."
"""Begins the event of a run's end, before completed, failed, cancelled or suspended; automations of
users match it too."""

ROW_PREFIX, BATCH_PREFIX = "rivya-flows.row.", "rivya-flows.batch."
"""Begin the events of the end of a run that is a row of a batch, and of the batch."""

LAST_HEARTBEAT = "rivya-flows.last-heartbeat"
"""The event after the last heartbeat of a flow run that ended or was suspended."""

OURS = {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{OWNER_TAG}"}
"""A related resource of each event of a flow run of ours."""

HEARTBEAT_SECONDS = 180.0
"""The default heartbeat of a flow run in Prefect 3.9."""

MISSED_HEARTBEATS = 3
AGAIN_SECONDS = 15.0
CRASHES = 5
CRASHES_SECONDS = 15 * 60.0
EXECUTIONS = 20
PENDING_SECONDS = 5 * 60.0

LOST = f"{OWNER_TAG}: heartbeat lost"
AGAIN = f"{OWNER_TAG}: crashed, start again"
ENOUGH = f"{OWNER_TAG}: crashed too often"
UNBEGUN = f"{OWNER_TAG}: never began, start again"
NAMES = (LOST, AGAIN, ENOUGH, UNBEGUN)

_RUN = "prefect.flow-run"
_SLACK_SECONDS = 10.0


async def ensure_automations(
    *, heartbeat_seconds: float | None = None, again_seconds: float = AGAIN_SECONDS
) -> dict[str, str]:
    """Makes or updates the automations on the server of this process; idempotent.

    One that somebody switched off stays off.

    Args:
        heartbeat_seconds: The heartbeat of the flow runs of all workers
            (``PREFECT_FLOWS_HEARTBEAT_FREQUENCY``). None keeps the time-out of an existing
            automation and uses Prefect's default for a new one.
        again_seconds: How long a run stays Crashed before it is rescheduled; at least 10.

    Returns:
        What was done to each, by name: `made`, `changed` or `unchanged`.
    """
    done = {}
    with refusals():
        async with get_client() as client:
            for wanted in automations(heartbeat_seconds or HEARTBEAT_SECONDS, again_seconds):
                keep = wanted.name == LOST and heartbeat_seconds is None
                done[wanted.name] = await ensure(client, wanted, keep_within=keep)
    return done


@contextmanager
def refusals() -> Iterator[None]:
    """Turns the refusal of a server into a `UsageError`."""
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        yield
    except PrefectHTTPStatusError as error:
        status = error.response.status_code
        raise UsageError(
            f"prefect: the automations cannot be set: HTTP {status}",
            password_hint(status)
            if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
            else "update the Prefect server, or use an account with the right to set automations",
        ) from error


def configured_heartbeat() -> float | None:
    """The heartbeat of flow runs in seconds as set in this process; None if it is not set."""
    flows = get_current_settings().flows
    return flows.heartbeat_frequency if "heartbeat_frequency" in flows.model_fields_set else None


def automations(heartbeat_seconds: float, again_seconds: float) -> list[AutomationCore]:
    silence = MISSED_HEARTBEATS * heartbeat_seconds + _SLACK_SECONDS
    period = f"{CRASHES_SECONDS / 60:g} minutes"
    counts = [str(count) for count in range(EXECUTIONS)]
    return [
        _automation(
            LOST,
            "Marks a run as crashed if its worker and its process are gone.",
            # Any event of a run is a sign of life, its end or its suspension. A process may die
            # between Running and its first heartbeat. Its last heartbeat may come after its end.
            _silence(silence, "Running", "heartbeat", or_hears=LAST_HEARTBEAT),
            ChangeFlowRunState(state=StateType.CRASHED, message="its heartbeat stopped"),
        ),
        _automation(
            AGAIN,
            f"Restarts a crashed run, at most {EXECUTIONS} times.",
            _silence(again_seconds, "Crashed", counts=counts),
            _again("its process ended unexpectedly; it resumes from its journal"),
        ),
        _automation(
            ENOUGH,
            f"Ends a run that crashed {CRASHES} times in {period}.",
            _trigger(Posture.Reactive, CRASHES, CRASHES_SECONDS, {f"{_RUN}.Crashed"}),
            ChangeFlowRunState(
                state=StateType.FAILED,
                message=f"crashed {CRASHES} times in {period}; not restarted automatically;"
                " see its log, then Retry",
            ),
        ),
        _automation(
            UNBEGUN,
            "Restarts a run whose worker died before the run began.",
            # A worker of Prefect's own sets Submitting while it starts the process.
            _silence(PENDING_SECONDS, "Pending", "Submitting"),
            _again("its worker never started it"),
        ),
    ]


def _again(message: str) -> ChangeFlowRunState:
    return ChangeFlowRunState(state=StateType.SCHEDULED, name="AwaitingRetry", message=message)


def _silence(
    seconds: float, *after: str, or_hears: str = f"{_RUN}.*", counts: Collection[str] = ()
) -> EventTrigger:
    """Fires if a flow run has no event of Prefect, nor `or_hears`, for a time after one of these.

    `counts` are those of its executions; none: any.
    """
    events = {f"{_RUN}.{one}" for one in after}
    expected = {f"{_RUN}.*", or_hears}
    return _trigger(Posture.Proactive, 1, seconds, expected, events, counts)


def _trigger(
    posture: Posture,
    threshold: int,
    seconds: float,
    expect: set[str],
    after: Collection[str] = (),
    counts: Collection[str] = (),
) -> EventTrigger:
    """For each flow run with our tag."""
    match: dict[str, str | list[str]] = {"prefect.resource.id": f"{_RUN}.*"}
    if counts:
        match[RUN_COUNT_LABEL] = [*counts]
    return EventTrigger(
        match=ResourceSpecification(match),
        match_related=ResourceSpecification({**OURS}),
        for_each={"prefect.resource.id"},
        after={*after},
        expect=expect,
        posture=posture,
        threshold=threshold,
        within=timedelta(seconds=seconds),
    )


def _automation(
    name: str, description: str, trigger: EventTrigger, action: ChangeFlowRunState
) -> AutomationCore:
    return AutomationCore(
        name=name, description=description, tags=[OWNER_TAG], trigger=trigger, actions=[action]
    )


async def ensure(
    client: PrefectClient, wanted: AutomationCore, *, keep_within: bool = False
) -> str:
    """Makes an automation of ours, or updates the one of that name, which stays off if it is off; says which."""
    found = await client.read_automations_by_name(wanted.name)
    if not found:
        await client.create_automation(wanted)
        return "made"
    there, *doubles = found
    for double in doubles:  # two processes made it at the same time
        await client.delete_automation(double.id)
    if keep_within and isinstance(there.trigger, EventTrigger):
        trigger = wanted.trigger.model_copy(update={"within": there.trigger.within})
        wanted = wanted.model_copy(update={"trigger": trigger})
    wanted = wanted.model_copy(update={"enabled": there.enabled})
    # Only if something differs: an update resets the time that the server has waited.
    if comparable(there) == comparable(wanted) and not doubles:
        return "unchanged"
    await client.update_automation(there.id, wanted)
    return "changed"


def comparable(automation: AutomationCore) -> str:
    """What we set of an automation, as JSON, in the same order for the same content."""
    ours = {"name", "description", "enabled", "tags", "trigger", "actions"}
    return json.dumps(_in_order(automation.model_dump(mode="json", include=ours)), sort_keys=True)


def _in_order(value: Any) -> Any:
    """Without the ids that the server gives; sets of texts sorted."""
    if isinstance(value, dict):
        return {key: _in_order(one) for key, one in value.items() if key not in ("id", "type")}
    if isinstance(value, list):
        found = [_in_order(one) for one in value]
        return sorted(found) if all(isinstance(one, str) for one in found) else found
    return value


async def missing_automations(names: Iterable[str] = NAMES) -> list[str]:
    """The automations that the server of this process lacks, or that are switched off."""
    missing = []
    async with get_client() as client:
        for name in names:
            found = await client.read_automations_by_name(name)
            if not any(one.enabled for one in found):
                missing.append(name)
    return missing
