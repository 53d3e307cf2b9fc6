"""What a person agreed to that deployments buy without asking."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping

from sqlalchemy import Engine, delete, insert, select

from rivya_flows.store.database import reading, writing
from rivya_flows.store.tables import AGREEMENTS, stored_name

Most = tuple[int | None, int | None, int | None]
"""The most credits of a run, a day and a month; None for no bound."""


class Agreements:
    """The agreements of one store.

    Args:
        engine: Of the journal.
        clock: Unix seconds.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    def at(self, service: str) -> dict[str, Most]:
        """What was agreed to at a service, by deployment.

        Raises:
            StoreError: The store cannot be read.
        """
        query = select(AGREEMENTS).where(AGREEMENTS.c.service == stored_name(service))
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return {row.deployment: tuple(json.loads(row.most)) for row in rows}

    def record(self, service: str, agreed: Mapping[str, Most]) -> None:
        """Records agreements, each instead of the last one of its deployment.

        Raises:
            StoreError: The store cannot be written.
        """
        place, now = stored_name(service), self._clock()
        rows = [
            {"deployment": name, "service": place, "most": json.dumps(most), "at": now}
            for name, most in agreed.items()
        ]
        old = (AGREEMENTS.c.service == place) & AGREEMENTS.c.deployment.in_(agreed)
        with writing(self._engine) as connection:
            connection.execute(delete(AGREEMENTS).where(old))
            connection.execute(insert(AGREEMENTS), rows)
