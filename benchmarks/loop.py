"""Measures how long a run blocks its event loop while its database is away: ``python -m benchmarks.loop``.

An engine executes 300 items, 100 at a time, whose jobs take two seconds each; they are no requests, so
that what blocks is the engine, the queue or the store. After a second the database is away for five:
another process holds SQLite's write lock; all processes of a PostgreSQL server are stopped. Linux only.

Options: ``--items N``, ``--parallel N``, ``--json``.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from benchmarks.postgresql import running

from rivya_client.catalogue.snapshot import shipped
from rivya_client.client import RivyaClient
from rivya_client.types import Generation
from rivya_flows.assets import Asset
from rivya_flows.engine.jobs import CollectedJob
from rivya_flows.engine.loop import Engine
from rivya_flows.engine.run import A, Run
from rivya_flows.engine.run_context import RunContext, ServiceConnection
from rivya_flows.preparation.prepare import Market, PlanningStore, RunRequest, prepare
from rivya_flows.preparation.spec_file import SpecFile
from rivya_flows.queue.actions import Collect
from rivya_flows.receipt.report import RunReporter
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases

T = TypeVar("T")

AWAY_SECONDS = 5.0
JOB_SECONDS = 2.0
_TICK = 0.005
_SPEC = """
version: 1
name: pictures
cache: spec
budget: {{credits: {items}}}
steps:
  stills:
    uses: generate
    foreach: [{numbers}]
    max_items: {items}
    max_parallel: {parallel}
    with: {{model: z-image, prompt: "lamp ${{{{ item }}}}"}}
"""
_HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("BEGIN IMMEDIATE")
time.sleep(float(sys.argv[2]))
"""


@dataclass
class Blocked:
    """How long an event loop did not turn.

    Attributes:
        longest: Seconds.
        where: The innermost frames of this project and of the whole, in the middle of it; the last
            is `select` where the machine gave the process no time.
        processor: Most processor seconds of the loop's thread in one such time.
    """

    longest: float = 0.0
    where: str = ""
    processor: float = 0.0


@asynccontextmanager
async def watched(sample_after: float = 0.02) -> AsyncIterator[Blocked]:
    """Measures the longest time in which a task that sleeps for 5 ms was not woken."""
    blocked, over = Blocked(), threading.Event()
    loop_thread = threading.get_ident()
    last = time.perf_counter()
    seen = [0.0, ""]

    def sample() -> None:
        while not over.wait(_TICK):
            late = time.perf_counter() - last - _TICK
            if late > sample_after:
                seen[:] = [last, _frames(sys._current_frames()[loop_thread])]

    async def tick() -> None:
        nonlocal last
        while True:
            began = last = time.perf_counter()
            used = time.thread_time()
            await asyncio.sleep(_TICK)
            late = time.perf_counter() - began - _TICK
            blocked.processor = max(blocked.processor, time.thread_time() - used)
            if late > blocked.longest:
                blocked.longest = late
                blocked.where = str(seen[1]) if seen[0] == began else ""

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    ticking = asyncio.create_task(tick())
    try:
        yield blocked
    finally:
        ticking.cancel()
        over.set()


def _frames(frame: Any) -> str:
    stack = traceback.extract_stack(frame)
    own = [f"{Path(one.filename).stem}.{one.name}" for one in stack if "rivya" in one.filename]
    return f"{' > '.join(own[-3:])} ({stack[-1].name})"


@dataclass(frozen=True)
class Row:
    """One run."""

    database: str
    away: bool
    items: int
    seconds: float
    processor_seconds: float
    longest_ms: float
    longest_processor_ms: float
    where: str


@dataclass
class _Service:
    """Stands in for the service: each job takes as long as it takes."""

    jobs: int = 0

    async def __call__(
        self, function: Callable[[Run, A], Awaitable[T]], stage: str, action: A
    ) -> T:
        if stage == "buy":
            await asyncio.sleep(0.05)
            self.jobs += 1
            bought = Generation(id=f"task_{self.jobs}", status="queued", reserved_credits=1)
            return cast("T", bought)
        await asyncio.sleep(JOB_SECONDS)
        assert isinstance(action, Collect)
        task_id = action.task_id
        job = Generation(id=task_id, status="succeeded", final_credits=1)
        sha256 = f"{int(task_id.removeprefix('task_')):064x}"
        return cast("T", CollectedJob(job, (Asset(kind="image", sha256=sha256),)))

    async def retrieve(self) -> Any:
        """The balance."""
        return SimpleNamespace(current_credits=1_000_000)


async def executed(url: str, folder: Path, items: int, parallel: int) -> Blocked:
    """Executes a run from its first event to its end."""
    journal, assets = Journal(url), AssetStore((folder / "assets").as_uri(), folder / "copies")
    with closing(journal):
        run_id, service = f"run-{time.time_ns()}", _Service()
        context = RunContext(
            settings=Settings(rivya_flows_data=folder),
            service=ServiceConnection("", None, "bench", 1.0),
            journal=journal,
            leases=Leases(journal.engine),
            assets=assets,
            scratch=folder,
        )
        numbers = ", ".join(map(str, range(items)))
        text = _SPEC.format(items=items, numbers=numbers, parallel=parallel)
        ready = prepare(
            RunRequest(SpecFile(text, "pictures.yaml", None), lambda _: {}),
            Market(shipped(), "bench", 1_000_000),
            run_id,
            PlanningStore(assets),
        )
        journal.create(ready.frozen, folder)
        client = cast("RivyaClient", SimpleNamespace(credits=service))
        row = journal.run(run_id)
        assert row is not None
        run = Run(context, RunReporter(journal, assets, row))
        run.client, run.call, run.state = client, service, run.reporter.follow()
        async with context.leases.hold(run_id) as run.lease, watched() as blocked:
            ended = await Engine(run).run(run.resume_event())
        assert (ended.ended, service.jobs) == ("completed", items), ended.ended
        return blocked


def _hold_sqlite(file: Path) -> None:
    subprocess.run([sys.executable, "-c", _HOLD, str(file), str(AWAY_SECONDS)], check=True)


def _hold_server(pid: int) -> None:
    # Each process of the server has a session of its own.
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for process in (pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(process, number)
        if number == signal.SIGSTOP:
            time.sleep(AWAY_SECONDS)


def _row(
    database: str,
    url: str,
    folder: Path,
    options: argparse.Namespace,
    away: Callable[[], None] | None,
) -> Row:
    timer = threading.Timer(1.0, away) if away else None
    if timer is not None:
        timer.start()
    began, processor = time.perf_counter(), time.process_time()
    blocked = asyncio.run(executed(url, folder, options.items, options.parallel))
    seconds, used = time.perf_counter() - began, time.process_time() - processor
    if timer is not None:
        timer.join()
    return Row(
        database,
        away is not None,
        options.items,
        seconds,
        used,
        1000 * blocked.longest,
        1000 * blocked.processor,
        blocked.where,
    )


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """A run with each database that stays, and one with each that is away."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "journal.sqlite"
        for away in (None, partial(_hold_sqlite, file)):
            yield _row("SQLite", f"sqlite:///{file}", folder, options, away)
        with running() as server:
            if server is not None:
                for away in (None, partial(_hold_server, server.pid)):
                    yield _row("PostgreSQL", server.url, folder, options, away)


def main() -> None:
    """Print the table of the docs, or the rows as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=300)
    parser.add_argument("--parallel", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    gc.freeze()  # as `run` does: the collector leaves out what was imported
    if options.json:
        print(json.dumps([asdict(row) for row in rows(options)], indent=2))
        return
    print("| | away | run | processor | longest block | by processor | there |")
    print("| --- | --- | ---: | ---: | ---: | ---: | --- |")
    for row in rows(options):
        print(
            f"| {row.database} | {f'{AWAY_SECONDS:.0f} s' if row.away else 'no'}"
            f" | {row.seconds:.1f} s | {row.processor_seconds:.1f} s | {row.longest_ms:.0f} ms"
            f" | {row.longest_processor_ms:.0f} ms | {row.where} |"
        )


if __name__ == "__main__":
    main()
