"""The world of one history: event loop, clocks and processes by one seed.

Nothing in it waits: the loop moves its clock to the next moment at which something happens. What may
happen in one order or another is drawn from `World.chance`, so a seed gives one history exactly.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar, TypeVarTuple, Unpack
from unittest.mock import patch

from sqlalchemy import Engine, delete

from rivya_flows.queue.events import Event, Stamped
from rivya_flows.store.database import writing
from rivya_flows.store.tables import METADATA, VERSIONS

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EPOCH = 1_796_000_000.0
"""Unix seconds at which each history begins."""

LONGEST = 90 * 24 * 3600.0
"""Seconds after which a history that is not over counts as one that never ends."""


SUSPENDED = 26 * 3600.0
"""Seconds for which a machine sleeps; the service forgets keys in that time."""


class KilledError(BaseException):
    """The process of this task was killed: what it does from now on has no effect."""


class StuckError(AssertionError):
    """Tasks wait for something that cannot happen."""


class ViolationError(AssertionError):
    """An invariant does not hold."""


@dataclass
class _Selector:
    """Moves the clock of its loop instead of waiting for files."""

    loop: Loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise StuckError("every task waits for something that cannot happen")
        self.loop.moment += timeout
        if self.loop.moment > LONGEST:
            raise StuckError("the history does not end")
        return []


class Loop(asyncio.BaseEventLoop):
    """An event loop whose clock moves on when nothing is left to do now."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance, self.moment = chance, 0.0
        self._clock_resolution = 1e-9
        self._selector = _Selector(self)

    def time(self) -> float:
        """Seconds since the beginning of the history."""
        return self.moment

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Calls the function as a whole, a little later: threads are a matter of order here."""
        future: asyncio.Future[T] = self.create_future()
        process = PROCESS.get(None)

        def call() -> None:
            if future.done():
                return
            try:
                if process is not None:
                    process.check()
                result = func(*args)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self.call_later(self.chance.random() * 0.01, call)
        return future

    def _process_events(self, _: Any) -> None:
        """There are no files."""

    def _write_to_self(self) -> None:
        """No other thread wakes this loop."""


PROCESS: ContextVar[Process] = ContextVar("process")
"""The process that a task belongs to."""


@dataclass(eq=False)
class World:
    """What the processes of one history share, and what an observer has seen of it.

    Attributes:
        engine: Of the store, emptied for each history.
        calm: Nothing fails any more.
        naps: The share of waits in which a machine sleeps.
        in_flight: Requests that have left, and not arrived.
        drivers: Who took the lease of each run last.
        fences: The newest fence of each run.
        leases: When the lease of each run expires, by the clock of its driver.
        events: How many were written.
        faults: How often each happened.
        story: A line for each thing that happened.
        on_commit: Called with each event, by its run, once it is durable.
    """

    seed: int
    engine: Engine
    calm: bool = False
    naps: float = 0.0
    in_flight: int = 0
    chance: random.Random = field(init=False)
    loop: Loop = field(init=False)
    drivers: dict[str, Process] = field(default_factory=dict)
    fences: dict[str, int] = field(default_factory=dict)
    leases: dict[str, float] = field(default_factory=dict)
    events: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    story: deque[str] = field(default_factory=lambda: deque(maxlen=100_000))
    on_commit: Callable[[str, Event], None] = lambda *_: None
    violations: list[str] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.loop = Loop(self.chance)
        self.loop.set_exception_handler(self._note_error)
        with writing(self.engine) as connection:
            for table in METADATA.sorted_tables:
                if table is not VERSIONS:
                    connection.execute(delete(table))

    def _note_error(self, _: Any, context: dict[str, Any]) -> None:
        """An error of a callback is one of the simulation; one of a task whose process is dead is none."""
        if "handle" in context and not isinstance(context.get("exception"), KilledError):
            self.violate(repr(context.get("exception") or context["message"]))

    def now(self) -> float:
        """Unix seconds of true time."""
        return EPOCH + self.loop.moment

    def tell(self, who: str, what: str) -> None:
        """Adds a line to the story."""
        self.story.append(f"{self.loop.moment:11.3f}  {who:<8}  {what}")

    def violate(self, what: str) -> None:
        """Notes that an invariant does not hold."""
        if what not in self.violations:
            self.violations.append(what)
            self.tell("VIOLATES", what)

    def fails(self, share: float, fault: str = "") -> bool:
        """Whether a fault of this probability happens now."""
        if self.calm or self.chance.random() >= share:
            return False
        if fault:
            self.faults[fault] += 1
        return True

    async def pause(self, most: float) -> None:
        """Waits for a random time, in seconds."""
        await asyncio.sleep(self.chance.random() * most)

    def process(self, machine: str, *, effects: int | None = None, skew: float = 0.0) -> Process:
        """A new process, which ends at its effect number `effects`."""
        number = len(self.processes)
        process = Process(self, f"{machine}.{number}", number, effects, skew)
        self.processes.append(process)
        return process

    def observe(self, process: Process, run_id: str, fence: int, stamped: Stamped) -> None:
        """Hears of an event that is durable now."""
        self.events += 1
        self.tell(process.name, f"{run_id} {stamped.seq:>3} {brief(stamped.event)}")
        if self.fences.get(run_id, fence) != fence:
            self.violate(f"{run_id}: an entry of a process whose lease is lost")
        self.on_commit(run_id, stamped.event)

    @contextmanager
    def clocks(self) -> Iterator[None]:
        """The clocks of this machine show the time of the world; a thread that sleeps moves it on."""

        def sleep(seconds: float) -> None:
            self.loop.moment += seconds

        with (
            patch.object(time, "time", self.now),
            patch.object(time, "monotonic", self.loop.time),
            patch.object(time, "sleep", sleep),
        ):
            yield


def brief(event: Event) -> str:
    """An event in one line."""
    hidden = {"kind", "spec_text", "catalogue", "plan", "body", "inputs"}
    fields = event.model_dump(exclude=hidden)
    named = (
        f"{name}={value!s:.60}" for name, value in fields.items() if value not in (None, "", ())
    )
    return f"{event.kind}  {' '.join(named)}"[:200]


@dataclass(eq=False)
class Process:
    """A process that executes runs; each of its effects on disk and network may be its last.

    Attributes:
        effects: How many are left to it; None: nothing ends it.
        skew: Seconds by which the clock of its machine is ahead.
        is_asked: It ends by a signal that it may handle, and by ``kill -9`` if it takes too long.
        slept: Seconds that its machine slept; its monotonic clock stood still.
        on_kill: Called when it is killed.
    """

    world: World
    name: str
    number: int
    effects: int | None
    skew: float
    is_asked: bool = False
    was_asked: bool = False
    slept: float = 0.0
    is_dead: bool = False
    task: asyncio.Task[Any] | None = None
    on_kill: Callable[[], None] = lambda: None

    @property
    def machine(self) -> str:
        """The name of its machine."""
        return self.name.partition(".")[0]

    def clock(self) -> float:
        """Unix seconds as its machine has them."""
        return self.world.now() + self.skew

    def monotonic(self) -> float:
        """Seconds that its machine was awake."""
        return self.world.loop.time() - self.slept

    async def sleep(self, seconds: float) -> None:
        """Waits. The machine may be suspended, and other processes are stopped in that time."""
        # No network carries a request for so long.
        if not self.world.in_flight and self.world.fails(self.world.naps, "a machine sleeps"):
            self.world.tell(self.name, "its machine sleeps")
            self.slept += SUSPENDED
            self.world.loop.moment += SUSPENDED
        await asyncio.sleep(seconds)

    def now(self) -> datetime:
        """As `clock`."""
        return datetime.fromtimestamp(self.clock(), UTC)

    def effect(self) -> None:
        """A moment at which the process may end; raises `KilledError` once it is dead."""
        self.check()
        if self.effects is not None:
            self.effects -= 1
            if self.effects == -1 and self.is_asked and self.task is not None:
                self.world.faults["stopped"] += 1
                self.world.tell(self.name, "is asked to stop")
                self.task.cancel()
                self.is_asked, self.was_asked = False, True
                self.effects = self.world.chance.choice([None, 0, 3])
            elif self.effects < 0:
                self.world.faults["killed"] += 1
                self.kill()
                self.check()

    def check(self) -> None:
        """Raises `KilledError` once the process is dead."""
        if self.is_dead:
            raise KilledError

    def kill(self) -> None:
        """As ``kill -9``."""
        if self.is_dead:
            return
        self.is_dead = True
        self.world.tell(self.name, "killed")
        self.on_kill()
        if self.task is not None:
            self.task.cancel()

    async def execute(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of a coroutine of this process; None if the process was ended."""
        context = copy_context()
        context.run(PROCESS.set, self)
        self.task = task = asyncio.create_task(work, context=context)
        try:
            return await task
        except BaseException:
            was_ended = self.is_dead or (self.was_asked and task.cancelled())
            if not was_ended:
                raise
            return None
