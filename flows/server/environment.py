"""The environment of Prefect servers of our own and of their clients, and whether such a server answers.

By variables: neither Prefect's threads nor child processes inherit the context variable of `temporary_settings`.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from rivya_flows.environment import machine_environment, set_variables
from rivya_flows.flows.prefect_internals import LEASES_ON_DISK, drop_pending


def server_environment(
    home: Path,
    port: int,
    environ: Mapping[str, str],
    *,
    database_url: str | None = None,
    redis_url: str | None = None,
    keep_flow_runs_days: float | None = None,
    store: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The environment of the server: quiet, batched (decision 0003), offline, and without keys.

    It inherits only what describes the machine: any other variable may hold a key.

    Args:
        database_url: SQLAlchemy URL with an asynchronous driver; None is a file in its home.
        redis_url: For its messages; None keeps 10,000 of them in memory, and then drops some.
        store: The variables of the store whose runs its board has.
        keep_flow_runs_days: After which ended flow runs are deleted with all they have; None: never.
    """
    made = machine_environment(environ) | {
        "DO_NOT_TRACK": "1",
        "PREFECT_HOME": str(home),
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),
        # Links in messages of automations.
        "PREFECT_UI_URL": f"http://127.0.0.1:{port}/v2",
        # In memory, a slot that is held when the server dies would be taken for ever.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": LEASES_ON_DISK,
        # `Guard` refuses other origins; this makes the answers say so too.
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port}",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_url
        or f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    }
    made |= (own := dict(store or {}))
    if "RIVYA_FLOWS_ASSETS" in own:  # the keys of an object store
        made |= {name: value for name, value in environ.items() if name.startswith("AWS_")}
    if database_url is None and own.get("RIVYA_FLOWS_STORE", "").startswith("postgresql"):
        database_url = own["RIVYA_FLOWS_STORE"]
    if database_url is not None:  # libpq's own variables, such as PGPASSFILE
        made |= {name: value for name, value in environ.items() if name.startswith("PG")}
    if keep_flow_runs_days is not None:  # it deletes events after a week anyway
        seconds = f"{keep_flow_runs_days * 86_400:.0f}"
        made["PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED"] = "events,flow_runs"
        made["PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD"] = seconds
    if redis_url is not None:
        made |= {
            "PREFECT_SERVER_EVENTS_MESSAGING_BROKER": "prefect_redis.messaging",
            "PREFECT_SERVER_EVENTS_MESSAGING_CACHE": "prefect_redis.messaging",
            "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
            "PREFECT_SERVER_DOCKET_URL": redis_url,
            "PREFECT_REDIS_MESSAGING_URL": redis_url,
            # Events that arrive while a batch is being sent are lost (measured: 2 of 3,000).
            "PREFECT_REDIS_MESSAGING_PUBLISHER_BATCH_SIZE": "1",
        }
    return made


def client_environment(
    api_url: str, home: Path, environ: Mapping[str, str], *, auth: str
) -> dict[str, str]:
    """The variables that this process and its children need to speak to the server."""
    direct = environ.get("NO_PROXY", environ.get("no_proxy", "")).split(",")
    no_proxy = ",".join(dict.fromkeys([*filter(None, direct), "127.0.0.1", "localhost"]))
    return {
        "PREFECT_API_URL": api_url,
        # The UI that `up` opens, not the older one beside it.
        "PREFECT_UI_URL": f"{api_url.removesuffix('/api')}/v2",
        "PREFECT_HOME": str(home),
        "PREFECT_API_KEY": "",  # of another server
        "PREFECT_API_AUTH_STRING": auth,
        # Each client would ask for a token first, which this server does not give.
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


HEALTH_SECONDS = 60.0  # a server of a busy machine may take so long


@contextmanager
def pointed_at(wanted: Mapping[str, str | None]) -> Iterator[None]:
    """Set variables in the block, or remove them (None), also for a Prefect that is imported already."""
    replaced = set_variables(wanted)
    try:
        reread_settings()
        yield
    finally:
        set_variables(replaced)
        reread_settings()


def reread_settings() -> None:
    if "prefect" in sys.modules:
        import prefect.context

        prefect.context.refresh_global_settings_context()


_POLL_SECONDS = 2.0
_CONNECT_SECONDS = 5.0
_GIVES_UP = {"PREFECT_CLIENT_MAX_RETRIES": "0"}


def _accepts(api_url: str) -> bool:
    """Whether a program listens at the address of a server."""
    parts = urlsplit(api_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), _CONNECT_SECONDS):
            return True
    except OSError:
        return False


@asynccontextmanager
async def report_outages(
    api_url: str,
    tell: Callable[[str], object],
    lives: Callable[[], bool] | None = None,
    *,
    look_seconds: float = _POLL_SECONDS,
) -> AsyncIterator[None]:
    """Report each outage of a server while the block lasts: two looks without success.

    `lives` tells whether the process of a server exists that is not started again for this process. Once it does
    not, Prefect's client here repeats no call; to any other server it sends the run's state until it gives up.
    """
    server, failures = f"the Prefect server at {api_url.removesuffix('/api')}", 0

    async def watch() -> None:
        nonlocal failures
        while True:
            await asyncio.sleep(look_seconds)
            if lives() if lives is not None else await asyncio.to_thread(_accepts, api_url):
                if failures > 1:
                    tell(f"{server} answers again")
                failures = 0
                continue
            failures += 1
            if lives is not None:
                tell(
                    f"{server} died: this run continues, and what it makes is safe; its page in Prefect"
                    " stays as it is now"
                )
                with pointed_at(_GIVES_UP):
                    await asyncio.Event().wait()  # until the end of the block
            if failures == 2:
                tell(
                    f"{server} does not answer: this run continues, and what it makes is safe; at its"
                    " end it waits some minutes for the server, which shall record it"
                )

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        if failures:
            drop_pending()
