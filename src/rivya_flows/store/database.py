"""SQLite or PostgreSQL connections; every database failure becomes one `StoreError`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, TypeVarTuple

from sqlalchemy import URL, Connection, Engine, Executable, Row, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.sql.selectable import TypedReturnsRows

from rivya_flows.errors import StoreError, StoreLostError, StoreUnreachableError, explain_os_error
from rivya_flows.extras import lacking, need
from rivya_flows.private import FILE, FOLDER
from rivya_flows.store.tables import ensure_tables

# ``?timeout=`` or ``?connect_timeout=`` in the URL overrides the first two.
LOCK_SECONDS = 20.0  # how long SQLite waits for another writer
CONNECT_SECONDS = 10  # PostgreSQL's connection timeout
PATIENCE_SECONDS = 600.0  # how long a run waits for a database server that is away

_PAUSE_SECONDS = 0.5
_WAL_PAUSE_SECONDS = 0.01
_AWAY = {
    "57P01",  # admin_shutdown
    "57P02",  # crash_shutdown
    "57P03",  # cannot_connect_now
    "53300",  # too_many_connections, for a moment, as when all runs renew their leases at once
}
"""SQLSTATEs of a PostgreSQL that serves again later, with those of class 08 (connection)."""

_REFUSED = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "permission denied",
    "does not exist",
)
"""Connections that fail until a person changes something. libpq tells no SQLSTATE of them."""

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_URL_HINT = "write sqlite:////data/journal.sqlite or postgresql://user:password@host/database"
_PLACE_HINT = "set RIVYA_FLOWS_DATA, or RIVYA_FLOWS_STORE, to a writable path"
_HINTS = (
    ("unable to open database file", _PLACE_HINT),
    ("locked", "another program holds the database; stop it"),
    ("full", "free disk space"),
    ("no space left", "free disk space"),
    ("readonly", "make the file and its folder writable"),
    ("read-only", "make the store writable"),
    ("damaged", "restore the file from a copy"),
    ("not a database", "correct RIVYA_FLOWS_STORE, which names a file that is not a journal"),
    ("password authentication failed", "check user and password in RIVYA_FLOWS_STORE"),
    ("no password supplied", "add user and password to RIVYA_FLOWS_STORE"),
    ("permission denied for", "let that database user create tables in its schema"),
    ("does not exist", "create that database and user, or correct RIVYA_FLOWS_STORE"),
    ("connection refused", "start the database, or correct RIVYA_FLOWS_STORE"),
    ("timeout expired", "make the database reachable from here"),
    ("failed to resolve host", "correct the host in RIVYA_FLOWS_STORE"),
    ("too many clients", "raise max_connections, or start fewer runs at once"),
    ("connection slots", "raise max_connections, or start fewer runs at once"),
)


def open_engine(url: str) -> Engine:
    """An engine on a database with the current schema."""
    try:
        engine = _engine(make_url(url))
        try:
            ensure_tables(engine)
        except BaseException as error:
            engine.dispose()
            if not isinstance(error, SQLAlchemyError | sqlite3.Error):
                raise
            reason, host = _reason(error, engine), engine.url.host
            place = "" if host is None or host in reason else f" ({host}:{engine.url.port or 5432})"
            raise _kind(error)(
                f"cannot open the store: {reason}{place}",
                f"{_hint(reason, 'check RIVYA_FLOWS_STORE')}, then try again",
            ) from error
    except ImportError as error:  # psycopg without libpq
        reason = str(error).partition("\n")[0]
        raise lacking("postgres", "RIVYA_FLOWS_STORE on PostgreSQL", reason) from error
    except (SQLAlchemyError, ValueError):
        # The message and its cause quote the URL, which may hold a password.
        raise StoreError(
            "cannot open the store: RIVYA_FLOWS_STORE is not an SQLAlchemy URL", _URL_HINT
        ) from None
    return engine


def make_patient(engine: Engine, seconds: float = PATIENCE_SECONDS) -> None:
    """Makes new connections wait while a PostgreSQL server is away, or has none to give.

    Only connecting is retried, when nothing has been sent. A statement in flight fails, since it may
    or may not have been written. All connections together wait `seconds` for one outage; who asks
    later than that, as to release a lease, tries once.
    """
    if engine.dialect.name != "postgresql":
        return
    away_since: float | None = None

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        nonlocal away_since
        while True:
            try:
                made = dialect.connect(*arguments, **options)
            except dialect.dbapi.OperationalError as error:
                if not _is_away(error):
                    raise
                away_since = away_since or time.monotonic()
                if time.monotonic() > away_since + seconds:
                    raise
            else:
                away_since = None
                return made
            time.sleep(_PAUSE_SECONDS)


@contextmanager
def _usable(engine: Engine) -> Iterator[None]:
    """Makes a `StoreError` of each error of a database, but of an `IntegrityError`."""
    try:
        yield
    except IntegrityError:
        raise
    except (SQLAlchemyError, sqlite3.Error) as error:
        reason, kind = _reason(error, engine), _kind(error)
        away = kind is StoreUnreachableError
        otherwise = "start the database" if away else "free disk space or repair the store"
        raise kind(
            f"the journal cannot be used: {reason}",
            f"{_hint(reason, otherwise)}, then resume the run; nothing is bought twice",
        ) from error


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A read connection, which never waits for a writer."""
    with _usable(engine), engine.connect().execution_options(reads=True) as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction, durable at its end; an `IntegrityError` means that nothing was written."""
    with _usable(engine), engine.begin() as connection:
        yield connection


def rows(
    engine: Engine, query: TypedReturnsRows[*Ts], values: Mapping[str, Any] | None = None
) -> Sequence[Row[*Ts]]:
    with reading(engine) as connection:
        return connection.execute(query, values).all()


def write(engine: Engine, *statements: Executable) -> int:
    """Executes statements in one transaction, as `writing`; gives how many rows the last one changed."""
    with writing(engine) as connection:
        return [connection.execute(one).rowcount for one in statements][-1]


def lost_connection(error: BaseException) -> bool:
    """Whether the connection broke, so that a commit may have been made without an answer."""
    cause = error.__cause__
    return isinstance(cause, DBAPIError) and cause.connection_invalidated


def was_awaited(error: BaseException) -> bool:
    """Whether an error came after a long wait for the database, which the next write would repeat."""
    locked = isinstance(error, StoreError) and "locked" in str(error)
    return locked or isinstance(error, StoreUnreachableError)  # also a connection that broke


async def in_thread(call: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """The result of a call of the store, made in a thread; as `to_its_end`."""
    made = partial(call, *args, **options)
    return await to_its_end(asyncio.get_running_loop().run_in_executor(None, made))


async def to_its_end(future: asyncio.Future[T]) -> T:
    """The result of what cannot be stopped halfway; after a `CancelledError` `future` is done nevertheless."""
    cancelled = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return future.result()
    if not future.cancelled():
        future.exception()  # or asyncio reports that it was never retrieved
    raise cancelled


def _engine(url: URL) -> Engine:
    backend = url.get_backend_name()
    if backend == "sqlite":
        waits = {} if "timeout" in url.query else {"timeout": LOCK_SECONDS}
        engine = create_engine(url, connect_args=waits, max_overflow=-1)
        if (path := _file_of(engine)) is not None:
            folder = f"cannot open the store: cannot create {path.parent}"
            with explain_os_error(folder, _PLACE_HINT, StoreError):
                path.parent.mkdir(mode=FOLDER, parents=True, exist_ok=True)
            # Readable by its owner alone; SQLite gives the files beside it the same mode.
            with contextlib.suppress(OSError):  # it exists, or SQLite reports why it cannot
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE))
            _watch_file(engine, path)
        _make_durable(engine)
        return engine
    if backend not in ("postgresql", "postgres"):
        raise StoreError(
            f"cannot open the store: {backend!r} is not a supported database", _URL_HINT
        )
    need("postgres", "RIVYA_FLOWS_STORE on PostgreSQL")
    # Prefect's URL names an async driver, and hosting services write `postgres`.
    url = url.set(drivername="postgresql+psycopg")
    # A host that drops packets would block a run for minutes.
    waits = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_SECONDS}
    # The server may restart between two entries of a run that waits for hours. No thread waits for
    # the connection of another: a lease is renewed whatever else the store is asked.
    return create_engine(url, connect_args=waits, pool_pre_ping=True, max_overflow=-1)


def _file_of(engine: Engine) -> Path | None:
    """The file of a database on SQLite; None for one without."""
    name = engine.url.database if engine.dialect.name == "sqlite" else None
    return None if not name or name.startswith((":memory:", "file:")) else Path(name)


def _watch_file(engine: Engine, path: Path) -> None:
    """Looks for the file before each new connection and before each transaction that writes.

    SQLite keeps writing to a file that was deleted or replaced, and what it writes is lost with the
    process. A new connection would make an empty file. What an open one still reads is saved beside
    it, once, at the end of the process at the latest.
    """
    saved = path.with_name(f"{path.stem}.saved-{os.getpid()}{path.suffix}")

    def identity() -> tuple[int, int] | None:
        with contextlib.suppress(OSError):
            about = path.stat()
            return about.st_dev, about.st_ino
        return None

    opened = identity()

    def is_lost() -> bool:
        return opened is not None and identity() != opened

    def save(connection: Any) -> None:
        try:
            os.close(os.open(saved, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE))
        except OSError:  # it is there, or the disk is full
            return
        try:
            with closing(sqlite3.connect(saved)) as copy:
                connection.backup(copy)
        except sqlite3.Error:
            saved.unlink(missing_ok=True)

    def explain() -> StoreLostError:
        return StoreLostError(
            f"{path} was deleted or replaced while this process used it; it buys and collects"
            " nothing more",
            f"rename {saved.name}, which has all of it until now, to {path.name} (restore a copy if"
            f" there is no {saved.name}) while no command uses it, then resume the run; nothing is"
            " bought twice",
        )

    @event.listens_for(engine, "do_connect")
    def connect(*_: Any) -> None:
        if is_lost():
            raise explain()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if is_lost() and not connection.get_execution_options().get("reads", False):
            save(connection.connection.driver_connection)
            raise explain()

    @event.listens_for(engine, "close")
    def close(connection: Any, _: Any) -> None:
        if is_lost():
            save(connection)


def _damage(path: Path) -> str | None:
    """What is wrong inside a database on SQLite; None if nothing is found."""
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        ) as connection:
            connection.text_factory = bytes
            first: bytes = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        return str(error)
    report = first.decode(errors="replace").replace("\n", " ")
    return None if report == "ok" else report


def _make_durable(engine: Engine) -> None:
    """WAL, fsync on every commit, and the write lock from a writer's first statement on."""

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # The driver's own transactions would take the lock at the first write.
        connection.isolation_level = None
        cursor = connection.cursor()
        give_up = time.monotonic() + LOCK_SECONDS
        while True:  # SQLite does not wait while another process changes the mode
            try:
                cursor.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > give_up:
                    raise
                time.sleep(_WAL_PAUSE_SECONDS)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _reason(error: Exception, engine: Engine) -> str:
    """What went wrong. A damaged file may show by whatever it makes a statement say."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    reason = lines[0] if lines else type(error).__name__
    path = _file_of(engine)
    if path is not None and any(sign in reason for sign in ("malformed", "no such")):
        reason = f"{path} is damaged: {_damage(path) or reason}"
    return reason


def _is_away(error: BaseException) -> bool:
    """Whether PostgreSQL serves no one at this moment: an outage, and no mistake of a person."""
    state = getattr(error, "sqlstate", None)
    if state is not None:
        return state.startswith("08") or state in _AWAY
    # A connection that could not be made, or broke.
    return not any(phrase in str(error).lower() for phrase in _REFUSED)


def _kind(error: Exception) -> type[StoreError]:
    if not isinstance(error, DBAPIError) or isinstance(error.orig, sqlite3.Error):
        return StoreError
    failed = error.orig if isinstance(error, OperationalError) else None
    away = error.connection_invalidated or (failed is not None and _is_away(failed))
    return StoreUnreachableError if away else StoreError


def _hint(reason: str, otherwise: str) -> str:
    text = reason.lower()
    return next((hint for phrase, hint in _HINTS if phrase in text), otherwise)
