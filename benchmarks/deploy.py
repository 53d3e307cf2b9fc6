"""Measures `deploy` with thirty specs: ``python benchmarks/deploy.py``.

Starts a Prefect server with an empty database and runs the command as a user does: wall time and
processor time. Prints a table.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rivya_flows.flows.server.local_server import LocalServer

SPECS = 30
_SPEC = """\
version: 1
name: campaign-NUMBER
inputs:
  product: {type: string, title: Product, default: Lamp}
  styles: {type: list, of: string, default: [studio, neon]}
budget: {credits: 40}
steps:
  stills:
    uses: generate
    matrix: {style: "${{ inputs.styles }}"}
    with: {model: z-image, prompt: "${{ inputs.product }}, ${{ matrix.style }} style"}
outputs:
  stills: ${{ steps.stills.assets }}
deploy:
  - name: weekly
    schedules: [{cron: "0 9 * * 1", timezone: Asia/Kolkata}]
    inputs: {product: Chair}
"""
_TRIGGER = """\
    triggers:
      - {event: campaign.brief.created, inputs: {product: "${{ event.payload.product }}"}}
"""


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        # Prefect reads its settings during import, here and in the command.
        os.environ |= {"RIVYA_FLOWS_DATA": folder, "PREFECT_HOME": f"{folder}/home"}
        specs = Path(folder) / "specs"
        specs.mkdir()
        paths = [specs / f"campaign-{number:02}.yaml" for number in range(SPECS)]
        for number, path in enumerate(paths):
            path.write_text(_SPEC.replace("NUMBER", f"{number:02}"))
        asyncio.run(_measure(Path(folder), paths))


async def _measure(data: Path, paths: list[Path]) -> None:
    server = LocalServer.start(data)
    try:
        await server.ready()
        print("| `rivya-flows deploy specs/*.yaml` | seconds | processor seconds |")
        print("| --- | ---: | ---: |")
        _row(f"{SPECS} specs, all new", paths, "made")
        _row("again, without changes", paths, "unchanged")
        for path in paths:
            path.write_text(path.read_text() + _TRIGGER)
        _row("each with one more trigger", paths, "changed")
        paths.pop().unlink()
        _row("one removed, with `--prune`", paths, "unchanged", "--prune")
    finally:
        await server.stop()


def _row(what: str, paths: list[Path], done: str, *options: str) -> None:
    command = [sys.executable, "-m", "rivya_flows.cli.main", "deploy", "--json", *options]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    said = subprocess.run([*command, *map(str, paths)], check=True, capture_output=True)
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = [one["done"] for one in json.loads(said.stdout)["deployments"]]
    if found.count(done) != len(paths):
        raise SystemExit(f"{what}: {found}")
    processor = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    print(f"| {what} | {seconds:.1f} | {processor:.1f} |", flush=True)


if __name__ == "__main__":
    main()
