"""Measures what one journal entry costs the queue: ``python -m benchmarks.queue [--json]``.

Parses and replays the journals of completed runs of 100, 1,000 and 10,000 pictures. The peer is
`json.loads` of the same lines, in the same run. Times are processor time.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

from benchmarks.ending import events, frozen

from rivya_flows.queue.events import dump, parse
from rivya_flows.queue.queue import replay

ITEMS = (100, 1_000, 10_000)


def row(items: int) -> dict[str, Any]:
    """Seconds of a whole journal, and microseconds an entry."""
    start = frozen(items)
    keys: Any = start.inputs["numbers"]
    media = [_asset(number) for number in range(items)]
    lines = [dump(event) for event in (start, *events(keys, media))]
    loaded = _seconds(lambda: [json.loads(line) for line in lines])
    parsed = _seconds(lambda: [parse(line) for line in lines])
    entries = [parse(line) for line in lines]
    replayed = _seconds(lambda: replay(entries))
    each = 1e6 / len(lines)
    return {
        "items": items,
        "entries": len(lines),
        "seconds": parsed + replayed,
        "parse_us": parsed * each,
        "replay_us": replayed * each,
        "json_loads_us": loaded * each,
    }


def _asset(number: int) -> dict[str, Any]:
    digest = f"{number:064x}"
    address = f"https://media.example/{digest}.png"
    return {"kind": "image", "mime_type": "image/png", "sha256": digest, "url": address}


def _seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def main() -> None:
    """Print the table, or the rows as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [row(items) for items in ITEMS]
    if options.json:
        print(json.dumps({"rows": rows}, indent=2))
        return
    print("| items | entries | all | parse an entry | replay an entry | `json.loads` an entry |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for one in rows:
        print(
            f"| {one['items']:,} | {one['entries']:,} | {one['seconds']:.2f} s | {one['parse_us']:.0f} µs"
            f" | {one['replay_us']:.0f} µs | {one['json_loads_us']:.0f} µs |"
        )


if __name__ == "__main__":
    main()
