"""The processes that execute runs of agents, each with a log and a lock in the data folder."""

from __future__ import annotations

from pathlib import Path

from rivya_flows.app.processes.locks import try_lock
from rivya_flows.app.processes.supervisor import ProcessSpec, start
from rivya_flows.environment import variables
from rivya_flows.errors import UsageError
from rivya_flows.private import private_folder


def private_part(data: Path, name: str) -> Path:
    """A private folder of the data folder."""
    private_folder(data)
    private_folder(data / "mcp")
    private_folder(folder := data / "mcp" / name)
    return folder


def log_of(data: Path, run_id: str) -> Path:
    """Where the process of a run writes; its lock lies beside it."""
    return data / "mcp" / "logs" / f"{run_id}.log"


def continue_run(data: Path, run_id: str) -> None:
    """Executes a run in a process that does not end with this one, and holds a lock."""
    private_part(data, "logs")
    command = ("rivya_flows.cli.main", "resume", run_id, "--json")
    with log_of(data, run_id).with_suffix(".lock").open("ab") as lock:
        if not try_lock(lock):
            raise UsageError(f"{run_id} is at work", "call `status`, and try again")
        log, held = log_of(data, run_id), (lock.fileno(),)
        start(ProcessSpec(run_id, command, variables(), log, descriptors=held))


def is_at_work(data: Path, run_id: str) -> bool:
    """Whether a process that an agent has started executes a run, on this machine."""
    try:
        with log_of(data, run_id).with_suffix(".lock").open("rb") as lock:
            return not try_lock(lock)
    except OSError:  # an agent has started none
        return False
