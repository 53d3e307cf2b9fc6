"""The run's log in Prefect: what was bought, made, failed or is about to exceed the budget."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from flows.run import Listener
from rivya_flows.plan.events import (
    ChatAnswered,
    Event,
    ItemCompleted,
    ItemFailed,
    JobEnded,
    PurchaseAccepted,
    PurchaseRefused,
    PurchaseUncertain,
)
from rivya_flows.plan.names import label
from rivya_flows.plan.state import State

Logger = logging.Logger | logging.LoggerAdapter[Any]


def telling(logger: Logger, then: Listener) -> Listener:
    """A listener that logs each event worth reading, then hands it on."""
    warned = False

    def listen(event: Event, state: State) -> None:
        nonlocal warned
        for kind, line in _LINES.items():
            if isinstance(event, kind):
                level = logging.WARNING if kind in _TROUBLES else logging.INFO
                logger.log(level, "%s", line(event))
        if not warned and (warning := budget_warning(state)):
            warned = True
            logger.warning("%s", warning)
        then(event, state)

    return listen


def budget_warning(state: State) -> str | None:
    """A sentence once the share `warn_at` of the cap is spent or held; None before."""
    budget = state.plan.workflow.budget
    if budget is None or not state.cap or state.spent < budget.warn_at * state.cap:
        return None
    return f"{state.spent} of the budget of {state.cap} credits are spent or reserved"


def _name(event: Any) -> str:
    return label(event.step, event.key)


_TROUBLES = (ItemFailed, PurchaseRefused, PurchaseUncertain)

_LINES: dict[type[Any], Callable[[Any], str]] = {
    PurchaseAccepted: lambda e: f"{_name(e)}: bought, {e.reserved_credits} credits ({e.task_id})",
    ChatAnswered: lambda e: f"{_name(e)}: answered, {e.final_credits} credits",
    JobEnded: lambda e: f"{_name(e)}: {e.status}, {e.final_credits} credits",
    ItemCompleted: lambda e: f"{_name(e)}: done",
    ItemFailed: lambda e: f"{_name(e)}: {e.message}",
    PurchaseRefused: lambda e: f"{_name(e)}: refused, nothing was charged: {e.message}",
    PurchaseUncertain: lambda e: f"{_name(e)}: uncertain, counts as spent: {e.reason}",
}
