"""Runs that a process of their own executes, which does not end with the one that starts it: as an answer lets them."""

from __future__ import annotations

from pathlib import Path

from rivya_flows.environment import variables
from rivya_flows.errors import UsageError
from rivya_flows.private import private_folder
from rivya_flows.processes.supervisor import start, try_lock


def log_of(data: Path, run_id: str) -> Path:
    """Where the process of a run writes; its lock lies beside it."""
    return data / "continued" / f"{run_id}.log"


def continue_run(data: Path, run_id: str) -> None:
    """Executes a run, within what was agreed to when it began; `UsageError` if its process lives."""
    private_folder(data)
    private_folder(data / "continued")
    log = log_of(data, run_id)
    with log.with_suffix(".lock").open("ab") as lock:
        if not try_lock(lock):
            raise UsageError(f"{run_id} is at work", "call `status`, and try again")
        command = ("rivya_flows.cli.main", "resume", run_id, "--json")
        start(run_id, command, variables(), log, descriptors=(lock.fileno(),))


def is_at_work(data: Path, run_id: str) -> bool:
    """Whether such a process executes a run, on this machine."""
    try:
        with log_of(data, run_id).with_suffix(".lock").open("rb") as lock:
            return not try_lock(lock)
    except OSError:  # none was started
        return False
