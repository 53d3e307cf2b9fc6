"""A store of any age becomes one of today, once, whoever opens it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, insert, inspect

from rivya_flows.errors import StoreError
from rivya_flows.planning.queue.event_codec import dump
from rivya_flows.planning.queue.events import Event, JobEnded
from rivya_flows.store.charges import charges
from rivya_flows.store.database import open_engine
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_flows.store.migrations import MIGRATIONS, migrate
from rivya_flows.store.tables import EVENTS, METADATA
from support.databases import BACKENDS, fresh_store
from support.journal_entries import intent


@pytest.fixture(params=BACKENDS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return fresh_store(request.param, tmp_path)


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    opened = open_engine(store_url)
    yield opened
    opened.dispose()


def shape(engine: Engine) -> dict[str, Any]:
    """The tables of a store, as the database tells them."""
    seen = inspect(engine)
    return {
        table: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in seen.get_columns(table)],
            seen.get_pk_constraint(table)["constrained_columns"],
            [c["column_names"] for c in seen.get_unique_constraints(table)],
        )
        for table in sorted(seen.get_table_names())
    }


def test_migrations_lead_to_the_tables_that_the_program_uses(
    engine: Engine, tmp_path: Path
) -> None:
    declared = fresh_store(engine.dialect.name, tmp_path / "declared")
    (tmp_path / "declared").mkdir()
    if engine.dialect.name == "postgresql":
        declared = declared.replace("postgresql:", "postgresql+psycopg:")
    made = create_engine(declared)
    METADATA.create_all(made)
    assert shape(engine) == shape(made)
    made.dispose()


def versions(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        query = "SELECT version FROM schema_version ORDER BY version"
        return [row[0] for row in connection.exec_driver_sql(query)]


NOW = list(range(1, len(MIGRATIONS) + 1))
FURTHER = (*MIGRATIONS, ("CREATE TABLE callbacks (id INTEGER)",), ("DROP TABLE callbacks",))


def test_a_store_takes_only_the_steps_that_it_lacks(engine: Engine) -> None:
    assert versions(engine) == NOW
    migrate(engine, FURTHER)
    assert versions(engine) == [*NOW, NOW[-1] + 1, NOW[-1] + 2]
    migrate(engine, FURTHER)
    assert versions(engine) == [*NOW, NOW[-1] + 1, NOW[-1] + 2]


@pytest.mark.parametrize("earlier", NOW[:-1])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_store_of_an_earlier_version_is_migrated_with_what_it_holds(
    backend: str, earlier: int, tmp_path: Path
) -> None:
    url = fresh_store(backend, tmp_path)
    old = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    migrate(old, MIGRATIONS[:earlier])
    with old.begin() as connection:
        row = "('run-1', 'spot', 'https://rivya.ai', '2026-01-01', '')"
        connection.exec_driver_sql(
            f"INSERT INTO runs (run_id, name, service, started_at, folder) VALUES {row}"
        )
    old.dispose()
    opened = open_engine(url)
    assert versions(opened) == NOW
    with opened.connect() as connection:
        query = "SELECT run_id, name FROM runs"
        assert [tuple(row) for row in connection.exec_driver_sql(query)] == [("run-1", "spot")]
    opened.dispose()


@pytest.mark.parametrize("backend", BACKENDS)
def test_purchases_of_a_store_without_charges_are_charged(backend: str, tmp_path: Path) -> None:
    url = fresh_store(backend, tmp_path)
    old = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    migrate(old, MIGRATIONS[:3])
    of = {"step": "stills", "key": "k" * 400}
    events: list[Event] = []
    for n in range(1, 601):
        early = intent(n).model_copy(update={**of, "body": '{"model": "z-image"}', "reserve": 2})
        events.append(early)
    events.append(JobEnded(**of, n=2, status="succeeded", final_credits=1))
    events.append(JobEnded(**of, n=999, status="failed", final_credits=1))
    with old.begin() as connection:
        for run_id in ("run-1", "run-2"):
            row = f"('{run_id}', 'spot', 'https://rivya.ai', '2026-01-01', '')"
            connection.exec_driver_sql(f"INSERT INTO runs VALUES {row}")
            rows = [
                {
                    "run_id": run_id,
                    "seq": seq,
                    "kind": event.kind,
                    "at": seq / 2,
                    "body": dump(event),
                }
                for seq, event in enumerate(events, 1)
            ]
            rows.append(
                {"run_id": run_id, "seq": 9999, "kind": "job.ended", "at": 0.0, "body": "{}"}
            )
            connection.execute(insert(EVENTS), rows)
    old.dispose()
    with closing(Journal(url)) as journal:
        found = list(charges(journal.engine, since=None, until=None))
        assert len(found) == 2 * 600
        assert sum(one.credits for one in found) == 2 * (599 * 2 + 1)
        settled = [(one.run_id, one.at, one.model, one.labels) for one in found if one.settled]
        assert settled == [(run_id, 1.0, "z-image", {}) for run_id in ("run-1", "run-2")]
        # Later events of these purchases find their charges.
        fence = Leases(journal.engine).acquire("run-1").fence
        journal.append("run-1", JobEnded(**of, n=1, status="failed", final_credits=0), fence)
        found = list(charges(journal.engine, since=None, until=None))
        assert sum(one.credits for one in found) == 2 * (599 * 2 + 1) - 2


def test_a_step_that_fails_leaves_the_store_as_it_was(engine: Engine) -> None:
    before = shape(engine)
    with pytest.raises(Exception, match="nowhere"):
        migrate(engine, (*FURTHER[:-1], ("DROP TABLE nowhere",)))
    assert versions(engine) == NOW
    assert shape(engine) == before


def test_a_store_of_a_newer_program_is_refused(engine: Engine) -> None:
    migrate(engine, FURTHER)
    with pytest.raises(
        StoreError, match=f"schema version {NOW[-1] + 2}; this program knows {NOW[-1]}"
    ) as caught:
        migrate(engine)
    assert caught.value.hint == "use the newer rivya-flows that wrote it"


def troubles_of_many(store_url: str) -> list[BaseException]:
    """What goes wrong when eight open a store at the same moment."""
    begin = Barrier(8)
    troubles: list[BaseException] = []

    def start() -> None:
        begin.wait()
        try:
            open_engine(store_url).dispose()
        except BaseException as error:
            troubles.append(error)

    threads = [Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return troubles


def test_new_files_take_many_at_once_every_time(tmp_path: Path) -> None:
    # SQLite gives up at once where two change a new file to WAL: once in eight such moments.
    urls = [f"sqlite:///{tmp_path}/{number}.sqlite" for number in range(30)]
    assert [trouble for url in urls for trouble in troubles_of_many(url)] == []


def test_of_many_that_open_a_new_store_at_once_one_makes_it(store_url: str) -> None:
    assert troubles_of_many(store_url) == []
    engine = open_engine(store_url)
    assert versions(engine) == NOW
    engine.dispose()
