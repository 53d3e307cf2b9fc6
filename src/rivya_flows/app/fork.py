"""Fork a run: the request of a new run that takes finished work from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rivya_flows.app.inputs import InputValues
from rivya_flows.app.prepare import InputReader, RunRequest
from rivya_flows.app.runs import find_run, open_journal, which
from rivya_flows.app.spec_file import SpecFile, spec_path
from rivya_flows.errors import UsageError
from rivya_flows.language.diagnostic_report import meant
from rivya_flows.ledger.phrases import uncollected
from rivya_flows.ledger.provenance import is_sandbox
from rivya_flows.planning.labels import labels_of
from rivya_flows.planning.names import label
from rivya_flows.planning.queue.events import RunFrozen
from rivya_flows.planning.queue.forks import fork_of
from rivya_flows.planning.queue.queue import replay
from rivya_flows.planning.queue.state import State
from rivya_flows.settings import Settings


@dataclass(frozen=True)
class ForkOptions:
    """What a user changes in a fork.

    Attributes:
        step: Make this step and what depends on it again, though nothing of it changes; or ``step[key]``
            and what uses it.
        budget: Overrides the spec's credit budget; None keeps it.
        labels: Labels beside those of the run; they win.
        spec: Takes the place of that of the run; None keeps it.
    """

    inputs: InputReader = field(default_factory=lambda: InputValues((), None, ""))
    step: str | None = None
    budget: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    spec: SpecFile | None = None


def fork_request(
    name: str,
    options: ForkOptions,
    settings: Settings,
    notify: Callable[[str], object] = lambda _: None,
) -> tuple[RunRequest, bool]:
    """The run that repeats a run in part, and whether it is one of the local sandbox.

    It has the spec of the run as it was frozen, unless another one is given, and its inputs, labels and
    cache mode with changes.

    Args:
        notify: Says which run `last` is.
    """
    with open_journal(settings) as journal:
        row = find_run(journal, name, only_read=True)
        for line in which(name, row):
            notify(line)
        events = [entry.event for entry in journal.entries(row.run_id)]
    frozen, state = events[0], replay(events)
    assert isinstance(frozen, RunFrozen)
    items = (label(step_id, item.key) for step_id, item in state.each())
    known = dict.fromkeys((*state.plan.order, *items))
    if options.step is not None and options.step not in known:
        hint = meant(options.step, known)
        raise UsageError(f"--from: the run has no step {options.step!r}", hint)
    file = str(spec_path(frozen.spec_file, row.folder))
    request = RunRequest(
        options.spec or SpecFile(frozen.spec_text, file, None, frozen.includes, frozen.files),
        options.inputs,
        options.budget,
        frozen.cache,
        labels={**_given_labels(frozen, state), **options.labels},
        fork=fork_of(state, options.step),
        forked=row.folder,
        uncollected=uncollected(state),
        wallet=row.wallet,
        earlier=frozen.inputs,
    )
    return request, is_sandbox(row.service)


def _given_labels(frozen: RunFrozen, state: State) -> dict[str, Any]:
    """Labels of a run that its command gave; those of the spec may follow inputs that change."""
    written = labels_of(state.plan.workflow, frozen.inputs, {})
    return {name: one for name, one in frozen.labels.items() if written.get(name) != one}
