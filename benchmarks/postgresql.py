"""A PostgreSQL server for benchmarks, with its settings as they come: commits are durable."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg


@dataclass(frozen=True)
class Server:
    """A running server: its URL, for libpq and for the store, and its main process."""

    url: str
    pid: int


@contextmanager
def running() -> Iterator[Server | None]:
    """A server of our own; None where its programs are missing."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        print("PostgreSQL is left out: it is not in /usr/lib/postgresql", file=sys.stderr)
        yield None
        return
    # The server refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="rivya-flows-bench-"))
    if user:
        shutil.chown(folder, user)
    data, binaries = folder / "data", programs[-1]
    make = f"{binaries}/initdb -D {data} -U postgres -A trust -E UTF8".split()
    subprocess.run(make, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    serve = [f"{binaries}/postgres", "-D", str(data), "-k", str(folder), "-h", ""]
    server = subprocess.Popen(serve, user=user, cwd=folder, stderr=subprocess.DEVNULL)
    try:
        url = f"postgresql://postgres@/postgres?host={folder}"
        _await(url, server)
        yield Server(url, server.pid)
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _await(url: str, server: subprocess.Popen[bytes]) -> None:
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            if server.poll() is not None:
                raise
            time.sleep(0.1)
        else:
            return
