"""`up` and `down` as a user calls them, with real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from rivya_flows.flows.execution.local_runner import running_server
from rivya_flows.flows.recovery.automations import NAMES
from rivya_flows.flows.server.local_server import LocalServer
from rivya_flows.processes.registry import read
from rivya_flows.processes.supervisor import find_marked
from rivya_flows.settings import Settings
from support.prefect_workers import Place, Server, eventually
from support.seeded_data import seeded

pytestmark = pytest.mark.prefect

PARTS = {"sandbox", "server", "receiver", "worker", "watcher"}
FREE_PORTS = ("--port", "0", "--receiver-port", "0")
SPEC = """\
version: 1
name: spot
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: a lamp}
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: slow, references: ["${{ steps.still.asset }}"]}
deploy:
  - {name: now}
"""


@dataclass
class Studio:
    """A folder in which `up` is called."""

    data: Path
    specs: Path
    _told: Any = None

    def call(self, *arguments: str) -> Any:
        """The document of a command in a process of its own; it must succeed."""
        done = self.tried(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def tried(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rivya_flows.cli.main", *arguments, "--json"],
            cwd=self.data.parent,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if name != "PREFECT_API_URL"}
        own = {"RIVYA_FLOWS_DATA": str(self.data), "RIVYA_FLOWS_WEBHOOK_POLL_SECONDS": "1"}
        return kept | own | {"RIVYA_POLL_SECONDS": "0.2"}

    def up(self) -> Any:
        """What `up` says; it starts what is missing."""
        self._told = self.call("up", *FREE_PORTS, "--specs", str(self.specs))
        return self._told

    def standing(self) -> Any:
        """What `up` said; it is called only if not all that it started lives."""
        living = {part.name for part in read(self.data).parts if part.lives}
        return self._told if self._told and living == PARTS else self.up()

    @property
    def place(self) -> Place:
        return Place(self.data, self.data / "sandbox", {})


@pytest.fixture(scope="module")
def studio(
    tmp_path_factory: pytest.TempPathFactory, prefect_data: Path, prefect_server: str
) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("up")
    made = Studio(seeded(folder / "data", prefect_data, empty=True), folder / "specs")
    made.specs.mkdir()
    (made.specs / "spot.yaml").write_text(SPEC)
    try:
        yield made
    finally:
        made.call("down", "--force")


@pytest.fixture
def server(studio: Studio) -> Iterator[Server]:
    told = studio.standing()
    with httpx.Client(timeout=120) as client:
        yield Server(told["api"], client, Path(told["auth_file"]).read_text())


def bought_a_film(studio: Studio, flow_run_id: str) -> bool:
    """Whether the run waits for its film."""
    events = [entry.event for entry in studio.place.entries(flow_run_id)]
    return any(one.kind == "purchase.accepted" and one.step == "film" for one in events)


def filming(studio: Studio, server: Server) -> str:
    flow_run = server.start("spot/now")
    eventually(lambda: bought_a_film(studio, flow_run), "the film's purchase")
    return flow_run


async def test_up_leaves_everything_running_and_restarts_what_died(studio: Studio) -> None:
    first = studio.up()
    assert {part["name"] for part in first["parts"]} == PARTS
    assert first["deployments"] == ["spot/now"]
    assert first["webhooks"]

    # The UI is told where the API is, and commands of the folder find it.
    async with httpx.AsyncClient(timeout=120) as client:
        told = (await client.get(first["api"].removesuffix("/api") + "/ui-settings")).json()
        assert (await client.get(first["receiver"] + "/healthz")).status_code == 200
        assert (await client.get(first["receiver"] + "/metrics")).status_code == 404
    standing = running_server(Settings(rivya_flows_data=studio.data, prefect_api_url=None))
    assert standing is not None
    assert told["api_url"] == first["api"] == standing["PREFECT_API_URL"]
    share = LocalServer.start(studio.data)
    try:
        assert await share.ready() == first["api"]
        refused = studio.tried("down")
        assert "a run of the command line" in json.loads(refused.stdout)["error"]["message"]
    finally:
        await share.stop()

    worker = read(studio.data).part("worker")
    assert worker is not None
    os.killpg(worker.process.pid, signal.SIGKILL)
    eventually(lambda: restarted(studio, "worker"), "the worker's restart")
    second = studio.up()
    assert {part["name"]: part["status"] for part in second["parts"]} == dict.fromkeys(
        PARTS, "running"
    )
    assert {part["name"] for part in second["parts"] if part["restarts"]} == {"worker"}
    assert not any(part["differs"] for part in second["parts"])
    logs = studio.data / "logs"
    assert "Worker 'up@" in (logs / "worker.1.log").read_text()  # of the one that was killed
    assert not (logs / "receiver.1.log").exists()
    assert (logs / "watcher.log").read_text().count("restarted worker") == 1
    assert second["api"] == first["api"]


def restarted(studio: Studio, name: str) -> bool:
    """Whether the watcher has restarted a part."""
    part = read(studio.data).part(name)
    return part is not None and part.restarts > 0


def squatting(port: int) -> socket.socket | None:
    """Another user's program on a port; None while it is taken."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return None


def test_after_a_dead_server_taken_ports_are_refused_its_own_is_kept_and_its_password_is_invalid(
    studio: Studio,
) -> None:
    told = studio.standing()
    known = Path(told["auth_file"]).read_text()
    parts = {part.name: part for part in read(studio.data).parts}
    os.killpg(parts["watcher"].process.pid, signal.SIGKILL)  # else it starts a server elsewhere
    os.killpg(parts["server"].process.pid, signal.SIGKILL)
    port, receiver = (httpx.URL(told[name]).port for name in ("api", "receiver"))
    assert port is not None
    assert receiver is not None
    # Another user's program on the port of the server gets no request.
    with eventually(lambda: squatting(port), "the port"):
        eventually(lambda: not find_marked(parts["worker"].mark), "the worker's end")
        eventually(lambda: not find_marked(parts["receiver"].mark), "the receiver's end")

    # A connection of another program may have had the port, which is then not free for a minute.
    with eventually(lambda: squatting(receiver), "the port of the receiver"):
        refused = studio.tried("up", "--port", "0", "--receiver-port", str(receiver))
    assert f"port {receiver} is taken by" in json.loads(refused.stdout)["error"]["message"]
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        refused = studio.tried("up", "--port", str(other.getsockname()[1]))
    assert "is taken by" in json.loads(refused.stdout)["error"]["message"]
    assert [part.name for part in read(studio.data).parts if part.lives] == ["sandbox"]

    after = studio.up()
    assert {part["name"]: part["status"] for part in after["parts"]} == {
        **dict.fromkeys(PARTS, "started"),
        "sandbox": "running",
    }
    assert (after["api"], after["receiver"]) == (told["api"], told["receiver"])
    user, _, password = known.partition(":")
    version = f"{after['api']}/admin/version"
    assert httpx.get(version, auth=(user, password), timeout=120).status_code == 401


def test_neither_the_record_nor_command_lines_nor_logs_contain_a_key(studio: Studio) -> None:
    studio.standing()
    record = (studio.data / "up.json").read_text()
    parts = read(studio.data).parts
    lines = [" ".join(psutil.Process(part.process.pid).cmdline()) for part in parts]
    logs = [Path(part.log).read_text() for part in parts]
    assert not [text for text in (record, *lines, *logs) if "rk_" in text or "whsec" in text]


def test_up_has_the_server_restart_runs_that_died(server: Server) -> None:
    made = server.ask("POST", "/automations/filter", {})
    assert set(NAMES) <= {one["name"] for one in made if one["enabled"]}


def test_down_ends_everything_and_reschedules_interrupted_runs(
    studio: Studio, server: Server
) -> None:
    with studio.place.films_held():
        flow_run = filming(studio, server)
        marks = [part.mark for part in read(studio.data).parts]
        ended = studio.call("down")["ended"]
    assert ended == ["watcher", "worker", "receiver", "server", "sandbox"]
    assert not [left for mark in marks for left in find_marked(mark)]
    assert studio.call("down") == {"ended": []}
    assert studio.place.ends(flow_run) == []
    with closing(sqlite3.connect(studio.data / "prefect" / "prefect.db")) as database:
        query = "select state_name from flow_run where id in (?, ?)"
        rows = database.execute(query, (flow_run, flow_run.replace("-", ""))).fetchall()
    assert rows == [("AwaitingRetry",)]


def test_a_part_that_does_not_start_is_reported_and_nothing_stays(tmp_path: Path) -> None:
    (tmp_path / "data" / "prefect" / "prefect.db").mkdir(parents=True)
    broken = Studio(tmp_path / "data", tmp_path)
    failed = broken.tried("up", *FREE_PORTS)
    assert failed.returncode == 2
    assert "unable to open database file" in json.loads(failed.stdout)["error"]["message"]
    assert read(broken.data).parts == ()
