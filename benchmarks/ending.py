"""Measures the end of a run: ``python benchmarks/ending.py [--json] [--items N ...]``.

Makes the journal of a run with so many small pictures and a store with these, and times what
follows the last event: receipt, copies for people, contact sheet. Beside it, in the same process,
what no report can avoid: `shutil.copyfile` of the same files and `json.dump` of the same receipt.
Then the longest time that the event loop stands still while 190 MiB are downloaded, kept and
uploaded, on a server of the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.stub import picture

from rivya_client.catalogue.snapshot import shipped
from rivya_client.client import RivyaClient
from rivya_client.uploads import Accepted
from rivya_cut.results import Probe
from rivya_flows.engine.files import take
from rivya_flows.language.inputs import resolve_inputs
from rivya_flows.queue.events import (
    BalanceRead,
    Event,
    ItemCompleted,
    JobEnded,
    PurchaseAccepted,
    PurchaseIntended,
    RunEnded,
    RunFrozen,
    RunResumed,
    Stamped,
)
from rivya_flows.queue.queue import step
from rivya_flows.queue.reducer import initial_state
from rivya_flows.queue.state import State
from rivya_flows.receipt.report import RunReporter
from rivya_flows.spec.load import load
from rivya_flows.store.assets import AssetStore, file_hash
from rivya_flows.store.journal import Journal, RunRow

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ITEMS = (1_000,)
LARGE_BYTES = 190 * 2**20

SPEC = """
version: 1
name: pictures
inputs:
  numbers: {type: list, of: string}
steps:
  stills:
    uses: generate
    matrix: {number: "${{ inputs.numbers }}"}
    with: {model: z-image, prompt: "A brass desk lamp on oak, number ${{ matrix.number }}."}
outputs:
  stills: ${{ steps.stills.assets }}
"""


def frozen(items: int) -> RunFrozen:
    """The first entry of a run with so many pictures."""
    catalogue = shipped()
    workflow = load(SPEC, file="pictures.yaml", catalogue=catalogue)
    numbers = [f"{number:05}" for number in range(items)]
    return RunFrozen(
        run_id="run-ending",
        spec_text=SPEC,
        spec_file="pictures.yaml",
        inputs=resolve_inputs(workflow, {"numbers": numbers}, folder=None),
        catalogue=dict(catalogue.wire),
        catalogue_date=catalogue.date,
        service="sandbox:benchmark",
        started_at=NOON,
        nonce="0" * 32,
    )


def events(keys: list[str], media: list[dict[str, Any]]) -> Iterator[Event]:
    """What follows the first entry."""
    yield RunResumed(at=NOON)
    yield BalanceRead(step=None, phase="before", credits=100_000)
    yield BalanceRead(step="stills", phase="before", credits=100_000)
    for number, (key, asset) in enumerate(zip(keys, media, strict=True)):
        of = {"step": "stills", "key": key, "n": 1}
        body = json.dumps({"model": "z-image", "prompt": f"A brass desk lamp, number {number}."})
        yield PurchaseIntended(
            **of, route="generation", idempotency_key=f"key-{number}", body=body, reserve=1, at=NOON
        )
        task = f"task-{number:05}"
        yield PurchaseAccepted(**of, task_id=task, reserved_credits=1)
        yield JobEnded(**of, status="succeeded", final_credits=1, urls=(asset["url"],))
        outputs = {"asset": asset, "assets": [asset], "task_id": task}
        yield ItemCompleted(step="stills", key=key, outputs=outputs)
    yield BalanceRead(step="stills", phase="after", credits=100_000 - len(keys))
    yield BalanceRead(step=None, phase="after", credits=100_000 - len(keys))
    yield RunEnded(status="completed", at=NOON)


class _Filled(Journal):
    """A journal that another process would have written: nothing new is ever in it."""

    def entries(self, run_id: str, after: int = 0) -> tuple[Stamped, ...]:
        return ()


def kept(assets: AssetStore, items: int) -> list[dict[str, Any]]:
    """So many pictures in the store, as a run keeps them."""
    media = []
    for number in range(items):
        staged = assets.incoming()
        staged.parent.mkdir(parents=True, exist_ok=True)
        staged.write_bytes(picture(number))
        size, digest = staged.stat().st_size, file_hash(staged)
        path = assets.take(staged, digest)
        found = {"kind": "image", "mime_type": "image/png", "width": 48, "height": 48}
        about = {"size_bytes": size, "sha256": digest, "path": str(path)}
        media.append({**found, **about, "url": f"https://media.example/{digest}.png"})
    return media


def _measured(work: Callable[[], object]) -> dict[str, float]:
    before, began = os.times(), time.perf_counter()
    work()
    took, after = time.perf_counter() - began, os.times()
    return {
        "seconds": round(took, 3),
        "processor_seconds": round(sum(after[:4]) - sum(before[:4]), 3),
    }


def ending(items: int) -> dict[str, Any]:
    """The end of a run with so many pictures, beside its peer."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assets = AssetStore((folder / "assets").as_uri(), folder / "copies")
        media = kept(assets, items)
        first = frozen(items)
        with closing(_Filled(f"sqlite:///{folder / 'journal.sqlite'}")) as journal:
            row = RunRow(first.run_id, "pictures", first.service, "", folder / "out")
            reporter = RunReporter(journal, assets, row)
            state: State = initial_state(first)
            reporter.record(Stamped(1, NOON.timestamp(), first), state)
            keys = [*state.steps["stills"].items]
            for seq, event in enumerate(events(keys, media), 2):
                step(state, event)
                reporter.record(Stamped(seq, NOON.timestamp() + seq, event), state)
            report = _measured(reporter.write)
            again = _measured(reporter.write)
            receipt = reporter.write().receipt.model_dump(mode="json")
        peer = folder / "peer"
        peer.mkdir()

        def copies() -> None:
            for asset in media:
                shutil.copyfile(asset["path"], peer / f"{asset['sha256']}.png")
            with (peer / "receipt.json").open("w") as file:
                json.dump(receipt, file, indent=2)

        found = {"items": items, "entries": seq, "report": report, "again": again}
        pages = (folder / "out" / "contact-sheet.html").stat().st_size
        return {**found, "peer": _measured(copies), "contact_sheet_bytes": pages}


SERVER = """
import http.server, json, sys
piece = bytes(2**20)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", sys.argv[1])
        self.end_headers()
        for _ in range(int(sys.argv[1]) // len(piece)):
            self.wfile.write(piece)
    def do_POST(self):
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, len(piece))))
        body = json.dumps({"id": "file-1", "url": "http://127.0.0.1/f", "kind": "video",
            "mime_type": "video/mp4", "size_bytes": 1, "name": "f",
            "created_at": "2026-01-01T00:00:00Z"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


@asynccontextmanager
async def _watched(longest: dict[str, dict[str, float]], name: str) -> AsyncIterator[None]:
    """Notes in milliseconds the longest pass of the loop, in time and in time of the processor.

    On a busy machine a pass is long because other processes have the processor.
    """
    blocked = worked = 0.0

    async def tick() -> None:
        nonlocal blocked, worked
        while True:
            began, working = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0)
            blocked = max(blocked, time.perf_counter() - began)
            worked = max(worked, time.thread_time() - working)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        ticking.cancel()
        longest[name] = {
            "milliseconds": round(blocked * 1000, 1),
            "processor_milliseconds": round(worked * 1000, 1),
        }


async def blocks() -> dict[str, dict[str, float]]:
    """How long one large medium stops the event loop at most, in milliseconds."""
    longest: dict[str, dict[str, float]] = {}
    command = [sys.executable, "-c", SERVER, str(LARGE_BYTES)]
    server = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert server.stdout is not None
    port = int(await server.stdout.readline())
    url = f"http://127.0.0.1:{port}"
    try:
        with tempfile.TemporaryDirectory() as name:
            assets = AssetStore((Path(name) / "assets").as_uri(), Path(name) / "copies")
            async with RivyaClient("rvya_sk_benchmark", url) as client:
                target = assets.incoming()
                async with _watched(longest, "download"):
                    got = await client.download(f"{url}/film", target, max_bytes=2**30)
                known = Probe("video", "video/mp4", LARGE_BYTES, 640, 360, 5.0)
                async with _watched(longest, "keep"):
                    film = await take(assets, target, got.sha256, found=known)
                async with _watched(longest, "keep what was made here"):
                    made = await asyncio.to_thread(_copied, assets, film.path)
                    await take(assets, made, found=known)
                accepted = Accepted(None)
                async with _watched(longest, "upload"):
                    path = await asyncio.to_thread(assets.local_path, film.sha256)
                    await client.files.upload(path, kind="video", accepted=accepted)
    finally:
        server.kill()
        await server.wait()
    return longest


def _copied(assets: AssetStore, path: Path | None) -> Path:
    assert path is not None
    return Path(shutil.copyfile(path, assets.incoming()))


def main() -> None:
    """Prints a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="*", default=ITEMS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = [ending(items) for items in options.items]
    longest = asyncio.run(blocks())
    if options.json:
        print(json.dumps({"endings": found, "longest_pass": longest}, indent=2))
        return
    print("| pictures | report | processor | copyfile and json.dump | processor | sheet |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for one in found:
        report, peer = one["report"], one["peer"]
        print(
            f"| {one['items']:,} | {report['seconds']} s | {report['processor_seconds']} s"
            f" | {peer['seconds']} s | {peer['processor_seconds']} s"
            f" | {one['contact_sheet_bytes'] / 1e6:.1f} MB |"
        )
    print()
    for name, took in longest.items():
        print(
            f"{name}: longest pass of the loop {took['milliseconds']} ms,"
            f" {took['processor_milliseconds']} ms of the processor"
        )


if __name__ == "__main__":
    main()
