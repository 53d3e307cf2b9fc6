"""The journal is deleted or replaced in the middle of a run, or has an event that cannot be applied."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing
from pathlib import Path

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
from rivya_sandbox.service.admin import ledger
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Studio, accounts_agree, customer, stills


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    return shared_sandbox


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(sandbox, tmp_path / "studio")


@pytest.mark.parametrize("replaced", [False, True])
def test_a_run_whose_journal_was_deleted_or_replaced_buys_nothing_more_and_saves_what_it_knows(
    replaced: bool, studio: Studio, sandbox: Sandbox
) -> None:
    asyncio.run(studio.start(stills(16, step="max_parallel: 1"), "run-1"))
    file = studio.folder / "journal.sqlite"
    bought = list[int]()

    def delete(event: Event, _: State) -> None:
        if isinstance(event, ItemCompleted) and event.key == "4":
            for name in ("", "-wal", "-shm"):
                file.with_name(file.name + name).unlink(missing_ok=True)
            if replaced:
                file.write_bytes(b"")
            bought.append(len(ledger(sandbox.data, account=studio.account)["generations"]))

    with pytest.raises(StoreLostError, match="was deleted or replaced") as caught:
        asyncio.run(studio.execute("run-1", listen=delete))
    assert len(ledger(sandbox.data, account=studio.account)["generations"]) == bought[0] == 5
    saved = file.with_name(f"journal.saved-{os.getpid()}.sqlite")
    assert saved.name in str(caught.value.hint)
    saved.replace(file)
    with closing(Journal(f"sqlite:///{file}")) as journal, writing(journal.engine) as connection:
        connection.execute(update(LEASES).values(expires_at=0))  # as if this process had ended
    state = asyncio.run(studio.execute("run-1"))
    assert state is not None
    assert state.ended == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 16


def test_an_event_that_cannot_be_applied_ends_the_execution_and_a_resume_goes_on(
    studio: Studio, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(studio.start(stills(16, step="max_parallel: 1"), "run-1"))

    def broken(state: State, event: Event) -> tuple[Action, ...]:
        if isinstance(event, ItemCompleted) and event.key == "4":
            raise UsageError("a mistake of the queue")
        return step(state, event)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "step", broken)
        with pytest.raises(RuntimeError, match="could not be applied: a mistake of the queue"):
            asyncio.run(studio.execute("run-1"))
    assert len(ledger(sandbox.data, account=studio.account)["generations"]) == 5
    state = asyncio.run(studio.execute("run-1"))
    assert state is not None
    assert state.ended == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 16
