"""Names and values that test expressions use."""

from __future__ import annotations

from typing import Any

ASSET = {"kind": "image", "url": "http://x/a.png", "sha256": "ab", "width": 9}
SCOPE: dict[str, Any] = {
    "inputs": {
        "product": "Aurora desk lamp",
        "styles": ["studio", "neon"],
        "count": 3,
        "share": 0.5,
        "big": 1e20,
        "live": True,
        "reference": None,
        "holder": {"items": [1, 2], "keys": "data", "__class__": "data too"},
    },
    "steps": {
        "stills": {
            "items": [{"key": "studio", "asset": ASSET}, {"key": "neon", "asset": None}],
            "by": {"studio": {"asset": ASSET}, "9": {"asset": None}},
        },
        "skipped": {"asset": None, "json": None, "text": None},
        "script": {"json": {"visual": "a lamp", "n": 2}, "text": "hi"},
    },
    "matrix": {"style": "neon", "n": 9},
}
