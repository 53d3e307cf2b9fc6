"""What deployments buy without asking: a person agreed to it, or pools cap it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
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


@dataclass(frozen=True)
class Capped:
    """What a deployment may buy that nobody agreed to, since a pool covered it.

    Attributes:
        deployment, service: Its name, and where it buys.
        labels: Of its runs, by name.
        most: The most that it buys without asking.
    """

    deployment: str
    service: str
    labels: Mapping[str, str]
    most: Most


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
        """What a person agreed to at a service, by deployment.

        Raises:
            StoreError: The store cannot be read.
        """
        at = AGREEMENTS.c.service == stored_name(service)
        query = select(AGREEMENTS).where(at, AGREEMENTS.c.labels.is_(None))
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return {row.deployment: _parsed(row.most) for row in rows}

    def capped(self) -> list[Capped]:
        """What nobody agreed to, since a pool covered it when it was deployed; by deployment.

        Raises:
            StoreError: The store cannot be read.
        """
        query = select(AGREEMENTS).where(AGREEMENTS.c.labels.is_not(None))
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(AGREEMENTS.c.deployment)).all()
        return [
            Capped(row.deployment, row.service, json.loads(row.labels), _parsed(row.most))
            for row in rows
        ]

    def record(
        self,
        service: str,
        agreed: Mapping[str, Most],
        capped: Sequence[Capped] = (),
        deployed: Collection[str] = (),
    ) -> None:
        """Records what was agreed to and what pools cap, each instead of the last of its deployment.

        Args:
            service: Where they buy.
            agreed: What a person said yes to, by deployment.
            capped: What a pool covers.
            deployed: Deployments of which nothing else is capped any more.

        Raises:
            StoreError: The store cannot be written.
        """
        place, now = stored_name(service), self._clock()
        found: list[tuple[str, Most, str | None]] = [
            *((name, most, None) for name, most in agreed.items()),
            *((one.deployment, one.most, json.dumps(dict(one.labels))) for one in capped),
        ]
        rows = [
            {
                "deployment": name,
                "service": place,
                "most": json.dumps(asdict(most)),
                "at": now,
                "labels": labels,
            }
            for name, most, labels in found
        ]
        name, labels = AGREEMENTS.c["deployment", "labels"]
        old = name.in_([one for one, *_ in found]) | (name.in_(deployed) & labels.is_not(None))
        with writing(self._engine) as connection:
            connection.execute(delete(AGREEMENTS).where(AGREEMENTS.c.service == place, old))
            if rows:
                connection.execute(insert(AGREEMENTS), rows)


def _parsed(text: str) -> Most:
    found = json.loads(text)
    return Most(**{**found, "events": tuple(found["events"])})
