"""The documentation site: built once for all workers, read as a browser reads it, served."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

# Elements without an end.
_VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
_NO_PROSE = {"code", "pre", "script", "style", "nav", "h1", "h2", "h3", "h4"}


def copy_sources(folder: Path) -> None:
    """Copies what scripts/docs reads into an empty folder, and itself."""
    for name in ("docs", "scripts/site-theme"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("zensical.toml", "scripts/docs", "scripts/site_search.py"):
        shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)


def built_once(base: Path) -> Path:
    """The folder of the built pages, which all workers of pytest-xdist share.

    Args:
        base: The folder for temporary files of this worker.
    """
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "site"
    with (shared / "building-site").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir()
            copy_sources(folder)
            done = subprocess.run(
                ["scripts/docs"], cwd=folder, capture_output=True, text=True, check=False
            )
            (folder / "output").write_text(done.stdout + done.stderr, encoding="utf-8")
    return (folder / "dist" / "site").resolve()


@dataclass
class BuiltPage(HTMLParser):
    """What one page of HTML names, loads and says."""

    text: str = ""
    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    """Where `a` elements lead."""
    resources: list[str] = field(default_factory=list)
    """What the browser fetches by itself: styles, scripts, pictures, icons."""
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Those of the last element of each name; of `meta`, under ``meta NAME``."""

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remembers what an element names and loads."""
        named = {key: value or "" for key, value in attrs}
        self.attributes[f"meta {named.get('name')}" if tag == "meta" else tag] = named
        if "id" in named:
            self.ids.add(named["id"])
        if tag == "a" and "href" in named:
            self.links.append(named["href"])
        elif found := named.get("src") or (tag == "link" and named.get("href")):
            relation = named.get("rel", "")
            (self.links if relation in ("prev", "next") else self.resources).append(found)
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Closes the element, and those inside that need no end."""
        while tag in self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Collects prose: what is no code, heading or list of links."""
        if not _NO_PROSE & set(self._open):
            self.text += data


def read(page: Path) -> BuiltPage:
    """The parsed page."""
    found = BuiltPage()
    found.feed(page.read_text(encoding="utf-8"))
    return found


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Says nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a server of these files on this machine, without a slash at its end."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
