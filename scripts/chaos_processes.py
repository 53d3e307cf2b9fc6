"""The processes of `chaos.py` that can be killed: a sandbox, and executions of runs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import rivya_flows.flows.compiler
import rivya_flows.flows.execution.execute  # noqa: F401  # loaded before the fork, as is the compiler
from rivya_flows.cli.main import run as command_line

CREDITS = 1_000_000
LOOK_SECONDS = 0.01

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
      mode: human
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


def spec(items: int) -> str:
    """The spec of all runs: a campaign, or two steps of so many items with 200 jobs in flight."""
    if not items:
        return SPEC
    numbers = ", ".join(map(str, range(items)))
    return WIDE.format(items=numbers, count=items, credits=60 * items)


class SandboxProcess:
    """A sandbox that restarts on its port, with its data, after every kill.

    Args:
        folder: Its data and log.
        profile: ``friendly`` or ``hostile``.
        seed: Of its faults.
    """

    def __init__(self, folder: Path, profile: str, seed: int) -> None:
        self.data = folder / "sandbox"
        self._log = folder / "sandbox.log"
        self._profile = profile
        self._faults = folder / "faults.yaml"
        self._faults.write_text(FAULTS.format(seed=seed))
        self._process: subprocess.Popen[str] | None = None
        self.base_url = ""
        self.api_key = ""

    def start(self) -> None:
        """Start it; returns when it answers."""
        port = self.base_url.rpartition(":")[2] or "0"
        command = [sys.executable, "-m", "rivya_sandbox", "serve", "--json"]
        command += ["--data", str(self.data), "--port", port, "--credits", str(CREDITS)]
        command += ["--media", "plain", "--time-scale", "0.03", "--profile", self._profile]
        command += ["--faults", str(self._faults)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the sandbox did not start: {self._log.read_text()[-800:]}")
        ready = json.loads(line)
        # The first key stays valid, and a run belongs to one address.
        self.base_url = self.base_url or ready["base_url"]
        self.api_key = self.api_key or ready["api_key"]

    def kill(self) -> None:
        """Kill it, as the kernel does when memory runs out."""
        if self._process is not None:
            _kill(self._process)
            self._process = None


class Driver:
    """One execution of a run: ``rivya-flows run`` or ``resume`` in its own process.

    The process is forked, so that imports, which no kill affects, happen once.
    """

    def __init__(self, folder: Path, environment: dict[str, str], arguments: list[str]) -> None:
        self._over = False
        self._pid = os.fork()
        if self._pid == 0:
            _become_driver(folder, environment, arguments)

    def is_over(self) -> bool:
        """Whether it has ended."""
        if not self._over:
            self._over = os.waitpid(self._pid, os.WNOHANG)[0] == self._pid
        return self._over

    def kill(self) -> None:
        """Kill it and all its children; safe to call twice."""
        if not self.is_over():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._over = True

    def wait(self, seconds: float) -> bool:
        """Wait for its end; False after so many seconds."""
        return any(self.is_over() for _ in until(seconds)) or self.is_over()


def _become_driver(folder: Path, environment: dict[str, str], arguments: list[str]) -> NoReturn:
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        os.environ |= environment
        log = os.open(folder / "drivers.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        code = command_line(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class JournalReader:
    """Reads the journal from outside, to kill between its entries."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal

    def runs(self) -> list[str]:
        """Ids of all runs, oldest first."""
        return [str(row[0]) for row in self._rows("SELECT run_id FROM runs ORDER BY started_at")]

    def entries(self, run_id: str | None) -> int:
        """How many entries a run has; 0 for None."""
        if run_id is None:
            return 0
        [row] = self._rows("SELECT count(*) FROM events WHERE run_id = ?", run_id) or [(0,)]
        return int(row[0])

    def _rows(self, query: str, *values: str) -> list[Any]:
        if not self._journal.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{self._journal}?mode=ro", uri=True)) as db:
            try:
                return db.execute(query, values).fetchall()
            except sqlite3.OperationalError:  # not migrated yet
                return []


def driver_environment(folder: Path, sandbox: SandboxProcess) -> dict[str, str]:
    """The environment of drivers: their store and their service."""
    return {
        "RIVYA_API_KEY": sandbox.api_key,
        "RIVYA_BASE_URL": sandbox.base_url,
        "RIVYA_FLOWS_DATA": str(folder / "data"),
        "RIVYA_POLL_SECONDS": "0.1",
    }


def until(seconds: float) -> Iterator[None]:
    """Iterate at intervals, for at most so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(LOOK_SECONDS)


def _kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
