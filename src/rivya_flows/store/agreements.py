"""What a person agreed to that deployments buy without asking."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from sqlalchemy import Engine, delete, insert, select

from rivya_flows.store.database import reading, writing
from rivya_flows.store.tables import AGREEMENTS, stored_name


@dataclass(frozen=True)
class Most:
    """The most that a deployment may buy without asking.

    Attributes:
        credits: Of a run; None for no bound.
        a_day, a_month: Runs of its schedules.
        events: What else starts it, as people are told; none of these has a bound over time.
    """

    credits: int | None = 0
    a_day: int = 0
    a_month: int = 0
    events: tuple[str, ...] = ()

    @property
    def month(self) -> int | None:
        """Credits in a month; None for no bound."""
        return None if self.credits is None or self.events else self.credits * self.a_month

    def exceeds(self, agreed: Most) -> bool:
        """Whether it is more than what was agreed to in any respect."""
        if agreed.credits is None:  # runs of any price, so their number counts
            ours, theirs = 1, 1
        elif self.credits is None or self.credits > agreed.credits:
            return True
        else:
            ours, theirs = self.credits, agreed.credits
        return (
            self.a_day * ours > agreed.a_day * theirs
            or self.a_month * ours > agreed.a_month * theirs
            or not set(self.events) <= set(agreed.events)
        )


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
        return {row.deployment: _parsed(row.most) for row in rows}

    def record(self, service: str, agreed: Mapping[str, Most]) -> None:
        """Records agreements, each instead of the last one of its deployment.

        Raises:
            StoreError: The store cannot be written.
        """
        place, now = stored_name(service), self._clock()
        rows = [
            {"deployment": name, "service": place, "most": json.dumps(asdict(most)), "at": now}
            for name, most in agreed.items()
        ]
        old = (AGREEMENTS.c.service == place) & AGREEMENTS.c.deployment.in_(agreed)
        with writing(self._engine) as connection:
            connection.execute(delete(AGREEMENTS).where(old))
            connection.execute(insert(AGREEMENTS), rows)


def _parsed(text: str) -> Most:
    found = json.loads(text)
    return Most(**{**found, "events": tuple(found["events"])})
