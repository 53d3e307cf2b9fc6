"""The receipt of a run: what it did, bought and made, and what each item cost."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rivya_flows.language.final_cut import CUT_STEPS
from rivya_flows.language.syntax import source, tree
from rivya_flows.ledger.choices import Choices
from rivya_flows.ledger.provenance import (
    Recorded,
    is_sandbox,
    parents_of,
    provenance,
    recorded,
    shown_assets,
)
from rivya_flows.ledger.reconciliation import reconcile, without_others
from rivya_flows.ledger.rows import History
from rivya_flows.ledger.times import Times, iso
from rivya_flows.planning.continuing import BOUGHT_AGAIN
from rivya_flows.planning.expansion.run_scope import item_status, outputs_of
from rivya_flows.planning.names import label, subject_of
from rivya_flows.planning.pricing.estimate import Estimate, estimate, rehearse
from rivya_flows.planning.queue.events import OtherRun, RunFrozen, RunResumed, Stamped
from rivya_flows.planning.queue.item_state import ItemState, Phase
from rivya_flows.planning.queue.queue import replay
from rivya_flows.planning.queue.state import State, step_status

VERSION = 1
_RENDERED = ("by", "captions", "poster", "gif", "loudness", "lost")
"""Outputs of such steps that the receipt has as they are."""


def receipt(
    entries: Sequence[Stamped], generations: Mapping[str, Mapping[str, Any] | None] | None = None
) -> dict[str, Any]:
    """The receipt of a journal so far, see `receipt_of`.

    Raises:
        ValueError: The journal is empty.
    """
    return receipt_of(History(entries), replay(entry.event for entry in entries), generations)


def receipt_of(
    history: History,
    state: State,
    generations: Mapping[str, Mapping[str, Any] | None] | None = None,
) -> dict[str, Any]:
    """The receipt of a run so far, as a JSON document.

    ``receipt.schema.json`` beside this module describes it.

    Args:
        history: Of its journal.
        state: After the last entry.
        generations: Jobs as the service reports them, see `reconcile`; None takes those that the
            journal recorded.
    """
    rows = history.ledger(state)
    credits = credits_of(state, history.others, history.other_runs)
    agreement = None
    if generations is None:
        generations = history.jobs
    if generations is not None:
        balances = (credits["before"], credits["after"])
        agreement = reconcile(rows, generations, *balances, history.others).as_json()
    first = history.first
    assert first is not None
    workflow = state.plan.workflow
    cards = provenance(state)
    known, choices, outputs = recorded(cards), Choices(state), outputs_of(state)
    return {
        "version": VERSION,
        "run_id": state.run_id,
        "name": workflow.name,
        "title": workflow.title,
        "subject": subject_of(workflow, state.plan.inputs),
        "status": status_of(state),
        "service": state.service,
        "sandbox": is_sandbox(state.service),
        "wallet": state.wallet,
        "started_at": iso(history.began),
        "ended_at": iso(history.last) if state.ended else None,
        "executions": history.executions,
        **history.times.of_run(),
        "labels": dict(first.labels),
        "fork": state.fork and {"run_id": state.fork.run_id, "step": state.fork.step},
        "credits": credits,
        "pools": [one.model_dump(mode="json") for one in history.pools],
        "inputs": dict(state.plan.inputs),
        "outputs": dict(outputs.values),
        "failed_outputs": _failed_outputs(outputs.failed, first),
        "steps": [
            _step(state, step_id, known, choices, history.times) for step_id in state.plan.order
        ],
        "ledger": rows,
        "agreement": agreement,
        "assets": cards,
        "spec": {
            "file": first.spec_file,
            "sha256": hashlib.sha256(first.spec_text.encode()).hexdigest(),
            "text": first.spec_text,
        },
        "plan_hash": first.plan_hash,
        "catalogue_date": first.catalogue_date,
    }


def status_of(state: State) -> str:
    """Status of the run: `running` until an execution ends it."""
    return state.ended or "running"


def credits_of(
    state: State, others: int = 0, other_runs: Sequence[OtherRun] = ()
) -> dict[str, Any]:
    """Balance before and after, what this run spent and saved, and the difference.

    `unexplained` is what the account lost to other purchases than those of this run and of `others`,
    the other runs of the store; None if a balance is not known. `other_runs` names those if they
    explain a difference. `needed` and `left` are the least and the most that is still bought, `enough` is
    the least budget that pays for it; None of a run that works or completed. While it waits for an answer, the budget bounds the most.
    """
    rest = _left(state)
    before, after = state.balances.get("before"), state.balances.get("after")
    spent = state.spent
    unexplained = None
    explained = 0
    if before is not None and after is not None:
        unexplained = without_others(before - after - spent, others)
        explained = before - after - spent - unexplained
    return {
        "before": before,
        "after": after,
        "spent": spent,
        "saved": state.saved,
        "budget": state.cap,
        "needed": rest and rest.min,
        "enough": rest and rest.enough,
        "left": rest and (rest.most if state.ended == "suspended" else rest.max),
        "unexplained": unexplained,
        "others": explained,
        "other_runs": [one.model_dump() for one in other_runs] if explained else [],
    }


def _left(state: State) -> Estimate | None:
    """What the command that continues the run buys, without the cache; None of one that needs none."""
    if state.ended in (None, "completed"):
        return None
    items = [(label(step_id, item.key), item.code) for step_id, item in state.each()]
    failed = items if state.ended == "failed" else []
    resumed = RunResumed(
        at=state.now,
        regenerate=tuple(name for name, code in failed if code in BOUGHT_AGAIN),
        resubmit=tuple(name for name, code in items if code == "uncertain"),
    )
    return estimate(rehearse(replace(state, ended=None), state.now, lambda _: None, resumed), None)


def _failed_outputs(failed: Mapping[str, str], first: RunFrozen) -> dict[str, str]:
    """Why outputs could not be evaluated, with their lines in the spec."""
    root = source.read(first.spec_text.removeprefix("\ufeff"))[0] if failed else None
    written = root.get("outputs") if isinstance(root, tree.Mapping) else None
    lines = written.pairs if isinstance(written, tree.Mapping) else {}
    return {
        name: f"{reason} ({first.spec_file}:{lines[name][0].line + 1})" if name in lines else reason
        for name, reason in failed.items()
    }


def shown_status(state: State, item: ItemState) -> str:
    """Status of an item as commands report it; that of the run if the run ended first."""
    status = item_status(item)
    if status == "running" and state.ended in ("cancelled", "suspended", "failed"):
        return state.ended
    return status


def _step(
    state: State, step_id: str, media: Recorded, choices: Choices, times: Times
) -> dict[str, Any]:
    planned, current = state.planned(step_id), state.steps[step_id]
    status = step_status(planned, current)
    if status == "running" and state.ended in ("cancelled", "suspended", "failed"):
        status = state.ended
    items = [
        _item(state, step_id, item, media) | times.of_item(state, step_id, item)
        for item in current.items or ()
    ]
    if planned.step.uses == "pick":
        for made, item in zip(items, current.items or (), strict=True):
            made["choice"] = choices.of(step_id, item)
    return {
        "id": step_id,
        "uses": planned.step.uses,
        "title": planned.step.title,
        "needs": list(state.plan.follows(step_id)),
        "status": status,
        "credits": sum(item["credits"] for item in items),
        "saved": sum(item["saved"] for item in items),
        "balance_before": current.balances.get("before"),
        "balance_after": current.balances.get("after"),
        "items": items,
    }


def _item(state: State, step_id: str, item: ItemState, media: Recorded) -> dict[str, Any]:
    outputs, uses = item.outputs or {}, state.planned(step_id).step.uses
    arguments: Mapping[str, Any] = item.request.arguments if item.request else {}
    return {
        "key": item.key,
        "status": shown_status(state, item),
        "reason": item.reason,
        "code": item.code,
        "credits": item.credits,
        "saved": item.saved,
        "taken_from": item.taken_from,
        "model": item.request.model if item.request else None,
        "prompt": arguments.get("prompt") or arguments.get("message"),
        "params": arguments.get("params"),
        "task_ids": [p.task_id for p in item.purchases if p.task_id]
        or ([outputs["task_id"]] if outputs.get("task_id") else []),
        "assets": shown_assets(uses, outputs, media) if item.phase is Phase.COMPLETED else [],
        "files": [one.model_dump() for one in item.files],
        "parents": parents_of(item),
        "text": outputs.get("text"),
        "json": outputs.get("json"),
        **({"alternative": item.alternative} if uses == "generate" else {}),
        **({name: outputs.get(name) for name in _RENDERED} if uses in CUT_STEPS else {}),
    }
