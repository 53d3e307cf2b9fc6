"""The daily check: the specs of all deployments against the models of the service, with an event for each new drift."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID, uuid5

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events import Event
from prefect.states import Completed

from rivya_client.catalogue.catalogue import Catalogue
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.engine.run_context import RunContext
from rivya_flows.flows.credentials import secret_block
from rivya_flows.flows.current_run import run_logger
from rivya_flows.flows.deployment import sync
from rivya_flows.flows.deployment.infrastructure import DRIFT
from rivya_flows.flows.prefect_api import open_client
from rivya_flows.flows.prefect_internals import send_event
from rivya_flows.flows.recovery.automations import DRIFTED, OURS, RESOURCE
from rivya_flows.language.canonical import digest
from rivya_flows.language.wording import count_noun
from rivya_flows.markdown import code, text
from rivya_flows.preparation.catalogue_cache import read_catalogue
from rivya_flows.preparation.deploy_blocks import SPEC_VARIABLE
from rivya_flows.preparation.drift import Drift, drift_of
from rivya_flows.runs.connect import connect, for_worker
from rivya_flows.settings import read_settings
from rivya_flows.store.database import in_thread
from rivya_flows.store.deployments import (
    SeenDrift,
    deployed_spec,
    last_drifts,
    record_drifts,
    version_of,
)
from rivya_flows.store.shared_store_checks import mask_password

_EVENTS = UUID("0b1d4c57-8a5e-4b4b-9d44-0c7b8f0d5e27")
"""The namespace of the ids of events: one for each new state of each deployment."""


@flow(name=DRIFT, retries=0, persist_result=False)
async def look_for_drift() -> State[None]:
    """Checks the specs of all deployments against the models of the service; buys nothing."""
    logger = run_logger()
    settings = await for_worker(read_settings(), secret_block)
    async with connect(settings, notify=logger.info) as context:
        async with context.client() as client:
            catalogue = await read_catalogue(client, context)
        found = await drifts(context, catalogue)
        for drift in found.values():
            say = logger.info if drift.status == "ok" else logger.warning
            say("%s: %s: %s", drift.deployment, drift.status, drift.sentence)
        await announce(context, found)
    drifted = sum(one.status != "ok" for one in found.values())
    checked = count_noun(len(found), "deployment")
    return Completed(message=f"{drifted} of {checked} drifted" if drifted else f"{checked}: ok")


async def drifts(context: RunContext, catalogue: Catalogue) -> dict[UUID, Drift]:
    """What has become of each deployment of ours on the server of this process, by its id and in the order of names."""
    async with open_client() as client:
        existing = await sync.read_existing(client, ())
    return {
        one.id: await in_thread(_drift, context, catalogue, name, one)
        for name, one in sorted(existing.items())
        if sync.is_ours(one)
    }


def _drift(
    context: RunContext, catalogue: Catalogue, name: str, deployment: DeploymentResponse
) -> Drift:
    spec_hash = sync.environment_of(deployment)[SPEC_VARIABLE]
    spec = deployed_spec(context.journal.engine, spec_hash)
    if spec is None:
        store = mask_password(context.settings.store_url)
        message = f"its spec {version_of(spec_hash)} is not in the store {store}"
        hint = "use the RIVYA_FLOWS_STORE that it was deployed with, or deploy it again"
        unknown = Diagnostic("unreadable", message, hint, file=name)
        return Drift(name, version_of(spec_hash), (unknown,))
    before = sync.price_when_deployed(deployment)
    return drift_of(name, spec, before, catalogue, context.assets)


async def announce(context: RunContext, found: Mapping[UUID, Drift]) -> None:
    """Sends an event for each deployment that drifted otherwise than the last check found, and records this one."""
    engine, now = context.journal.engine, time.time()
    before, seen = await in_thread(last_drifts, engine), list[SeenDrift]()
    for deployment_id, drift in found.items():
        state, last = digest(drift.as_json()), before.get(drift.deployment)
        seen.append(
            SeenDrift(drift.deployment, drift.version, drift.status, drift.sentence, state, now)
        )
        if drift.status != "ok" and (last is None or last.state != state):
            # A check that dies before it records sends the same id again, which the server takes once.
            since = last.at if last else 0.0
            await send_event(
                drift_event(deployment_id, drift, f"{drift.deployment} {state} {since}")
            )
    await in_thread(record_drifts, engine, seen)


def drift_event(deployment_id: UUID, drift: Drift, name: str) -> Event:
    """The event of a drift; the server takes one of a name once."""
    following = "rivya-flows check --deployed"
    headline = f"**{text(drift.deployment)}** {drift.status}: {text(drift.sentence)}"
    message = {"title": drift.deployment, "sentence": drift.sentence, "next": following}
    message["markdown"] = f"{headline}\n\n{code(following)} says more."
    return Event(
        id=uuid5(_EVENTS, name),
        occurred=datetime.now(UTC),
        event=DRIFTED,
        resource={
            RESOURCE: f"prefect.deployment.{deployment_id}",
            "prefect.resource.name": drift.deployment,
            "rivya-flows.campaign": drift.deployment.partition("/")[0],
            "rivya-flows.drift": drift.status,
        },
        related=[OURS],
        payload={**drift.as_json(), **message},
    )
