"""The cache index: results of earlier runs by the hash of their request."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, bindparam, delete, select

from rivya_flows.assets import Outputs
from rivya_flows.errors import StoreError
from rivya_flows.store.database import rows, write, writing
from rivya_flows.store.tables import RESULTS, Row, insert_missing

_THIS = delete(RESULTS).where(RESULTS.c.cache_key == bindparam("this"))


@dataclass(frozen=True)
class NewResult:
    """A result to keep; with `replace` instead of an earlier one of its key, whose media are lost."""

    cache_key: str
    run_id: str
    outputs: Outputs
    credits: int
    replace: bool = False


@dataclass(frozen=True)
class CachedResult:
    """The result of an earlier, equal request; `at` is in Unix seconds."""

    cache_key: str
    run_id: str
    outputs: Outputs
    credits: int
    at: float


class CacheIndex:
    """The cache index of one store; the media are in the asset store. `clock` gives Unix seconds."""

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    def find(self, cache_key: str) -> CachedResult | None:
        """The result of an equal request, or None."""
        found = rows(self._engine, select(RESULTS).where(RESULTS.c.cache_key == cache_key))
        return next(map(_result, found), None)

    def keep(self, results: Sequence[NewResult]) -> None:
        """Adds results; the first of a key stays, unless replaced. A failure only loses a saving."""
        # In one order, so that two runs with equal requests never wait in a circle.
        results = sorted(results, key=lambda one: one.cache_key)
        replaced = [{"this": one.cache_key} for one in results if one.replace]
        new: list[Row] = [
            {
                "cache_key": one.cache_key,
                "run_id": one.run_id,
                "outputs": json.dumps(one.outputs),
                "credits": one.credits,
                "at": self._clock(),
            }
            for one in results
        ]
        try:
            with writing(self._engine) as connection:
                if replaced:
                    connection.execute(_THIS, replaced)
                insert_missing(connection, RESULTS, new)
        except StoreError:
            return

    def forget(self, cache_key: str) -> None:
        """Deletes an entry."""
        write(self._engine, delete(RESULTS).where(RESULTS.c.cache_key == cache_key))

    def all(self) -> tuple[CachedResult, ...]:
        """All entries, newest first."""
        return tuple(
            map(_result, rows(self._engine, select(RESULTS).order_by(RESULTS.c.at.desc())))
        )


def _result(row: Any) -> CachedResult:
    return CachedResult(row.cache_key, row.run_id, json.loads(row.outputs), row.credits, row.at)
