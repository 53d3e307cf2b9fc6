"""Keys that earlier specs have: what to write instead, and how `check --fix` rewrites them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class OldKey(NamedTuple):
    """What stands for an old key now.

    Attributes:
        hint: What to write instead, in the error.
        key: The key that the fix writes; "": a person must decide.
        values: The values that the fix writes, by old value, of which others are not rewritten;
            empty: the value stays.
    """

    hint: str
    key: str = ""
    values: Mapping[str, str] = {}


OLD_KEYS: Mapping[tuple[str, str], OldKey] = {
    ("ComposeWith", "video"): OldKey("write `clips:`", "clips"),
    ("ComposeWith", "images"): OldKey("write `clips:`", "clips"),
    ("ComposeWith", "fit"): OldKey("remove it; `length` says how long the film is"),
    ("PickWith", "on_none"): OldKey(
        "write `none: {rounds: 1}`, or remove it", "none", {"regenerate": "{rounds: 1}"}
    ),
}
"""By the class of the map that had them, and the key."""
