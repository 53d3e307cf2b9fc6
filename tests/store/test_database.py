"""Databases that are full, locked, damaged, unreachable or wrongly named: one clear error each."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection, connect
from typing import Any

import pytest
from sqlalchemy import event, make_url

from rivya_flows.errors import StoreError, StoreUnreachableError
from rivya_flows.queue.events import ItemCompleted
from rivya_flows.store.database import make_patient, writing
from rivya_flows.store.journal import Journal
from support.databases import fresh_store
from support.journal_entries import balance, begun, told

pytestmark = pytest.mark.slow


def test_a_full_disk_stops_the_entry_whole_and_the_next_one_takes_its_place(
    sqlite: Journal,
) -> None:
    fence = begun(sqlite)
    pages = [20]

    @event.listens_for(sqlite.engine, "checkout")
    def limit(connection: Connection, _record: object, _proxy: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages[0]}").close()

    big = ItemCompleted(step="script", key="", outputs={"text": "x" * 200_000})
    with pytest.raises(StoreError, match="full") as caught:
        sqlite.append("run-1", big, fence)
    assert "free disk space" in str(caught.value.hint)
    assert len(told(sqlite)) == 1
    pages[0] = 10_000
    assert sqlite.append("run-1", big, fence).seq == 2


LIMITED = """
import resource, sys
from pathlib import Path
from rivya_flows.errors import StoreError, StoreUnreachableError
from rivya_flows.queue.events import ItemCompleted
from rivya_flows.store.journal import Journal
journal = Journal(sys.argv[1])
size = Path(journal.engine.url.database + "-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4096, resource.RLIM_INFINITY))
try:
    journal.append("run-1", ItemCompleted(step="s", key="", outputs={"text": "x" * 10**6}), 1)
except StoreError as error:
    print(error)
    print(len(journal.entries("run-1")))
"""


def test_a_file_that_may_not_grow_is_a_clear_error(sqlite: Journal) -> None:
    begun(sqlite)
    command = [sys.executable, "-c", LIMITED, str(sqlite.engine.url)]
    called = subprocess.run(command, capture_output=True, text=True, check=True)
    words, entries = called.stdout.splitlines()
    assert words.startswith("the journal cannot be used: ")
    assert (entries, len(told(sqlite))) == ("1", 1)


def test_a_locked_database_is_a_clear_error_and_is_read_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    with closing(Journal(f"sqlite:///{file}?timeout=0.05")) as journal:
        fence = begun(journal)
        with closing(connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="database is locked") as caught:
                journal.append("run-1", balance(1), fence)
            assert len(told(journal)) == 1
        assert "another program holds the database" in str(caught.value.hint)


def opened(url: str) -> StoreError:
    """The error of opening a store."""
    with pytest.raises(StoreError) as caught:
        Journal(url)
    return caught.value


def test_a_file_that_is_no_database_is_not_opened_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    file.write_text("a letter to my aunt\n" * 100)
    error = opened(f"sqlite:///{file}")
    assert str(error) == "cannot open the store: file is not a database"
    assert "is not a journal, then try again" in str(error.hint)
    assert file.read_text() == "a letter to my aunt\n" * 100


def test_a_damaged_journal_is_a_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    url = f"sqlite:///{file}"
    with closing(Journal(url)) as journal:
        fence = begun(journal)
        for number in range(50):
            text = ItemCompleted(step="s", key=str(number), outputs={"text": "x" * 5000})
            journal.append("run-1", text, fence)
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    with pytest.raises(StoreError, match="is damaged") as caught, closing(Journal(url)) as journal:
        journal.entries("run-1")
    assert "restore the file from a copy" in str(caught.value.hint)


def test_a_place_that_cannot_be_a_database_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "file" / "journal.sqlite"):
        assert str(opened(f"sqlite:///{place}")).startswith("cannot open the store: ")


@pytest.mark.parametrize("url", ["postgresql://u:sesame@[::1/x", "sesame", "oracle9://sesame@h/x"])
def test_a_wrong_url_is_a_clear_error_that_does_not_quote_it(url: str) -> None:
    error = opened(url)
    assert "sesame" not in f"{error} {error.hint} {error.__cause__}"


def test_a_server_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    error = opened(f"postgresql://u:sesame@/x?host={tmp_path}")
    assert isinstance(error, StoreUnreachableError)
    assert str(error).startswith("cannot open the store: connection")
    assert "sesame" not in str(error)


def test_a_database_that_does_not_exist_is_no_server_that_is_away(tmp_path: Path) -> None:
    url = make_url(fresh_store("postgresql", tmp_path)).set(database="nowhere")
    error = opened(url.render_as_string())
    assert not isinstance(error, StoreUnreachableError)
    assert "create that database" in str(error.hint)


def test_a_connection_that_the_server_ends_is_an_outage_by_its_sqlstate(
    postgresql: Journal,
) -> None:
    engine = postgresql.engine

    def end_in_the_middle() -> None:
        with writing(engine) as connection, engine.connect() as other:
            mine = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            other.exec_driver_sql(f"SELECT pg_terminate_backend({mine}, 10000)")
            connection.exec_driver_sql("SELECT 1")

    with pytest.raises(StoreUnreachableError) as caught:
        end_in_the_middle()
    assert "repair" not in str(caught.value.hint)
    assert "start the database" in str(caught.value.hint)


REFUSALS = (
    "FATAL:  sorry, too many clients already",
    "FATAL:  the database system is not yet accepting connections",
    "FATAL:  das Datenbanksystem startet",
    "connection timeout expired",
)


def test_a_server_that_gives_no_connection_for_a_moment_is_waited_for(
    postgresql: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_patient(postgresql.engine)
    dialect: Any = postgresql.engine.dialect
    connect, said = dialect.connect, list[str]()

    def refuse_once(*arguments: Any, **options: Any) -> Any:
        if said:
            raise dialect.dbapi.OperationalError(said.pop())
        return connect(*arguments, **options)

    monkeypatch.setattr(dialect, "connect", refuse_once)
    for refusal in REFUSALS:
        postgresql.engine.dispose()
        said.append(refusal)
        assert postgresql.runs() == ()
        assert said == []
