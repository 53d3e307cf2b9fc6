"""Values that all processes of one store share, and that nobody else may know."""

from __future__ import annotations

import secrets

from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from rivya_flows.errors import StoreError
from rivya_flows.store.database import reading, writing
from rivya_flows.store.tables import SECRETS

_RANDOM_BYTES = 32


def shared_secret(engine: Engine, name: str) -> str:
    """The random value of that name, the same for every process of the store; made when missing.

    Raises:
        StoreError: The store cannot be read or written.
    """
    if (found := kept_secret(engine, name)) is not None:
        return found
    try:
        with writing(engine) as connection:
            value = secrets.token_urlsafe(_RANDOM_BYTES)
            connection.execute(insert(SECRETS).values(name=name, value=value))
            return value
    except IntegrityError:
        # Another process was faster, and its value counts.
        if (found := kept_secret(engine, name)) is not None:
            return found
        raise StoreError(f"the secret {name!r} is not in the store", "try it again") from None


def kept_secret(engine: Engine, name: str) -> str | None:
    """The value of that name, or None.

    Raises:
        StoreError: The store cannot be read.
    """
    with reading(engine) as connection:
        return connection.scalar(select(SECRETS.c.value).where(SECRETS.c.name == name))


def kept_secrets(engine: Engine, prefix: str) -> dict[str, str]:
    """All values whose names begin so, by name.

    Raises:
        StoreError: The store cannot be read.
    """
    query = select(SECRETS.c.name, SECRETS.c.value).where(
        SECRETS.c.name.startswith(prefix, autoescape=True)
    )
    with reading(engine) as connection:
        return {row.name: row.value for row in connection.execute(query)}


def keep_secret(engine: Engine, name: str, value: str) -> None:
    """Keeps a value under a name, in place of an earlier one.

    Raises:
        StoreError: The store cannot be written.
    """
    with writing(engine) as connection:
        connection.execute(delete(SECRETS).where(SECRETS.c.name == name))
        connection.execute(insert(SECRETS).values(name=name, value=value))


def forget_secret(engine: Engine, name: str) -> None:
    """Takes a value out of the store.

    Raises:
        StoreError: The store cannot be written.
    """
    with writing(engine) as connection:
        connection.execute(delete(SECRETS).where(SECRETS.c.name == name))
