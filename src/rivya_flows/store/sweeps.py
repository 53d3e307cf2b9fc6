"""When the waker swept a store last."""

from __future__ import annotations

from sqlalchemy import Engine, delete, insert, select

from rivya_flows.store.database import reading, writing
from rivya_flows.store.tables import SWEEPS


def record_sweep(engine: Engine, at: float) -> None:
    """Writes down that a sweep is complete.

    Args:
        engine: Of the store.
        at: Unix seconds.

    Raises:
        StoreError: The store cannot be written.
    """
    with writing(engine) as connection:
        connection.execute(delete(SWEEPS))
        connection.execute(insert(SWEEPS).values(at=at))


def last_sweep(engine: Engine) -> float | None:
    """When the last sweep was complete, in Unix seconds; None if there was none.

    Raises:
        StoreError: The store cannot be read.
    """
    with reading(engine) as connection:
        return connection.scalar(select(SWEEPS.c.at).order_by(SWEEPS.c.at.desc()).limit(1))
