"""The signing secrets of webhook endpoints: the service tells each once, so the store keeps it."""

from __future__ import annotations

import re
import time

from pydantic import SecretStr
from sqlalchemy import Engine

from rivya_flows.store.shared_secrets import forget_secret, keep_secret, kept_secret, kept_secrets

OVERLAP_SECONDS = 24 * 3600.0
"""How long the secret before a rotation stays good: deliveries may still be signed with it."""

_PREFIX = "webhook "
_UNTIL = re.compile(r" until (\d+)")


def keep_signing_secret(engine: Engine, endpoint_id: str, secret: SecretStr) -> None:
    """Keeps the secret of an endpoint.

    Raises:
        StoreError: The store cannot be written.
    """
    keep_secret(engine, _PREFIX + endpoint_id, secret.get_secret_value())


def rotate_signing_secret(
    engine: Engine, endpoint_id: str, secret: SecretStr, *, overlap_seconds: float = OVERLAP_SECONDS
) -> None:
    """Keeps a new secret; the one before it stays good for a while.

    Args:
        engine: Of the store.
        endpoint_id: Whose it is.
        secret: The new one.
        overlap_seconds: How long; 0 where the old one was told to somebody.

    Raises:
        StoreError: The store cannot be written.
    """
    name = _PREFIX + endpoint_id
    before = kept_secret(engine, name)
    for old in kept_secrets(engine, f"{name} until "):
        forget_secret(engine, old)
    if before is not None and overlap_seconds > 0:
        keep_secret(engine, f"{name} until {time.time() + overlap_seconds:.0f}", before)
    keep_secret(engine, name, secret.get_secret_value())


def forget_signing_secrets(engine: Engine, endpoint_id: str) -> None:
    """Takes all secrets of an endpoint out of the store.

    Raises:
        StoreError: The store cannot be written.
    """
    name = _PREFIX + endpoint_id
    for old in (name, *kept_secrets(engine, f"{name} until ")):
        forget_secret(engine, old)


def has_signing_secret(engine: Engine, endpoint_id: str) -> bool:
    """Whether deliveries to an endpoint can be verified from the store.

    Raises:
        StoreError: The store cannot be read.
    """
    return kept_secret(engine, _PREFIX + endpoint_id) is not None


def signing_secrets(engine: Engine) -> tuple[SecretStr, ...]:
    """All secrets that a delivery may be signed with now.

    Raises:
        StoreError: The store cannot be read.
    """
    now = time.time()
    return tuple(
        SecretStr(value)
        for name, value in kept_secrets(engine, _PREFIX).items()
        if (until := _UNTIL.search(name)) is None or int(until[1]) > now
    )
