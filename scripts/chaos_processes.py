"""What `chaos.py` kills and moves: executions of runs, their clocks; and its specs, faults and reader of the journal."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from members import kill_all, until
from sqlalchemy import NullPool, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from rivya_flows.cli.main import run as command_line

LOOK_SECONDS = 0.01

OFFSETS = ("-30h", "-2h", "-40", "+40", "+2h", "+30h")
"""How far a clock is moved: beyond the 30 s of a lease, the hour of a future intent, the 20 h of a resend."""

WRONG_CLOCK = 0.15
"""Share of the executions of the command line on a machine whose clock is wrong, and moves."""

KEY_LIFE = ("--key-life", "172800")
"""Seconds that the sandbox knows a key: what it forgets while rivya-flows relies on it is bought twice, as documented."""

FAULTS = """
seed: {seed}
faults:
  - {{on: "POST /api/v1/*", do: drop_after_commit, probability: 0.06}}
  - {{on: "POST /api/v1/*", do: drop_before, probability: 0.06}}
  - {{on: "POST /api/v1/*", do: status, status: 503, probability: 0.03}}
  - {{on: "POST /api/v1/*", do: status, status: 429, probability: 0.03}}
  - {{on: "GET /api/v1/*", do: drop_before, probability: 0.03}}
  - {{on: "GET /media/*", do: drop_after_commit, probability: 0.05}}
  - {{on: generation, do: refuse, model: z-image, prompt: neon}}
  - {{on: generation, do: fail, probability: 0.05}}
"""

SPEC = """
version: 1
name: chaos
inputs:
  who: {type: enum, values: [human, judge], default: human}
budget: {credits: 400}
steps:
  script:
    uses: chat
    with:
      model: gemini-2-5-flash-chat
      message: "A shot and a line for a lamp"
      expect: {visual: string, narration: string}
  stills:
    uses: generate
    matrix: {style: [studio, street, watercolor, neon]}
    regenerate: 1
    fallback: [{model: seedream-5-lite}, {model: nano-banana}]
    with: {model: z-image, prompt: "${{ steps.script.json.visual }}, ${{ matrix.style }}"}
  heroes:
    uses: pick
    with:
      from: ${{ steps.stills.items }}
      mode: ${{ inputs.who }}
      count: 2
      judge: {model: gemini-2-5-flash-chat, criteria: [The whole lamp is in the picture]}
      none: {rounds: 1}
  restyled:
    uses: generate
    foreach: ${{ steps.heroes.items }}
    regenerate: 1
    with: {model: nano-banana, prompt: In watercolor, references: ["${{ item.asset }}"]}
  voice:
    uses: generate
    regenerate: 1
    with:
      model: elevenlabs-turbo-2-5
      prompt: ${{ steps.script.json.narration }}
      params: {voice: TX3LPaxmHKxFdv7VOQHJ}
outputs:
  pictures: ${{ steps.restyled.assets }}
  voice: ${{ steps.voice.asset }}
deploy:
  - {name: asked}
  - {name: judged, inputs: {who: judge}}
"""


WIDE = """
version: 1
name: chaos
budget: {{credits: {credits}}}
steps:
  stills:
    uses: generate
    foreach: [{items}]
    max_parallel: 200
    max_items: {count}
    regenerate: 2
    with: {{model: z-image, prompt: "Lamp ${{{{ item }}}}"}}
  restyled:
    uses: generate
    foreach: ${{{{ steps.stills.items }}}}
    max_parallel: 200
    max_items: {count}
    regenerate: 2
    with: {{model: nano-banana, prompt: In watercolor, references: ["${{{{ item.asset }}}}"]}}
"""


def spec(items: int = 0) -> str:
    """The spec of all runs: a campaign, or two steps of so many items with 200 jobs in flight."""
    if not items:
        return SPEC
    numbers = ", ".join(map(str, range(items)))
    return WIDE.format(items=numbers, count=items, credits=60 * items)


def faults(folder: Path, seed: int) -> Path:
    """A file with the faults of the sandbox."""
    file = folder / "faults.yaml"
    file.write_text(FAULTS.format(seed=seed))
    return file


class Clock:
    """The clock of a machine, which libfaketime moves for all processes with this environment, also while they run.

    What measures durations (CLOCK_MONOTONIC) is left alone, as when a person or NTP sets a real clock.

    Args:
        file: Has the offset.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.move("+0")

    @staticmethod
    def library() -> Path | None:
        """Where libfaketime is, if it is installed."""
        found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        return found[0] if found else None

    @property
    def environment(self) -> dict[str, str]:
        """Of the processes of this machine."""
        return {
            "LD_PRELOAD": str(self.library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def move(self, offset: str) -> None:
        """Set it to the right time and so much."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset}\n")
        new.replace(self._file)


def load() -> None:
    """Import what executions need; Prefect reads its environment now."""
    for name in ("rivya_flows.flows.compiler", "rivya_flows.flows.execution.execute"):
        importlib.import_module(name)


class Driver:
    """One execution of a run: ``rivya-flows run`` or ``resume`` in its own process.

    The process is forked after `load`, so that imports, which no kill affects, happen once.

    Args:
        folder: Where it works.
        environment: Variables beside those of this process.
        arguments: Of `rivya-flows`.
        clock: Of its machine, which is loaded with the program; None is the right time.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        arguments: list[str],
        clock: Clock | None = None,
    ) -> None:
        self._over = False
        self._pid = os.fork()
        if self._pid == 0:
            _become_driver(folder, environment, arguments, clock)

    def is_over(self) -> bool:
        """Whether it has ended."""
        if not self._over:
            self._over = os.waitpid(self._pid, os.WNOHANG)[0] == self._pid
        return self._over

    def kill(self) -> None:
        """Kill it and all its children; safe to call twice."""
        if not self.is_over():
            kill_all([self._pid])
            with contextlib.suppress(ProcessLookupError):  # it has no group yet
                os.killpg(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._over = True

    def wait(self, seconds: float) -> bool:
        """Wait for its end; False after so many seconds."""
        return any(self.is_over() for _ in until(seconds, LOOK_SECONDS)) or self.is_over()


def _become_driver(
    folder: Path, environment: Mapping[str, str], arguments: list[str], clock: Clock | None
) -> NoReturn:
    code = 70
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.chdir(folder)
        os.environ |= environment
        log = os.open(folder / "drivers.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        if clock is not None:
            program = [sys.executable, "-m", "rivya_flows.cli.main", *arguments]
            os.execve(sys.executable, program, os.environ | clock.environment)
        code = command_line(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class JournalReader:
    """Reads the journal from outside, to kill between its entries.

    Args:
        store: Its URL; a file need not exist yet.
    """

    def __init__(self, store: str) -> None:
        url = make_url(store)
        if url.drivername == "sqlite":
            url = make_url(f"sqlite:///file:{url.database}?mode=ro&uri=true")
        else:
            url = url.set(drivername="postgresql+psycopg")
        # No connection is open while a driver is forked: SQLite would share its locks.
        self._engine = create_engine(url, poolclass=NullPool)

    def runs(self) -> list[str]:
        """Ids of all runs, oldest first."""
        return [str(one) for one in self._column("SELECT run_id FROM runs ORDER BY started_at")]

    def entries(self, run_id: str | None) -> int:
        """How many entries a run has; 0 for None."""
        return self._count("SELECT count(*) FROM events WHERE run_id = :run", run=run_id or "")

    def intents(self, run_id: str | None) -> int:
        """How many purchases a run has intended."""
        query = "SELECT count(*) FROM events WHERE run_id = :run AND kind = 'purchase.intended'"
        return self._count(query, run=run_id or "")

    def all_entries(self) -> int:
        """How many entries all runs have."""
        return self._count("SELECT count(*) FROM events")

    def webhooks(self) -> int:
        """How many webhook events the receiver has stored."""
        return self._count("SELECT count(*) FROM received")

    def _count(self, query: str, **values: str) -> int:
        [found] = self._column(query, **values) or [0]
        return int(str(found))

    def _column(self, query: str, **values: str) -> list[object]:
        try:
            with self._engine.connect() as connection:
                return list(connection.execute(text(query), values).scalars())
        except DBAPIError:  # not there, not migrated yet
            return []
