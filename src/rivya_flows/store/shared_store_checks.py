"""Checks that all machines that execute runs can reach the store and the media."""

from __future__ import annotations

import re
import socket
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import psutil
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from rivya_flows.settings import Settings

UNKNOWN_MACHINE = "another machine"  # the machine of a worker whose name does not contain it
_NETWORK = re.compile(r"nfs\d?|cifs|smb\d?|9p|virtiofs|ceph|glusterfs|lustre|afs|gpfs|fuse\..+")
"""Network file systems. Source: names as in ``/proc/mounts``, proc(5)."""


def this_machine() -> str:
    """The name of this machine, with which the names of its workers end."""
    return socket.gethostname()


def machine_of(worker: str) -> str:
    """The machine of a worker named ``NAME@MACHINE``; else `UNKNOWN_MACHINE`."""
    return worker.rpartition("@")[2] if "@" in worker else UNKNOWN_MACHINE


def find_unshared_stores(
    settings: Settings,
    machines: Collection[str],
    *,
    here: str | None = None,
    mounts: Iterable[tuple[str, str]] | None = None,
) -> tuple[str, str] | None:
    """Which stores some process of a worker cannot reach, and what to do; None if it can."""
    elsewhere = sorted(set(machines) - {here or this_machine()})
    found = {
        "RIVYA_FLOWS_STORE": _of_store(settings.store_url, elsewhere),
        "RIVYA_FLOWS_ASSETS": _of_assets(settings.assets_url, elsewhere, mounts),
    }
    wrong = {setting: one for setting, one in found.items() if one}
    if not wrong:
        return None
    messages = [f"{setting}: {message}" for setting, (message, _) in wrong.items()]
    hints = [f"for {setting}: {hint}" for setting, (_, hint) in wrong.items()]
    return "; ".join(messages), "; ".join(hints)


def mask_password(url: str) -> str:
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:***@", url)


def _of_store(url: str, elsewhere: list[str]) -> tuple[str, str] | None:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return None  # opening it reports what is wrong
    if parsed.get_backend_name() != "sqlite":
        return None
    path = parsed.database or ""
    if path in ("", ":memory:"):
        message = "a store in memory ends with the process that writes it"
        return message, "write sqlite:////data/journal.sqlite, four slashes"
    if not path.startswith(("/", "file:")):
        message = f"{path!r} is relative, and every run of a worker has its own folder"
        return message, "write the absolute path, after sqlite:///"
    if elsewhere:
        return _only_here(url, elsewhere), "use PostgreSQL: postgresql://USER:PASSWORD@HOST/NAME"
    return None


def _of_assets(
    url: str, elsewhere: list[str], mounts: Iterable[tuple[str, str]] | None
) -> tuple[str, str] | None:
    scheme, _, rest = url.partition("://")
    if not rest:
        scheme, rest = "file", url.removeprefix("file:")
    if scheme == "memory":
        return "media in memory end with the process that writes them", "write file:///data/assets"
    if scheme not in ("file", "local"):
        return None
    path = unquote(urlsplit(url).path) if url.startswith("file://") else rest
    if not path.startswith("/"):
        message = f"{path!r} is relative, and every run of a worker has its own folder"
        return message, "write file:// and the absolute path"
    if mounts is None:
        mounts = ((one.mountpoint, one.fstype) for one in psutil.disk_partitions(all=True))
    above = [one for one in mounts if PurePosixPath(path).is_relative_to(one[0])]
    kind = max(above, key=lambda one: len(one[0]))[1] if above else ""
    if not elsewhere or _NETWORK.fullmatch(kind):
        return None
    hint = "use a store that all can reach, such as s3://BUCKET/assets"
    return _only_here(url, elsewhere), hint


def _only_here(url: str, elsewhere: list[str]) -> str:
    named = ", ".join(elsewhere[:3]) + (" and others" if len(elsewhere) > 3 else "")
    return f"{mask_password(url)} is on this machine only, and runs are executed on {named}"
