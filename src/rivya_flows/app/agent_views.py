"""Specs, models, plans and receipts as the tools for agents give them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rivya_flows.app.agent_results import (
    MAX_ITEMS,
    AgentCredits,
    AgentItem,
    AgentModel,
    ListedSpec,
    Problem,
    SpecInput,
    Spent,
    StepCounts,
    bounded,
)
from rivya_flows.catalogue.catalogue import Model, Param
from rivya_flows.catalogue.prices import price
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.workflow import Workflow
from rivya_flows.ledger.model import Receipt
from rivya_flows.ledger.summary import DONE
from rivya_flows.planning.pricing.estimate import Estimate
from rivya_flows.planning.queue.events import AnswerGiven, Stamped
from rivya_flows.store.leases import SECONDS


def spec_of(path: str, workflow: Workflow | None) -> ListedSpec:
    """A spec of the list, with its inputs; None where it is wrong."""
    declared = {} if workflow is None else workflow.inputs
    return ListedSpec(
        path=path,
        name=workflow and workflow.name,
        title=bounded((workflow and workflow.title) or ""),
        description=bounded((workflow and workflow.description) or ""),
        inputs=[
            SpecInput(
                name=name,
                type=f"list of {one.of}" if one.of else one.type,
                title=bounded(one.title or ""),
                description=bounded(one.description or ""),
                required=one.required and one.default is None,
                default=bounded(one.default),
                values=bounded(one.values),
            )
            for name, one in declared.items()
        ],
    )


def items_of(found: Estimate) -> list[AgentItem]:
    """The items of a plan in the order of its steps."""
    return [
        AgentItem(
            step=step.id,
            key=bounded(item.key),
            model=item.model,
            credits=AgentCredits(min=item.price.min, max=item.price.max),
            cached=item.cached,
            note=bounded(item.price.assumption),
        )
        for step in found.steps
        for item in step.items
    ]


def problems_of(found: Sequence[Diagnostic]) -> list[Problem]:
    """Mistakes as a result has them, the first of many."""
    return [Problem(**bounded(one.as_json())) for one in found[:MAX_ITEMS]]


def state_of(listed: str, entries: Sequence[Stamped], *, at_work: bool) -> Any:
    """The state of a run, also between an answer, or the start, and what its process writes first."""
    newest = entries[-1]
    if isinstance(newest.event, AnswerGiven):  # of an ended execution, whose status is listed
        listed = "running" if time.time() - newest.at < SECONDS else "killed"
    return "running" if at_work and listed in ("waiting", "killed") else listed


def advice_for(run_id: str, state: str, said: str) -> str | None:
    """What a person can do about a run that stopped; `said` is what its process printed last."""
    if state in ("completed", "running", "suspended", "waiting"):
        return None
    advice = f"a person continues it with `rivya-flows resume {run_id}`; nothing is bought twice"
    return f"{advice}; its process last said: {said}" if state == "killed" and said else advice


def spent_of(receipt: Receipt) -> Spent:
    credits = receipt.credits
    return Spent(spent=credits.spent, saved=credits.saved, at_most=credits.budget)


def steps_of(receipt: Receipt) -> list[StepCounts]:
    return [
        StepCounts(
            id=step.id,
            status=step.status,
            items=len(step.items),
            completed=sum(item.status in DONE for item in step.items),
            failed=sum(item.status == "failed" for item in step.items),
        )
        for step in receipt.steps
    ]


def shown(value: Any) -> str:
    """An output on one line: a medium by the path of its file."""
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    if isinstance(value, Mapping) and "mime_type" in value:
        return str(value.get("path") or value.get("url"))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def model_of(model: Model) -> AgentModel:
    known = price(model, {})
    rule = model.references
    return AgentModel(
        id=model.id,
        name=bounded(model.display_name),
        kind=model.category,
        status=bounded(model.api_status),
        credits=AgentCredits(min=known.min, max=known.max),
        references=bounded(rule.rule or ", ".join(rule.kinds)) if rule else "",
        params=[bounded(_param(one)) for one in model.params],
    )


def _param(param: Param) -> str:
    """``aspect_ratio: 1:1, 9:16; default 1:1``."""
    values = ", ".join(param.options) or param.type
    bounds = [
        f"{word} {one:g}"
        for word, one in (("from", param.min), ("to", param.max))
        if one is not None
    ]
    facts = [" ".join([values, *bounds])]
    if param.required:
        facts.append("required")
    elif param.default is not None:
        facts.append(f"default {param.default}")
    if param.bears_price:
        facts.append("changes the price")
    return f"{param.key}: {'; '.join(facts)}"
