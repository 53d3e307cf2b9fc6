"""The file of a journal on SQLite: whether it is still there, and whether it is whole."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from rivya_flows.errors import StoreLostError
from rivya_flows.private import FILE


class SqliteFile:
    """A file that a process has opened and must find again under its name.

    SQLite goes on with a file that was deleted or replaced, and what it writes is lost with the process.

    Args:
        path: Of the file, which exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = self._found()

    def watch(self, engine: Engine) -> None:
        """Looks before each transaction that writes, and before each new connection.

        A connection would make an empty file where there is none. What an open one still reads is
        saved beside the file, at the end of the process at the latest.
        """

        @event.listens_for(engine, "do_connect")
        def connect(*_: Any) -> None:
            if self._is_lost():
                raise self._lost()

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            if self._is_lost() and not connection.get_execution_options().get("reads", False):
                self._save(connection.connection.driver_connection)
                raise self._lost()

        @event.listens_for(engine, "close")
        def close(connection: Any, _: Any) -> None:
            if self._is_lost():
                self._save(connection)

    def _found(self) -> tuple[int, int] | None:
        with contextlib.suppress(OSError):
            found = self._path.stat()
            return found.st_dev, found.st_ino
        return None

    def _is_lost(self) -> bool:
        return self._opened is not None and self._found() != self._opened

    @property
    def _saved(self) -> Path:
        return self._path.with_name(f"{self._path.stem}.saved-{os.getpid()}{self._path.suffix}")

    def _save(self, connection: Any) -> None:
        """Copies what a connection reads, once."""
        try:
            os.close(os.open(self._saved, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE))
        except OSError:  # it is there, or the disk is full
            return
        try:
            with closing(sqlite3.connect(self._saved)) as copy:
                connection.backup(copy)
        except sqlite3.Error:
            self._saved.unlink(missing_ok=True)

    def _lost(self) -> StoreLostError:
        saved = self._saved.name
        return StoreLostError(
            f"{self._path} was deleted or replaced while this process used it; it buys and collects"
            " nothing more",
            f"rename {saved}, which has all of it until now, to {self._path.name} (restore a copy if"
            f" there is no {saved}) while no command uses it, then resume the run; nothing is bought"
            " twice",
        )


def damage(path: Path) -> str | None:
    """What is wrong inside a database; None if nothing is found."""
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        ) as connection:
            connection.text_factory = bytes
            first: bytes = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        return str(error)
    words = first.decode(errors="replace").replace("\n", " ")
    return None if words == "ok" else words
