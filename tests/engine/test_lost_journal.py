"""The journal is deleted or replaced in the middle of a run, or has an event that cannot be applied."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing

import pytest
from sqlalchemy import update

from rivya_flows.engine import loop
from rivya_flows.errors import StoreLostError, UsageError
from rivya_flows.queue.actions import Action
from rivya_flows.queue.events import Event, ItemCompleted
from rivya_flows.queue.queue import step
from rivya_flows.queue.state import State
from rivya_flows.store.database import writing
from rivya_flows.store.journal import Journal
from rivya_flows.store.tables import LEASES
from support.engine_runs import Studio, stills

TEXT = stills(6, step="max_parallel: 1")
BOUGHT = 3


def is_third(event: Event) -> bool:
    return isinstance(event, ItemCompleted) and event.key == f"{BOUGHT - 1}"


@pytest.mark.parametrize("replaced", [False, True])
def test_a_run_whose_journal_was_deleted_or_replaced_buys_nothing_more_and_saves_what_it_knows(
    replaced: bool, studio: Studio
) -> None:
    studio.prepared(TEXT)
    file = studio.folder / "journal.sqlite"

    def delete(event: Event, _: State) -> None:
        if is_third(event):
            for name in ("", "-wal", "-shm"):
                file.with_name(file.name + name).unlink(missing_ok=True)
            if replaced:
                file.write_bytes(b"")

    with pytest.raises(StoreLostError, match="was deleted or replaced") as caught:
        asyncio.run(studio.execute("run-1", listen=delete))
    assert len(studio.jobs()) == BOUGHT
    saved = file.with_name(f"journal.saved-{os.getpid()}.sqlite")
    assert saved.name in str(caught.value.hint)
    saved.replace(file)
    with closing(Journal(f"sqlite:///{file}")) as journal, writing(journal.engine) as connection:
        connection.execute(update(LEASES).values(expires_at=0))  # as if this process had ended
    assert studio.executed()["status"] == "completed"
    assert studio.audit() == 6


def test_an_event_that_cannot_be_applied_ends_the_execution_and_a_resume_goes_on(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.prepared(TEXT)

    def broken(state: State, event: Event) -> tuple[Action, ...]:
        if is_third(event):
            raise UsageError("a mistake of the queue")
        return step(state, event)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "step", broken)
        with pytest.raises(RuntimeError, match="could not be applied: a mistake of the queue"):
            asyncio.run(studio.execute("run-1"))
    assert len(studio.jobs()) == BOUGHT
    assert studio.executed()["status"] == "completed"
    assert studio.audit() == 6
