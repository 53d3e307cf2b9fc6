"""The cache index: results of earlier runs by the hash of their request; their media are in the asset store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, bindparam, delete, select

from rivya_flows.assets import Outputs
from rivya_flows.errors import StoreError
from rivya_flows.store.database import rows, write, writing
from rivya_flows.store.tables import RESULTS, insert_missing

_THIS = delete(RESULTS).where(RESULTS.c.cache_key == bindparam("this"))


@dataclass(frozen=True)
class CachedResult:
    """The result of a request; `at` is in Unix seconds. One that `replaces` another has media, which that lost."""

    cache_key: str
    run_id: str
    outputs: Outputs
    credits: int
    at: float
    replaces: bool = False


def find_result(engine: Engine, cache_key: str) -> CachedResult | None:
    found = rows(engine, select(RESULTS).where(RESULTS.c.cache_key == cache_key))
    return next(map(_result, found), None)


def keep_results(engine: Engine, results: Sequence[CachedResult]) -> None:
    """Adds results; the first of a key stays, unless one replaces it. A failure only loses a saving."""
    # In one order, so that two runs with equal requests never wait in a circle.
    results = sorted(results, key=lambda one: one.cache_key)
    old = [{"this": one.cache_key} for one in results if one.replaces]
    new = [vars(one) | {"outputs": json.dumps(one.outputs)} for one in results]
    for row in new:
        del row["replaces"]
    with suppress(StoreError), writing(engine) as connection:
        if old:
            connection.execute(_THIS, old)
        insert_missing(connection, RESULTS, new)


def forget_result(engine: Engine, cache_key: str) -> None:
    write(engine, delete(RESULTS).where(RESULTS.c.cache_key == cache_key))


def all_results(engine: Engine) -> tuple[CachedResult, ...]:
    return tuple(map(_result, rows(engine, select(RESULTS).order_by(RESULTS.c.at.desc()))))


def _result(row: Any) -> CachedResult:
    return CachedResult(row.cache_key, row.run_id, json.loads(row.outputs), row.credits, row.at)
