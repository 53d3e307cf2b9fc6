"""The automations that bring back a run whose process or worker died.

Four of them, each for flow runs with our tag alone, all kept by the server:

* *lost*: no heartbeat for `within` → Crashed. (A worker that lives reports a dead process itself.)
* *again*: Crashed, and `AGAIN_SECONDS` later still so → scheduled anew; the run goes on from its
  journal. The wait is there because a worker reports a dead process twice, some seconds apart: the
  second report would overwrite what was scheduled in between, and is refused while the run is
  still Crashed.
* *enough*: `CRASHES` times Crashed within `CRASHES_SECONDS` → Failed, which ends the wait of
  *again*. So a run that crashes at once does not go round for ever; one that crashes now and then
  is given up after `EXECUTIONS` executions.
* *unbegun*: Pending for `PENDING_SECONDS` → scheduled anew. Its worker died before it began.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
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

HEARTBEAT_SECONDS = 180.0
"""How often a flow run of Prefect 3.9 gives a sign of life, if no setting says otherwise."""

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

_ANY = "prefect.flow-run.*"
_SLACK_SECONDS = 10.0


async def ensure_automations(
    *,
    heartbeat_seconds: float | None = None,
    again_seconds: float = AGAIN_SECONDS,
) -> list[str]:
    """Makes the automations on the server of this process, or sets them right where they are.

    One that somebody has switched off stays so. Safe to call as often as one likes.

    Args:
        heartbeat_seconds: How often the flow runs of all workers give a sign of life
            (``PREFECT_FLOWS_HEARTBEAT_FREQUENCY``). None leaves the patience of an automation
            that is there as it is, and takes Prefect's default for a new one.
        again_seconds: How long a run stays Crashed before it is scheduled anew; at least 10.

    Returns:
        Names of those that were made or changed.

    Raises:
        UsageError: The server refuses them.
    """
    from prefect.exceptions import PrefectHTTPStatusError

    changed = []
    try:
        async with get_client() as client:
            for wanted in automations(heartbeat_seconds or HEARTBEAT_SECONDS, again_seconds):
                keep = wanted.name == LOST and heartbeat_seconds is None
                if await _ensure(client, wanted, keep_patience=keep):
                    changed.append(wanted.name)
    except PrefectHTTPStatusError as error:
        raise UsageError(
            f"prefect: its automations cannot be set: HTTP {error.response.status_code}",
            "use a Prefect server of version 3.8 or later, and an account that may do this",
        ) from error
    return changed


def configured_heartbeat() -> float | None:
    """How often a flow run gives a sign of life, in seconds; None where nobody has set it here.

    The workers' own setting is known in this process only where it is set for both.
    """
    flows = get_current_settings().flows
    return flows.heartbeat_frequency if "heartbeat_frequency" in flows.model_fields_set else None


def automations(heartbeat_seconds: float, again_seconds: float) -> list[AutomationCore]:
    """What `ensure_automations` wants to be there."""
    patience = timedelta(seconds=MISSED_HEARTBEATS * heartbeat_seconds + _SLACK_SECONDS)
    again = ChangeFlowRunState(
        state=StateType.SCHEDULED,
        name="AwaitingRetry",
        message="its process ended unexpectedly; it goes on from its journal",
    )
    return [
        _automation(
            LOST,
            "Marks a run Crashed whose worker and process are both gone.",
            # Anything that is heard of a run is a sign of life, or its end, or its suspension. A
            # process may die between Running and its first heartbeat.
            _silence({"prefect.flow-run.Running", "prefect.flow-run.heartbeat"}, patience),
            ChangeFlowRunState(state=StateType.CRASHED, message="no heartbeat came any more"),
        ),
        _automation(
            AGAIN,
            f"Starts a crashed run again, {EXECUTIONS} times at most.",
            _silence(
                {"prefect.flow-run.Crashed"},
                timedelta(seconds=again_seconds),
                {RUN_COUNT_LABEL: [str(count) for count in range(EXECUTIONS)]},
            ),
            again,
        ),
        _automation(
            ENOUGH,
            f"Ends a run that crashed {CRASHES} times in {CRASHES_SECONDS / 60:g} minutes.",
            EventTrigger(
                **_of_ours(),
                expect={"prefect.flow-run.Crashed"},
                posture=Posture.Reactive,
                threshold=CRASHES,
                within=timedelta(seconds=CRASHES_SECONDS),
            ),
            ChangeFlowRunState(
                state=StateType.FAILED,
                message=f"crashed {CRASHES} times in {CRASHES_SECONDS / 60:g} minutes: not started"
                " again by itself; see its log, then Retry",
            ),
        ),
        _automation(
            UNBEGUN,
            "Starts a run again whose worker died before the run began.",
            # A worker says Submitting while it starts the process.
            _silence(
                {"prefect.flow-run.Pending", "prefect.flow-run.Submitting"},
                timedelta(seconds=PENDING_SECONDS),
            ),
            again.model_copy(update={"message": "its worker never began it"}),
        ),
    ]


def _silence(
    after: set[str], within: timedelta, match: dict[str, str | list[str]] | None = None
) -> EventTrigger:
    """Fires when nothing at all is heard of a flow run for a time after one of these events."""
    return EventTrigger(
        **_of_ours(match or {}),
        after=after,
        expect={_ANY},
        posture=Posture.Proactive,
        threshold=1,
        within=within,
    )


def _of_ours(match: dict[str, str | list[str]] | None = None) -> dict[str, Any]:
    """Each flow run with our tag for itself."""
    return {
        "match": ResourceSpecification({"prefect.resource.id": _ANY, **(match or {})}),
        "match_related": ResourceSpecification(
            {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{OWNER_TAG}"}
        ),
        "for_each": {"prefect.resource.id"},
    }


def _automation(
    name: str, description: str, trigger: EventTrigger, action: ChangeFlowRunState
) -> AutomationCore:
    return AutomationCore(
        name=name, description=description, tags=[OWNER_TAG], trigger=trigger, actions=[action]
    )


async def _ensure(client: PrefectClient, wanted: AutomationCore, *, keep_patience: bool) -> bool:
    """Whether something had to be done."""
    found = await client.read_automations_by_name(wanted.name)
    if not found:
        await client.create_automation(wanted)
        return True
    there, *doubles = found
    for double in doubles:  # two processes were here at the same time
        await client.delete_automation(double.id)
    if keep_patience and isinstance(there.trigger, EventTrigger):
        trigger = wanted.trigger.model_copy(update={"within": there.trigger.within})
        wanted = wanted.model_copy(update={"trigger": trigger})
    wanted = wanted.model_copy(update={"enabled": there.enabled})
    # An update makes the server forget what it waits for: only where something differs.
    if comparable(there) == comparable(wanted) and not doubles:
        return False
    await client.update_automation(there.id, wanted)
    return True


def comparable(automation: AutomationCore) -> dict[str, Any]:
    """What we set of an automation, in the same order for the same content."""
    ours = ("name", "description", "enabled", "tags", "trigger", "actions")
    found = automation.model_dump(mode="json", include=set(ours))
    found["trigger"] = {
        key: sorted(value) if isinstance(value, list) else value
        for key, value in found["trigger"].items()
        if key not in ("id", "type")
    }
    return found


async def missing_automations(names: Iterable[str] = NAMES) -> list[str]:
    """Those that are not on the server of this process, or are switched off."""
    missing = []
    async with get_client() as client:
        for name in names:
            found = await client.read_automations_by_name(name)
            if not any(one.enabled for one in found):
                missing.append(name)
    return missing
