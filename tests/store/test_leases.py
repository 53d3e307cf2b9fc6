"""One driver for a run, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import functools
import os
import resource
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from rivya_flows.errors import LeaseLostError, StoreError
from rivya_flows.process_identity import ProcessIdentity, find_process
from rivya_flows.store.database import writing
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import LEASE_SECONDS, Lease, Leases, this_process
from rivya_flows.store.tables import LEASES


@dataclass
class Clock:
    now: float = 1000.0
    looks: int = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.now

    async def looked(self, times: int = 1) -> None:
        """Waits until who waits for a lease has looked at it so often: a look reads the clock."""
        before = self.looks
        while self.looks < before + times:
            await asyncio.sleep(0.001)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases(engine: Engine, clock: Clock) -> Leases:
    return Leases(engine, clock=clock)


HERE = f"run-1 is being driven by process {os.getpid()} on {socket.gethostname()}"
OTHER = "elsewhere:1:2"


def test_a_run_that_is_driven_is_not_taken_over_until_it_is_released(leases: Leases) -> None:
    lease = leases.acquire("run-1")
    for who in (OTHER, None):  # two drivers in one process are two
        with pytest.raises(StoreError, match=HERE):
            leases.acquire("run-1", *filter(None, [who]))
    leases.acquire("run-2", OTHER)
    leases.release(lease)
    assert leases.acquire("run-1", OTHER).fence == 2


async def test_whoever_waits_gets_the_lease_of_a_dead_machine_and_never_that_of_a_living_one(
    leases: Leases, clock: Clock
) -> None:
    assert not await leases.until_free("run-1")
    dead = leases.acquire("run-1", OTHER)
    waiting = asyncio.create_task(leases.until_free("run-1", look_seconds=0.01))
    await clock.looked()
    assert not waiting.done()
    clock.now += LEASE_SECONDS + 1
    assert not await waiting
    living = leases.acquire("run-1", "elsewhere:1:3")
    assert living.fence > dead.fence

    waiting = asyncio.create_task(leases.until_free("run-1", look_seconds=0.01))
    await clock.looked()
    clock.now += 1
    leases.renew(living)
    await clock.looked(2)  # one may have been under way
    assert not waiting.done()
    leases.release(living)
    assert await waiting, "it hears of the end before the lease is renewed"
    assert not await leases.until_free("run-1")


def test_a_lease_that_runs_out_without_a_heartbeat_goes_to_the_next_with_a_higher_fence(
    leases: Leases, clock: Clock
) -> None:
    old = leases.acquire("run-1", OTHER)
    clock.now += LEASE_SECONDS - 1
    leases.renew(old)
    clock.now += LEASE_SECONDS - 1
    with pytest.raises(StoreError, match="is being driven by process 1 on elsewhere"):
        leases.acquire("run-1")
    clock.now += 1
    new = leases.acquire("run-1")
    assert (old.fence, new.fence) == (1, 2)
    with pytest.raises(LeaseLostError):
        leases.renew(old)
    leases.renew(new)
    leases.release(old)  # leaves the new driver alone
    with pytest.raises(StoreError, match=HERE):
        leases.acquire("run-1", OTHER)


PRINT_ME = (
    "from rivya_flows.store.leases import this_process; print(this_process(), flush=True); input()"
)


@functools.cache
def ended_process() -> str:
    """The owner name of a process of this machine that is gone."""
    command = [sys.executable, "-c", PRINT_ME]
    called = subprocess.run(command, input="\n", capture_output=True, text=True, check=True)
    return called.stdout.strip()


def test_a_dead_driver_of_this_machine_is_followed_at_once(leases: Leases) -> None:
    leases.acquire("run-1", ended_process())
    assert leases.acquire("run-1").fence == 2


def test_a_driver_that_was_killed_and_not_waited_for_is_dead(sqlite: Journal) -> None:
    leases, command = Leases(sqlite.engine), [sys.executable, "-c", PRINT_ME]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        leases.acquire("run-1", child.stdout.readline().strip())
        with pytest.raises(StoreError, match=f"process {child.pid}"):
            leases.acquire("run-1")
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and still a zombie
        assert leases.acquire("run-1").fence == 2


def test_another_process_with_the_number_of_a_dead_one_is_not_its_driver(leases: Leases) -> None:
    machine, pid, birth = this_process().rsplit(":", 2)
    leases.acquire("run-1", f"{machine}:{pid}:{float(birth) - 1:.2f}")
    assert leases.acquire("run-1").fence == 2


def test_a_driver_counts_as_living_where_this_process_can_open_no_file_to_look(
    sqlite: Journal,
) -> None:
    leases = Leases(sqlite.engine)
    leases.acquire("run-1", this_process())
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, most))
        found = find_process(os.getpid())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert found == ProcessIdentity(os.getpid(), "")
    machine, pid, _ = this_process().rsplit(":", 2)
    leases.acquire("run-2", f"{machine}:{pid}:")
    for run in ("run-1", "run-2"):
        with pytest.raises(StoreError, match=f"process {pid}"):
            leases.acquire(run)


def test_a_driver_of_another_machine_is_waited_for_whatever_its_number(leases: Leases) -> None:
    _, pid, birth = ended_process().rsplit(":", 2)
    leases.acquire("run-1", f"elsewhere/1:{pid}:{birth}")
    with pytest.raises(StoreError, match=f"process {pid} on elsewhere"):
        leases.acquire("run-1")


def test_of_many_that_want_a_run_at_once_one_gets_it(leases: Leases, clock: Clock) -> None:
    def want(number: int) -> None:
        begin.wait()
        try:
            won.append(leases.acquire("run-1", f"elsewhere:{number}:1"))
        except StoreError:
            lost.append(number)

    for expected in (1, 2):
        won: list[Lease] = []
        lost: list[int] = []
        begin = threading.Barrier(6)
        threads = [threading.Thread(target=want, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(won), len(lost)) == (1, 5)
        assert won[0].fence == expected
        clock.now += LEASE_SECONDS


def test_a_store_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    with (
        closing(Journal(f"sqlite:///{file}?timeout=0.05")) as journal,
        closing(sqlite3.connect(file, isolation_level=None)) as other,
    ):
        lease = Leases(journal.engine).acquire("run-1")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="database is locked"):
            Leases(journal.engine).renew(lease)


async def test_a_lease_is_renewed_while_the_event_loop_is_busy(leases: Leases) -> None:
    renewals = threading.Semaphore(0)

    def clock() -> float:
        renewals.release()
        return 1000.0

    busy = Leases(leases._engine, clock=clock)
    async with busy.hold("run-1", 0.01):
        for _ in range(4):
            assert renewals.acquire(timeout=60)  # blocks the loop


async def test_whoever_holds_a_lease_hears_that_it_is_lost(leases: Leases) -> None:
    async with leases.hold("run-1", 0.001) as lease:
        with writing(leases._engine) as connection:
            connection.execute(update(LEASES).values(fence=lease.fence + 1))
        assert "another process drives run-1 now" in str(await lease.lost)


async def test_a_lease_that_is_acquired_while_its_task_is_cancelled_is_released(
    leases: Leases,
) -> None:
    async def hold() -> None:
        async with leases.hold("run-1"):
            await asyncio.Event().wait()

    for turns in range(4):
        holding = asyncio.create_task(hold())
        for _ in range(turns):
            await asyncio.sleep(0)
        holding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holding
        leases.release(leases.acquire("run-1"))
