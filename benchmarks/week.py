"""Simulates a week of an hourly campaign on real processes: ``python -m benchmarks.week [--runs N]``.

Starts `rivya-flows up` on an empty data folder, makes a run of a deployment each "hour" of a few seconds, and lets the
receiver prune what is older than a day of such hours (`RIVYA_FLOWS_KEEP_MEDIA_DAYS`). Prints what is on the disk by folder, the rows
of both databases, and the memory of the processes that stay. The media must level off; journals and rows of runs grow with what
was bought. Not a part of ``scripts/bench``: a whole week takes about 168 times the length of an hour.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rivya_flows.processes import registry

HOURS = 168
DAY = 24
MOST_UNFINISHED = 3
"""A slow machine gets longer hours instead of a queue."""

SPEC = """
version: 1
name: hourly
budget: {credits: 50}
inputs:
  product: {type: string, default: lamp}
steps:
  stills:
    uses: generate
    matrix: {style: [neon, noir]}
    with: {model: z-image, prompt: "A ${{ inputs.product }}, ${{ matrix.style }}"}
outputs:
  stills: ${{ steps.stills.assets }}
deploy:
  - name: each-hour
"""
_JOURNAL = ("events", "runs", "results", "received")
_PREFECT = ("flow_run", "task_run", "log", "events", "artifact")
_ATTEMPTS = 10
_OVER = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@dataclass(frozen=True)
class Sample:
    """The state after a number of hours.

    Attributes:
        disk: MB by part of the data folder.
        rows: By table; those of Prefect's database have ``prefect.`` in front.
        memory: MB by process that stays, with its children.
    """

    hour: int
    seconds: float
    disk: dict[str, float]
    rows: dict[str, int]
    memory: dict[str, float]


class Prefect:
    """The API of the server of `up`.

    Args:
        data: The data folder.
    """

    def __init__(self, data: Path) -> None:
        part = registry.read(data).part("server")
        assert part is not None
        auth = (data / "prefect" / "auth").read_text().strip()
        self._url, self._auth = f"{part.url}/api", base64.b64encode(auth.encode()).decode()

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer to a request; with a body it is a POST."""
        headers = {"Authorization": f"Basic {self._auth}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        for attempt in range(1, _ATTEMPTS + 1):
            request = urllib.request.Request(f"{self._url}{path}", data, headers)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                # SQLite under load; each run has an idempotency key.
                if error.code != 503 or attempt == _ATTEMPTS:
                    raise
                time.sleep(1)
        raise AssertionError

    def unfinished(self) -> int:
        """Flow runs that have not ended."""
        state = {"type": {"not_any_": list(_OVER)}}
        tags = {"all_": ["week"]}
        return int(self.ask("/flow_runs/count", {"flow_runs": {"state": state, "tags": tags}}))


@contextmanager
def _up(folder: Path, keep_media_days: float) -> Iterator[Path]:
    """A data folder with everything running."""
    (folder / "hourly.yaml").write_text(SPEC)
    data = folder / "data"
    environment = os.environ | {
        "RIVYA_FLOWS_DATA": str(data),
        "RIVYA_FLOWS_KEEP_MEDIA_DAYS": f"{keep_media_days:.8f}",
    }
    command = [sys.executable, "-m", "rivya_flows.cli.main"]
    arguments = ["up", "hourly.yaml", "--sandbox", "--port", "0", "--receiver-port", "0"]
    subprocess.run([*command, *arguments], cwd=folder, env=environment, check=True)
    try:
        yield data
    finally:
        subprocess.run([*command, "down"], cwd=folder, env=environment, check=False)


def sampled(data: Path, hour: int, began: float) -> Sample:
    """The state now."""
    prefect = _rows(data / "prefect" / "prefect.db", _PREFECT)
    return Sample(
        hour=hour,
        seconds=round(time.monotonic() - began),
        disk={part.name: _megabytes(part) for part in sorted(data.iterdir()) if part.is_dir()}
        | {"journal": sum(_megabytes(one) for one in data.glob("journal.sqlite*"))},
        rows=_rows(data / "journal.sqlite", _JOURNAL)
        | {f"prefect.{name}": count for name, count in prefect.items()},
        memory={
            part.name: round(sum(_resident(pid) for pid in _family(part.pid)), 1)
            for part in registry.read(data).parts
        },
    )


def _megabytes(path: Path) -> float:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    total = 0
    for one in files:
        with contextlib.suppress(OSError):  # it may be gone by now
            total += one.lstat().st_blocks * 512
    return round(total / 10**6, 2)


def _rows(database: Path, tables: tuple[str, ...]) -> dict[str, int]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as opened:
        counts = {}
        for table in tables:
            (counts[table],) = opened.execute(f"SELECT count(*) FROM {table}").fetchone()
        return counts


def _family(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *(one for child in children for one in _family(int(child)))]
    return []


def _resident(pid: int) -> float:
    with contextlib.suppress(OSError, IndexError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 10**6
    return 0.0


def week(runs: int, seconds: float, keep_hours: int, every: int) -> Iterator[Sample]:
    """The state every few hours.

    Args:
        runs: Hours, with one run each.
        seconds: Length of an hour.
        keep_hours: What older runs alone need is deleted.
        every: Hours between two samples.
    """
    with (
        tempfile.TemporaryDirectory(prefix="week-") as name,
        _up(Path(name), keep_hours * seconds / 86_400) as data,
    ):
        prefect, began = Prefect(data), time.monotonic()
        deployment = prefect.ask("/deployments/name/hourly/each-hour")["id"]
        yield sampled(data, 0, began)
        for hour in range(1, runs + 1):
            due = time.monotonic() + seconds
            wanted = {
                "parameters": {"product": f"lamp number {hour}"},
                "state": {"type": "SCHEDULED"},
                "tags": ["week"],
                "idempotency_key": f"hour {hour}",
            }
            prefect.ask(f"/deployments/{deployment}/create_flow_run", wanted)
            while time.monotonic() < due or prefect.unfinished() > MOST_UNFINISHED:
                time.sleep(0.5)
            if hour % every == 0 or hour == runs:
                yield sampled(data, hour, began)


def main() -> None:
    """Print each sample."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--runs", type=int, default=HOURS)
    parser.add_argument("--seconds", type=float, default=6.0, help="length of an hour")
    parser.add_argument("--keep-hours", type=int, default=DAY)
    parser.add_argument("--every", type=int, default=DAY // 2, help="hours between two lines")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    samples: list[Sample] = []
    for one in week(options.runs, options.seconds, options.keep_hours, options.every):
        samples.append(one)
        if not options.json:
            print(f"hour {one.hour} ({one.seconds:.0f} s)")
            for title, found in asdict(one).items():
                if isinstance(found, dict):
                    print(f"  {title:<7}" + ", ".join(f"{name} {n}" for name, n in found.items()))
            sys.stdout.flush()
    if options.json:
        print(json.dumps([asdict(one) for one in samples], indent=2))


if __name__ == "__main__":
    main()
