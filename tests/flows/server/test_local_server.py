from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID

import pytest
from prefect import flow, get_client, task

from rivya_flows.errors import UsageError
from rivya_flows.flows.execution.local_runner import LocalRunner
from rivya_flows.flows.server.local_server import (
    USERS,
    LocalServer,
    end_idle,
    is_idle,
    kept_from_runs,
    lives,
    local_server,
)
from rivya_flows.flows.server_process import give_space_back
from rivya_flows.processes.local_api import FILE, server_auth
from rivya_flows.processes.supervisor import try_lock
from rivya_flows.settings import Settings
from rivya_flows.up.end import take_down
from support.seeded_data import seeded

USER = textwrap.dedent("""
    import asyncio, sys
    from pathlib import Path
    from rivya_flows.flows.server.local_server import local_server

    async def main():
        async with local_server(Path(sys.argv[1]), idle_seconds=float(sys.argv[2])) as url:
            print(url, flush=True)
            await asyncio.sleep(600)

    asyncio.run(main())
""")


@contextmanager
def user_of(data: Path, idle_seconds: float = 0) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the server of `data`."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(data), str(idle_seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def serving(data: Path) -> bool:
    """Whether a server's process exists: it holds this lock as long as it does."""
    with (data / "prefect" / "server.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def gone(data: Path) -> bool:
    deadline = time.monotonic() + 120
    while serving(data) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not serving(data)


async def test_a_named_server_is_used_as_it_is(tmp_path: Path) -> None:
    async with local_server(tmp_path, api_url="http://prefect.example/api") as url:
        assert url == "http://prefect.example/api"
    LocalRunner().begin(Settings(rivya_flows_data=tmp_path, rivya_flows_server_idle=0))
    assert not [*tmp_path.iterdir()]  # nor does one begin that ends with its run


def test_a_data_folder_that_cannot_be_created_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be used"):
        LocalServer.start(tmp_path / "file")
    # A runner leaves it to what needs the server.
    LocalRunner().begin(Settings(rivya_flows_data=tmp_path / "file", rivya_flows_server_idle=600))


@pytest.mark.prefect
async def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "prefect" / "prefect.db").mkdir(parents=True)
    with pytest.raises(UsageError, match="unable to open database file") as caught:
        async with local_server(tmp_path):
            pass
    assert "server.log" in str(caught.value.hint)
    assert not serving(tmp_path)


@pytest.mark.prefect
async def test_a_second_user_joins_the_running_server(
    prefect_data: Path, prefect_server: str
) -> None:
    async with local_server(prefect_data) as url:
        assert url == prefect_server
    assert serving(prefect_data)
    assert os.environ["PREFECT_API_URL"] == prefect_server


@pytest.mark.prefect
def test_a_server_lives_as_long_as_its_last_user_and_a_killed_one_leaves_none(
    tmp_path: Path, prefect_data: Path
) -> None:
    data = seeded(tmp_path / "shared", prefect_data)
    # Whatever is in the place of the password of an earlier server counts no more.
    (data / "prefect" / FILE).symlink_to(tmp_path / "of-somebody-else")
    with user_of(data, 1) as first, user_of(data, 1) as second:
        assert url_of(first) == url_of(second) != ""
        assert server_auth(data / "prefect")
        assert not (tmp_path / "of-somebody-else").exists()
        first.send_signal(signal.SIGINT)
        first.wait()
        with user_of(data, 1) as third:
            assert url_of(third)
            assert not end_idle(data / "prefect")
            second.send_signal(signal.SIGTERM)
            second.wait()
            assert serving(data)
            third.send_signal(signal.SIGKILL)
            third.wait()
            assert gone(data)


@pytest.mark.prefect
async def test_a_server_waits_for_its_next_user_and_is_replaced_if_it_has_another_version(
    tmp_path: Path, prefect_data: Path
) -> None:
    data = seeded(tmp_path / "own", prefect_data)
    data.chmod(0o700)
    home = data / "prefect"
    settings = Settings(rivya_flows_data=data, rivya_flows_server_idle=600, prefect_api_url=None)
    runner = LocalRunner()
    runner.begin(settings)
    assert lives(home)
    async with runner.connect(settings), get_client() as client:
        url = str(client.api_url).removesuffix("/")
        assert not is_idle(home)
    assert is_idle(home)
    async with local_server(data, idle_seconds=600) as second:
        assert second == url
        lock = home / "server.lock"
        port = lock.read_text().split()[0]
        lock.write_text(f"{port} of-another-version")
        async with local_server(data, idle_seconds=600) as shared:
            assert shared == url, "it is used"
    async with local_server(data, idle_seconds=600) as other:
        assert other != url
    told: list[str] = []
    ended = take_down(data, force=False, tell=told.append)
    assert ended == ["server"]
    assert not serving(data)
    assert take_down(data, force=False, tell=told.append) == []


@pytest.mark.prefect
async def test_a_stopped_server_has_written_every_row_and_the_next_one_releases_a_held_slot(
    tmp_path: Path, prefect_data: Path
) -> None:
    @task
    async def step(number: int) -> int:
        return number

    @flow(name="many-steps")
    async def many() -> None:
        await asyncio.gather(*(step(number) for number in range(60)))

    data = seeded(tmp_path / "own", prefect_data)
    outside = os.environ["PREFECT_API_URL"]
    slot = "rivya-flows:shop"
    await many()  # of the other server, whose events are still on their way
    async with local_server(data) as url, get_client() as client:
        assert url != outside
        await client.upsert_global_concurrency_limit_by_name(slot, 1)
        answer = await client.increment_concurrency_slots_with_lease([slot], 1, "concurrency", 600)
        lease = UUID(answer.json()["lease_id"])
        await many()
    assert not serving(data)
    assert os.environ["PREFECT_API_URL"] == outside
    with closing(sqlite3.connect(data / "prefect" / "prefect.db")) as database:
        rows = database.execute(
            "select task_run.state_type, count(*) from task_run"
            " join flow_run on flow_run.id = task_run.flow_run_id"
            " join flow on flow.id = flow_run.flow_id"
            " where flow.name = 'many-steps' group by 1"
        ).fetchall()
    assert rows == [("COMPLETED", 60)]

    async with local_server(data), get_client() as client:
        assert (await client.read_global_concurrency_limit_by_name(slot)).active_slots == 1
        await client.release_concurrency_slots_with_lease(lease)
        assert (await client.read_global_concurrency_limit_by_name(slot)).active_slots == 0


@pytest.mark.parametrize("holds_rows", [False, True])
def test_a_database_gets_smaller_when_rows_are_deleted(tmp_path: Path, holds_rows: bool) -> None:
    database = tmp_path / "prefect.db"
    if holds_rows:
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("CREATE TABLE old (text TEXT)")
            connection.execute("INSERT INTO old VALUES ('kept')")
    give_space_back(database)
    give_space_back(database)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS old (text TEXT)")
        with connection:
            connection.executemany("INSERT INTO old VALUES (?)", [("x" * 1000,)] * 1000)
        large = database.stat().st_size
        with connection:
            connection.execute("DELETE FROM old WHERE text <> 'kept'")
        assert connection.execute("SELECT count(*) FROM old").fetchone() == (int(holds_rows),)
    assert database.stat().st_size < large / 10


def test_a_database_that_cannot_be_opened_is_left_to_prefect(tmp_path: Path) -> None:
    (tmp_path / "prefect.db").mkdir()
    give_space_back(tmp_path / "prefect.db")


async def test_a_run_that_begins_while_down_works_joins_no_server_and_starts_none(
    tmp_path: Path,
) -> None:
    home = tmp_path / "prefect"
    home.mkdir()
    with kept_from_runs(home) as is_free:
        assert is_free
        begun = LocalServer.start(tmp_path)
        assert begun.port == 0
        assert not lives(home)
        await begun.stop()
    with (home / USERS).open("a+b") as run:
        assert try_lock(run, fcntl.LOCK_SH)
        with kept_from_runs(home) as is_free:
            assert not is_free
