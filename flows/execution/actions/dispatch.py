"""Which module runs each action of the queue."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from rivya_flows.flows.execution.actions import balance, cache, jobs, purchases, questions, work
from rivya_flows.flows.execution.active_run import Run
from rivya_flows.planning.queue.actions import (
    Action,
    Ask,
    AskCache,
    Buy,
    Collect,
    EndRun,
    Expire,
    ReadBalance,
    UploadMedium,
    Work,
)
from rivya_flows.planning.queue.events import Event, RunEnded


def events_of(run: Run, action: Action) -> AsyncGenerator[Event]:
    """Runs an action; gives its events.

    The generator resumes only after its last event was written.
    """
    match action:
        case ReadBalance():
            return balance.read(run, action)
        case UploadMedium():
            return work.upload_reference(run, action)
        case AskCache():
            return cache.ask(run, action)
        case Buy():
            return purchases.buy(run, action)
        case Collect():
            return jobs.collect(run, action)
        case Work():
            return work.work(run, action)
        case Ask():
            return questions.ask(run, action)
        case Expire():
            return questions.expire(run, action)
        case EndRun():
            return _end(run, action)


async def _end(run: Run, action: EndRun) -> AsyncGenerator[Event]:
    yield RunEnded(status=action.status, at=run.clock())
