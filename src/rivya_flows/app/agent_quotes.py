"""The quotes of agents, which are files of the data folder."""

from __future__ import annotations

import re
import secrets
import time
from pathlib import Path

from rivya_flows.app.agent_processes import private_part
from rivya_flows.app.agent_root import path_inside
from rivya_flows.app.prepare import Prepared, RunRequest
from rivya_flows.app.quotes import VALID, QuoteFile, read_quote, write_quote
from rivya_flows.app.run_context import RunContext
from rivya_flows.errors import UsageError
from rivya_flows.ledger.quotes import QUOTE_ID, Quote

MAX_QUOTES = 500
"""Quotes that hold at the same time."""


def save_quote(data: Path, context: RunContext, request: RunRequest, ready: Prepared) -> Quote:
    """Writes the quote under its id, and deletes those that hold no longer."""
    folder, old, left = private_part(data, "quotes"), time.time() - VALID.total_seconds(), 0
    for path in folder.iterdir():
        if path.stat().st_mtime < old:
            path.unlink(missing_ok=True)
        else:
            left += 1
    if left >= MAX_QUOTES:
        words = f"there are {left} quotes of the last 24 hours, which is the most"
        raise UsageError(words, f"run one of them, or delete those in {folder}")
    # In the same folder, since the place of its spec is written from there.
    written = folder / f"new-{secrets.token_hex(8)}.json"
    quote = write_quote(context, request, ready, written)
    written.rename(folder / f"{quote.id}.json")
    return quote


def read_saved(data: Path, root: Path, name: str) -> QuoteFile:
    """The quote of an id."""
    path = private_part(data, "quotes") / f"{name}.json"
    known = re.fullmatch(QUOTE_ID, name) and path.is_file()  # no other name becomes a path
    if not known or (file := read_quote(path)).quote.id != name:
        raise UsageError(f"there is no quote {name!r:.60}", "make one with `plan`")
    if file.spec is not None:
        for one in (file.spec.name, *file.quote.includes, *file.quote.files):
            path_inside(root, str(file.spec.parent / one))
    return file
