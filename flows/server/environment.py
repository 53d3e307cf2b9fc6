"""The environment of a Prefect server of our own, and of its clients."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rivya_flows.environment import machine_environment
from rivya_flows.flows.prefect_internals import LEASES_ON_DISK


def server_environment(
    home: Path,
    port: int,
    environ: Mapping[str, str],
    *,
    database_url: str | None = None,
    redis_url: str | None = None,
    keep_flow_runs_days: float | None = None,
) -> dict[str, str]:
    """The environment of the server: quiet, batched, offline, and without keys.

    The user's variables of Prefect belong to another server, and any other variable may hold a
    key, so the server only inherits what describes the machine.

    Args:
        database_url: SQLAlchemy URL of its database with an asynchronous driver; None is a file
            in its home.
        redis_url: For its messages; None keeps them in memory, which holds 10,000 and then
            drops some.
        keep_flow_runs_days: After how many days ended flow runs are deleted, with their task runs, logs
            and artifacts; None: never.

    Source: decision 0003 for the recorder's two numbers.
    """
    kept = machine_environment(environ)
    if database_url is not None:  # libpq's own variables, such as PGPASSFILE
        kept |= {name: value for name, value in environ.items() if name.startswith("PG")}
    return (
        kept
        | {
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
        | (
            {}
            if keep_flow_runs_days is None  # it deletes events after a week anyway
            else {
                "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
                "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": f"{keep_flow_runs_days * 86_400:.0f}",
            }
        )
        | ({} if redis_url is None else redis_environment(redis_url))
    )


def redis_environment(redis_url: str) -> dict[str, str]:
    """Makes a server use Redis for messages, their order, leases and its own tasks."""
    return {
        "PREFECT_SERVER_EVENTS_MESSAGING_BROKER": "prefect_redis.messaging",
        "PREFECT_SERVER_EVENTS_MESSAGING_CACHE": "prefect_redis.messaging",
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
        "PREFECT_SERVER_DOCKET_URL": redis_url,
        "PREFECT_REDIS_MESSAGING_URL": redis_url,
        # Events that arrive while a batch is being sent are lost (measured: 2 of 3,000).
        "PREFECT_REDIS_MESSAGING_PUBLISHER_BATCH_SIZE": "1",
    }


def client_environment(
    api_url: str, home: Path, environ: Mapping[str, str], *, auth: str
) -> dict[str, str]:
    """The variables that this process and its children need to speak to the server.

    Empties the key of another server, and bypasses proxies for loopback. Links that Prefect prints
    lead to the UI that `up` opens, not to the older one beside it.
    """
    direct = [
        part for part in environ.get("NO_PROXY", environ.get("no_proxy", "")).split(",") if part
    ]
    no_proxy = ",".join([*direct, *({"127.0.0.1", "localhost"} - set(direct))])
    return {
        "PREFECT_API_URL": api_url,
        "PREFECT_UI_URL": f"{api_url.removesuffix('/api')}/v2",
        "PREFECT_HOME": str(home),
        "PREFECT_API_KEY": "",
        "PREFECT_API_AUTH_STRING": auth,
        # Each client would ask for a token first, which this server does not give.
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }
