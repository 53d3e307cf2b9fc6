"""The `deploy:` blocks of specs as Prefect deployments."""

from __future__ import annotations

import re
from typing import Any

import yaml
from pydantic import JsonValue

from rivya_flows.language.workflow import Deploy, Inputs, Schedule, Workflow, WorkPool
from rivya_flows.markdown import paragraphs
from rivya_flows.plans.run_form import parameter_names
from rivya_flows.spec.deploy_block import for_prefect

ENTRYPOINT_MODULE = "rivya_flows.flows.campaigns"

WORK_POOL = "campaigns"
"""The work pool of entries that name none."""

OWNER_TAG = "rivya-flows"
"""On every deployment of a spec: only those are ever pruned."""

SPEC_VARIABLE = "RIVYA_FLOWS_SPEC"
COLLECTION_VARIABLE = "RIVYA_FLOWS_COLLECTION"
SET_VARIABLE = "RIVYA_FLOWS_JOB_VARIABLES"
PRICE_VARIABLE = "RIVYA_FLOWS_PRICE"
"""In the environment of a deployment's runs: the hash of their spec, its collection, and as JSON the names of
the job variables that it set, and the least and the most that a run cost when it was deployed."""


def deployment(workflow: Workflow, deploy: Deploy) -> dict[str, Any]:
    """One entry of ``deployments`` in ``prefect.yaml``; a checked spec has no ``{{``, which Prefect would fill in."""
    schedules = [  # a run reads `catchup` from its spec
        {"slug": f"schedule-{number}", **one.model_dump(exclude_none=True, exclude={"catchup"})}
        for number, one in enumerate(deploy.schedules, 1)
    ]
    triggers = [
        {
            "type": "event",
            "name": f"{workflow.name}/{deploy.name}: trigger {number}",
            "enabled": one.active,
            "match": {
                name: value if isinstance(value, str) else [*value]
                for name, value in one.match.items()
            },
            "expect": [one.event],
            "parameters": parameters_of(
                workflow, {name: for_prefect(value) for name, value in one.inputs.items()}
            ),
        }
        for number, one in enumerate(deploy.triggers, 1)
    ]
    limit: Any = deploy.concurrency_limit
    if limit is not None and deploy.when_busy != "wait":
        limit = {"limit": limit, "collision_strategy": "CANCEL_NEW"}
    pool = deploy.work_pool or WorkPool(name=WORK_POOL)
    more = {"work_queue_name": pool.queue, "job_variables": {**pool.resources}}
    entry = {
        "name": deploy.name,
        "entrypoint": f"{ENTRYPOINT_MODULE}:{attribute_of(workflow.name)}",
        # The flow's own version, the spec's hash; in a clone Prefect would use the commit's.
        "version_type": "prefect:simple",
        "description": deploy.description and paragraphs(deploy.description),
        "tags": [OWNER_TAG, *dict.fromkeys(tag for tag in deploy.tags if tag != OWNER_TAG)],
        "parameters": parameters_of(workflow, deploy.inputs),
        "enforce_parameter_schema": True,
        "schedules": schedules,
        "triggers": triggers or None,
        "concurrency_limit": limit,
        "work_pool": {"name": pool.name, **{key: one for key, one in more.items() if one}},
    }
    return {key: value for key, value in entry.items() if value is not None}


def attribute_of(name: str) -> str:
    """The attribute of `ENTRYPOINT_MODULE` that serves the spec called `name`."""
    return name.replace("-", "_")


def parameters_of(workflow: Workflow, inputs: Inputs) -> dict[str, JsonValue]:
    """Values of inputs by the names of their parameters."""
    names = parameter_names(workflow)
    return {names.get(name, name): value for name, value in inputs.items()}


def first_block(workflow: Workflow) -> str:
    """The `deploy:` block to write into a spec that has none, with the defaults of its inputs."""
    inputs = {
        name: one.default
        for name, one in workflow.inputs.items()
        if one.default is not None
        and one.type in ("string", "enum", "integer", "number", "boolean")
    }
    entry = {"name": "by-hand", **({"inputs": inputs} if inputs else {})}
    block = yaml.safe_dump({"deploy": [entry]}, sort_keys=False, allow_unicode=True, width=1_000)
    return block.rstrip()


_SLUG = re.compile(r"schedule-([1-9][0-9]*)")


def is_slug_of_spec(slug: str) -> bool:
    """Whether a schedule with that slug comes from a spec, and not from a person."""
    return _SLUG.fullmatch(slug) is not None


def schedule_of(workflow: Workflow, deployment_name: str, slug: str) -> Schedule | None:
    """The schedule of a spec by its deployment and slug; None if there is none."""
    found = _SLUG.fullmatch(slug)
    for deploy in workflow.deploy if found else ():
        if found and deploy.name == deployment_name and int(found[1]) <= len(deploy.schedules):
            return deploy.schedules[int(found[1]) - 1]
    return None
