"""The service that a run buys from: the real one, or the sandbox of this data folder, started when needed."""

from __future__ import annotations

import asyncio
import fcntl
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from rivya_flows.engine import run_context
from rivya_flows.engine.publishing import receiver_url
from rivya_flows.environment import machine_environment, variables
from rivya_flows.errors import UsageError, explain_os_error
from rivya_flows.extras import need
from rivya_flows.language.secret_names import KEY_BLOCK
from rivya_flows.money.live_guard import is_rehearsal
from rivya_flows.private import private_folder
from rivya_flows.processes import registry
from rivya_flows.processes.ports import answers, is_free
from rivya_flows.processes.supervisor import last_lines, start, try_lock, with_users
from rivya_flows.receipt.phrases import is_sandbox
from rivya_flows.settings import Settings

BlockReader = Callable[[str], Awaitable[SecretStr | None]]
"""Gives what a secret block holds; None if there is no block of that name."""


@asynccontextmanager
async def connect(
    settings: Settings,
    *,
    sandbox: bool = False,
    wallet: run_context.WalletCredentials | None = None,
    notify: Callable[[str], Any] = lambda _: None,
) -> AsyncIterator[run_context.RunContext]:
    """The open things of this machine, with the local sandbox started where it is used.

    Its settings name the receiver of `up` where that runs, whose addresses pages and messages have.
    """
    async with chosen_service(settings, sandbox=sandbox, wallet=wallet, tell=notify) as service:
        url = receiver_url(settings, settings.prefect_api_url)
        public = settings.model_copy(update={"rivya_flows_public_url": url})
        with run_context.open_context(public, service) as context:
            yield context


async def with_key(settings: Settings, read_block: BlockReader) -> Settings:
    """The settings, with the key of the secret block where they have none."""
    if settings.rivya_api_key is not None or settings.rivya_flows_sandbox:
        return settings
    found = await read_block(KEY_BLOCK)
    return settings if found is None else settings.model_copy(update={"rivya_api_key": found})


async def for_worker(settings: Settings, read_block: BlockReader) -> Settings:
    """As `with_key`, for a run that no person watches: it never takes the sandbox by itself."""
    found = await with_key(settings, read_block)
    if found.rivya_api_key is None and not found.rivya_flows_sandbox:
        raise UsageError(
            "this worker has no key of the service: RIVYA_API_KEY is not set, and Prefect has no"
            f" Secret block {KEY_BLOCK}; nothing was bought",
            "set one of them, then Retry; RIVYA_FLOWS_SANDBOX=true in the worker's environment"
            " takes the local sandbox, with pretend credits",
        )
    return found


# Files of the folder of a sandbox; it holds the lock while it serves.
_LOCK, _RECORD, _IDENTITY = "lock", "serving.json", "identity"

LOCAL_WEBHOOKS = ("--allow-local-webhooks",)
"""Lets a sandbox send webhooks to a receiver on this machine."""

# This sandbox is fifty times as fast as the service.
_TIME_SCALE, _POLL_SECONDS, _REQUESTS_PER_SECOND = "0.02", 0.2, 250.0
_PACE = {
    "rivya_poll_seconds": "poll_seconds",
    "rivya_flows_requests_per_second": "requests_per_second",
}
"""Settings of the pace of a run: fields of its service."""


@asynccontextmanager
async def chosen_service(
    settings: Settings,
    *,
    sandbox: bool = False,
    wallet: run_context.WalletCredentials | None = None,
    tell: Callable[[str], Any] = lambda _: None,
) -> AsyncIterator[run_context.ServiceConnection]:
    """The service to buy from: that of the wallet; the sandbox if it is wanted or there is no key; else the real one."""
    sandbox = sandbox or settings.rivya_flows_sandbox
    if wallet is not None or (settings.rivya_api_key is not None and not sandbox):
        if wallet is not None and sandbox and not is_rehearsal(wallet.base_url, settings):
            raise UsageError(
                f"the wallet {wallet.name} is one of {wallet.base_url}, and this process rehearses"
                " (RIVYA_FLOWS_SANDBOX); nothing was bought",
                "unset RIVYA_FLOWS_SANDBOX, give the worker a key of its own, or choose a wallet of"
                " a sandbox",
            )
        service = run_context.real_service(settings, wallet)
        bought_with = "" if service.wallet is None else f" with the wallet {service.wallet}"
        tell(f"using {service.base_url}{bought_with}")
        yield service
        return
    need("sandbox", "the local sandbox", otherwise="set RIVYA_API_KEY")
    with ExitStack() as stack:
        share = join_sandbox(settings.data / "sandbox")
        started = await asyncio.to_thread(stack.enter_context, share)
        reason = "" if sandbox else "no RIVYA_API_KEY: "
        tell(f"{reason}using the local sandbox at {started.base_url} (pretend credits)")
        asked = settings.model_dump(include={*_PACE}, exclude_unset=True)
        yield replace(started, **{_PACE[name]: value for name, value in asked.items()})


@contextmanager
def join_sandbox(folder: Path) -> Iterator[run_context.ServiceConnection]:
    """The sandbox of a folder, started if none serves it; it ends after its last user. Blocks until it answers."""
    with ExitStack() as stack:
        with starting_sandbox(folder):
            # Waits here for a sandbox that is shutting down.
            users = stack.enter_context((folder / "users.lock").open("a"))
            fcntl.flock(users, fcntl.LOCK_SH)
            base_url, key = _join_running(folder) or _start_sandbox(folder)
            if not (folder / _IDENTITY).exists():
                (folder / _IDENTITY).write_text(uuid.uuid4().hex[:12])
            identity = _identity(folder)
        yield run_context.ServiceConnection(
            base_url, SecretStr(key), identity, _POLL_SECONDS, _REQUESTS_PER_SECOND
        )


@contextmanager
def starting_sandbox(folder: Path) -> Iterator[None]:
    """Lets one process at a time start the sandbox of a folder; others wait, and then find it."""
    hint = "set RIVYA_FLOWS_DATA to a folder that can be written"
    with explain_os_error(f"sandbox: {folder} cannot be used", hint):
        private_folder(folder.parent)
        private_folder(folder)
        with (folder / "start.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _join_running(folder: Path) -> tuple[str, str] | None:
    """URL and a new key of the sandbox that serves a folder now; None without one."""
    base_url = serving(folder)
    if base_url is None:
        return None
    from rivya_sandbox.service.admin import create_key

    return base_url, create_key(folder)["api_key"]


def _start_sandbox(folder: Path) -> tuple[str, str]:
    """URL and key of a sandbox that was started and is ready."""
    # It replaces one of `up` that died: the receiver waits for its webhooks.
    receiver = registry.read(folder.parent).part("receiver")
    local = LOCAL_WEBHOOKS if receiver is not None and receiver.registered else ()
    command = ("rivya_sandbox", *sandbox_arguments(folder), *local)
    log = folder / "sandbox.log"
    command = with_users(folder / "users.lock", *command)
    environment = machine_environment(variables())
    if line := start("sandbox", command, environment, log, output="pipe").first_line():
        ready = json.loads(line)
        return ready["base_url"], ready["api_key"]
    error, _, hint = (last_lines(log, 1) or "it said nothing").partition(" (hint: ")
    raise UsageError(
        f"sandbox: it did not start: {error.removeprefix('error: ')[-600:]}",
        hint.removesuffix(")") or f"read {log}",
    )


def _identity(folder: Path) -> str:
    return f"sandbox:{(folder / _IDENTITY).read_text().strip()}"


def is_lost(service: str, folder: Path) -> bool:
    """Whether a service is another sandbox than that of a folder, such as one that was deleted there."""
    with suppress(OSError):
        return is_sandbox(service) and service != _identity(folder)
    return is_sandbox(service)


def sandbox_arguments(folder: Path) -> tuple[str, ...]:
    """The arguments of the sandbox of a data folder, without a port: it takes its last one."""
    return ("serve", "--json", "--data", str(folder), "--time-scale", _TIME_SCALE)


def serving(folder: Path) -> str | None:
    """The URL of the sandbox that serves a folder now; None without one.

    It must keep its file locked: another user's program may answer at an earlier URL.
    """
    try:
        with (folder / _LOCK).open() as lock:
            base_url = _url_in(lock)
            # Lock it only if something answers: a sandbox that starts wants the lock.
            if not base_url or not answers(f"{base_url}/api/v1/models"):
                return None
            if try_lock(lock, fcntl.LOCK_SH):
                return None
            return base_url if _url_in(lock) == base_url else None
    except OSError:
        return None


def _url_in(lock: IO[str]) -> str:
    """The URL in the lock file of a sandbox; "" until it is complete."""
    lock.seek(0)
    text = lock.read()
    return text.strip().partition(" ")[2] if text.endswith("\n") else ""


def forget_results(folder: Path, before: datetime, *, pretend: bool = False) -> int:
    """Deletes the results that a sandbox made before, but no uploads; gives their bytes. Runs keep copies."""
    freed = 0
    for path in (folder / "results").glob("*"):
        with suppress(OSError):
            about = path.stat()
            if about.st_mtime <= before.timestamp():
                if not pretend:
                    path.unlink()
                freed += about.st_size
    return freed


def last_port(folder: Path) -> int:
    """The last port of the sandbox of a folder if it is free, else 0."""
    port = None
    with suppress(OSError, ValueError, KeyError, TypeError):
        port = urlsplit(json.loads((folder / _RECORD).read_text())["base_url"]).port
    return port if port and is_free(port) else 0
