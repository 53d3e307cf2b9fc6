"""Stores to test on: SQLite always, PostgreSQL where its programs and its driver are installed."""

from __future__ import annotations

import atexit
import functools
import importlib
import itertools
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from support.postgresql import NoServerError, make_server

BACKENDS = ("sqlite", "postgresql")
_numbers = itertools.count(1)
_SECONDS = 240  # a busy machine needs many


def fresh_store(backend: str, folder: Path) -> str:
    """The URL of an empty store; skips the test where there is no such database here."""
    if backend == "sqlite":
        return f"sqlite:///{folder / 'journal.sqlite'}"
    url = postgres_server()
    schema = f"store_{next(_numbers)}"
    with _driver().connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{url}&options=-csearch_path%3D{schema}"


def break_commit(engine: Engine, after: int = 0, *, committed: bool) -> None:
    """Ends the connection of PostgreSQL at its next commit `after` so many, done or not."""
    breaks = iter([*[False] * after, True])

    @event.listens_for(engine, "commit")
    def break_off(connection: Connection) -> None:
        if next(breaks, False):
            driver: Any = connection.connection.dbapi_connection
            if committed:
                driver.commit()
            driver.pgconn.finish()


def postgres_server(purpose: str = "stores") -> str:
    """The URL of this process's server for this purpose, as its owner; skips the test where there is none.

    Users belong to a whole server: a test that makes some names a purpose of its own.
    """
    try:
        return _server(purpose)
    except NoServerError as reason:
        pytest.skip(f"PostgreSQL: {reason}")


@functools.cache
def _server(purpose: str) -> str:
    """The URL of a server of our own, which ends with this process."""
    driver = _driver()
    folder = Path(tempfile.mkdtemp(prefix=f"rivya-flows-{purpose}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    server = make_server(folder, "data")
    serve = [*server.command, "-h", "", "-F"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(serve, user=server.user, cwd=folder, stdout=log, stderr=log)
    atexit.register(_stop, process)
    url = f"postgresql://postgres@/postgres?host={folder}"
    give_up = time.monotonic() + _SECONDS
    while time.monotonic() < give_up:
        try:
            driver.connect(url).close()
        except driver.OperationalError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
        else:
            return url
    words = (folder / "log").read_text(errors="replace").strip()
    raise NoServerError(f"the server did not start: {words[-300:]}")


def _driver() -> Any:
    """An extra of its own, so that nothing else in the tests needs it."""
    try:
        return importlib.import_module("psycopg")
    except ImportError:
        raise NoServerError("its driver psycopg is not installed") from None


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
