"""Secrets in the store: random values that its processes share, and webhook signing secrets."""

from __future__ import annotations

import re
import secrets
import time

from pydantic import SecretStr
from sqlalchemy import Engine, delete, insert, select

from rivya_flows.store.database import rows, write, writing
from rivya_flows.store.tables import SECRETS, insert_missing

# How long a rotated signing secret stays valid: deliveries may still be signed with it.
OVERLAP_SECONDS = 24 * 3600.0
_RANDOM_BYTES = 32
_WEBHOOK = "webhook "
_SECRETS = select(SECRETS.c.name, SECRETS.c.value)
_UNTIL = re.compile(r" until (\d+)")


def shared_secret(engine: Engine, name: str) -> str:
    """The random value of a name, the same in every process of the store; created if missing."""
    if (found := _read(engine, name)) is None:
        with writing(engine) as connection:
            row = {"name": name, "value": secrets.token_urlsafe(_RANDOM_BYTES)}
            insert_missing(connection, SECRETS, row)
        found = _read(engine, name)  # that of another process, if it was faster
        assert found is not None
    return found


def keep_signing_secret(engine: Engine, endpoint_id: str, secret: SecretStr) -> None:
    """Stores the signing secret of a webhook endpoint: the service shows each secret only once."""
    _write(engine, _WEBHOOK + endpoint_id, secret.get_secret_value())


def rotate_signing_secret(
    engine: Engine, endpoint_id: str, secret: SecretStr, *, overlap_seconds: float = OVERLAP_SECONDS
) -> None:
    """Stores a new signing secret; the previous one stays valid for `overlap_seconds`."""
    name = _WEBHOOK + endpoint_id
    before = _read(engine, name)
    _delete(engine, *_read_all(engine, f"{name} until "))
    if before is not None and overlap_seconds > 0:
        _write(engine, f"{name} until {time.time() + overlap_seconds:.0f}", before)
    _write(engine, name, secret.get_secret_value())


def forget_signing_secrets(engine: Engine, endpoint_id: str) -> None:
    name = _WEBHOOK + endpoint_id
    _delete(engine, name, *_read_all(engine, f"{name} until "))


def has_signing_secret(engine: Engine, endpoint_id: str) -> bool:
    """Whether the store can verify deliveries to an endpoint."""
    return _read(engine, _WEBHOOK + endpoint_id) is not None


def signing_secrets(engine: Engine) -> tuple[SecretStr, ...]:
    now = time.time()
    return tuple(
        SecretStr(value)
        for name, value in _read_all(engine, _WEBHOOK).items()
        if (until := _UNTIL.search(name)) is None or int(until[1]) > now
    )


def _read(engine: Engine, name: str) -> str | None:
    return next((row.value for row in rows(engine, _SECRETS.where(SECRETS.c.name == name))), None)


def _read_all(engine: Engine, prefix: str) -> dict[str, str]:
    begins = SECRETS.c.name.startswith(prefix, autoescape=True)
    return {row.name: row.value for row in rows(engine, _SECRETS.where(begins))}


def _write(engine: Engine, name: str, value: str) -> None:
    old = delete(SECRETS).where(SECRETS.c.name == name)
    write(engine, old, insert(SECRETS).values(name=name, value=value))


def _delete(engine: Engine, *names: str) -> None:
    write(engine, delete(SECRETS).where(SECRETS.c.name.in_(names)))
