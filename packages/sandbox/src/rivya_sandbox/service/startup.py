"""Takes what a server needs before its first request: the folder's lock, the state, a port, a key."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from rivya_sandbox.service import accounts, answers, chat, faults, files, generations, wallet
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.errors import SandboxError
from rivya_sandbox.service.identifiers import secret_name
from rivya_sandbox.service.options import Options

SECRET_FILE = "secret.key"
LOCK = "lock"
RECORD = "serving.json"
"""The last address of the folder, so that the URLs in stored answers work after a restart."""

BACKLOG = 2048
"""Connections that may wait while the server starts; uvicorn's value."""


@dataclass(frozen=True)
class Sandbox:
    """How to reach a running sandbox.

    Attributes:
        base_url: Without a trailing slash.
        api_key: A new key of the default account; earlier keys stay valid.
        data: Its folder, absolute.
    """

    base_url: str
    api_key: str = field(repr=False)
    data: Path


@dataclass(frozen=True)
class ServerResources:
    """The resources of one server process.

    Attributes:
        secret: Key of its signatures.
    """

    sandbox: Sandbox
    database: Database
    listener: socket.socket
    secret: str


@contextmanager
def acquire(options: Options) -> Iterator[ServerResources]:
    """Take a data folder and a port, and release both at the end.

    Raises:
        SandboxError: Another process serves the folder, the port is taken, or the folder, the
            faults or the answers cannot be used.
    """
    data = options.data.expanduser().absolute()
    with ExitStack() as stack:
        database = stack.enter_context(closing(Database(data)))
        lock = stack.enter_context(_lock(data))
        listener = stack.enter_context(closing(_listener(options, data)))
        if options.faults is not None:
            given = faults.parse(options.faults, source="faults")
            faults.replace(database, given, continued=True)
        if options.answers is not None:
            rehearsed = answers.parse(options.answers, source="answers")
            answers.replace(database, rehearsed, continued=True)
        for folder in (files.FOLDER, generations.FOLDER):
            (data / folder).mkdir(exist_ok=True)
            for part in (data / folder).glob("*.part"):  # of a process that died while writing
                part.unlink(missing_ok=True)
        # Refunds turns of a process that died in the middle of an answer.
        chat.abandon(database, now=options.clock())
        with database.transaction() as transaction:
            secret = _secret(data / SECRET_FILE, transaction)
            api_key = _prepare(transaction, options)
        address = _base_url(listener)
        (data / RECORD).write_text(json.dumps({"base_url": address}))
        base_url = options.public_url or address
        sandbox = Sandbox(base_url.rstrip("/"), api_key, data)
        lock.write(f" {sandbox.base_url}\n")
        lock.flush()
        yield ServerResources(sandbox, database, listener, secret)


def _secret(path: Path, transaction: sqlite3.Connection) -> str:
    """The server's secret, from which all signatures derive; only the owner can read its file."""
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        pass
    # Earlier versions kept it there.
    row = transaction.execute("SELECT value FROM server WHERE name = 'secret'").fetchone()
    secret = secret_name() if row is None else str(row["value"])
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    part.touch(0o600, exist_ok=False)
    part.write_text(secret, encoding="ascii")
    part.replace(path)
    transaction.execute("DELETE FROM server WHERE name = 'secret'")
    return secret


def _prepare(transaction: sqlite3.Connection, options: Options) -> str:
    now = options.clock()
    account = accounts.account(transaction, accounts.DEFAULT_ACCOUNT, now=now)
    granted = str(options.credits)
    first = transaction.execute(
        "INSERT OR IGNORE INTO server VALUES ('granted', ?)", (granted,)
    ).rowcount
    if first and options.credits:
        wallet.grant(transaction, account, options.credits, now=now)
    _, api_key = accounts.create_key(transaction, account, now=now)
    return api_key


@contextmanager
def _lock(data: Path) -> Iterator[TextIO]:
    """Allows one server for a folder; the lock ends with the process, however it ends.

    The file has the process id and, once it listens, its address. While the file is locked, no
    other program answers at that address.
    """
    path = data / LOCK
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            holder = lock.read().strip().partition(" ")[0]
            by = f" (process {holder})" if holder else ""
            raise SandboxError(
                f"{data}: another sandbox serves this folder{by}",
                "stop it, or give another --data DIR",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock


def _listener(options: Options, data: Path) -> socket.socket:
    if options.port is None:
        with suppress(SandboxError):  # another program uses it now
            return _listening(options.host, _last_port(data))
    return _listening(options.host, options.port or 0)


def _last_port(data: Path) -> int:
    try:
        return urlsplit(json.loads((data / RECORD).read_text())["base_url"]).port or 0
    except (OSError, ValueError, TypeError, KeyError):
        return 0


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            # At once: otherwise another user could listen at the same address first.
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
    except (OSError, OverflowError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise SandboxError(
            f"cannot listen on {host} port {port}: {reason}",
            "give another --port, 0 for a free one, or another --host",
        ) from problem
    return listener


def _base_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if listener.family == socket.AF_INET6:
        host = "::1" if host == "::" else host
        return f"http://[{host}]:{port}"
    return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"
