"""A studio at work: a sandbox, a Prefect worker with its flow runs, and what the server knows."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import httpx

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.flows.compiler import compile_flow
from rivya_flows.flows.questions import WAKER_DEPLOYMENT
from rivya_flows.flows.recovery.automations import NAMES
from rivya_flows.preparation.deploy_blocks import deployment
from rivya_flows.processes.local_api import Loopback
from rivya_flows.queue.events import Stamped
from rivya_flows.receipt.from_journal import receipt
from rivya_flows.spec.load import load
from rivya_flows.store.journal import Journal
from rivya_sandbox.service import admin

PATIENCE = 240  # seconds until a test gives up; a busy machine needs many
STUDIO = "studio"
"""The pool of the worker that tests share: see the fixture `studio`."""
OPEN = {"RUNNING", "PENDING", "SCHEDULED", "CANCELLING"}
OVER = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}
_PAUSE = 0.2  # seconds; a look takes the server a hundredth of one
_HELD = "faults: [{on: generation, model: veo3-1-lite, do: stall}]"

T = TypeVar("T")


def eventually(ask: Callable[[], T | None], what: str) -> T:
    """What `ask` gives as soon as that is something.

    Each look costs what is looked at processor time, so a long wait looks less often.
    """
    began = time.monotonic()
    while not (found := ask()):
        waited = time.monotonic() - began
        assert waited < PATIENCE, f"never came: {what}"
        time.sleep(min(max(_PAUSE, waited / 20), 2 * _PAUSE))
    return found


class Server:
    """What a test asks of Prefect's API."""

    def __init__(self, api_url: str, client: httpx.Client, auth: str | None = None) -> None:
        """Speaks to a server; None for `auth` is the password of this process's own server."""
        self.api_url = api_url
        self._auth = os.environ["PREFECT_API_AUTH_STRING"] if auth is None else auth
        self._client = client
        self._client.auth = httpx.BasicAuth(*self._auth.split(":", 1))

    def page(self, path: str) -> str:
        """An address that lets a browser in and leads to a page, once."""
        port = httpx.URL(self.api_url).port
        assert port is not None
        return Loopback(port, self._auth).entrance(path)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of an answer; anything but success is an error."""
        give_up = time.monotonic() + PATIENCE
        while True:
            answer = self._client.request(method, f"{self.api_url}{path}", json=body)
            # The server's database is SQLite: a moment when it is locked is no answer.
            if answer.status_code != 503 or time.monotonic() > give_up:
                break
            time.sleep(_PAUSE)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def start(
        self,
        deployment: str,
        parameters: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """The id of a new flow run of ``flow/deployment``."""
        found = self.ask("GET", f"/deployments/name/{deployment}")
        body = {
            "parameters": parameters or {},
            "job_variables": {"env": dict(environment)} if environment else {},
            "state": {"type": "SCHEDULED"},
        }
        made = self.ask("POST", f"/deployments/{found['id']}/create_flow_run", body)
        return str(made["id"])

    def set_state(self, flow_run_id: str, kind: str, name: str | None = None) -> str:
        """What the server made of a wish for another state: ACCEPT, REJECT or ABORT."""
        state = {"type": kind, "name": name or kind.title()}
        answer = self.ask("POST", f"/flow_runs/{flow_run_id}/set_state", {"state": state})
        return str(answer["status"])

    def retry(self, flow_run_id: str) -> None:
        """What `prefect flow-run retry` and the button in the UI do."""
        assert self.set_state(flow_run_id, "SCHEDULED", "AwaitingRetry") == "ACCEPT"

    def let_go(self, flow_run_id: str, times: int = 1) -> None:
        """Waits until the worker has said its last word of a flow run that died so often.

        It reports a dead process as Crashed twice, some seconds apart, and the second report
        would overwrite a retry that came in between.
        """
        executed = {
            "event": {"name": ["prefect.worker.executed-flow-run"]},
            "related": {"id": [f"prefect.flow-run.{flow_run_id}"]},
        }

        def told() -> bool:
            events = self.ask("POST", "/events/filter", {"filter": executed})["events"]
            return len(events) >= times

        eventually(told, "the worker's last word")

    def cancel(self, flow_run_id: str) -> None:
        """What `prefect flow-run cancel` and the button in the UI do."""
        assert self.set_state(flow_run_id, "CANCELLING") == "ACCEPT"

    def state(self, flow_run_id: str) -> dict[str, Any]:
        """Type, name and message of a flow run's state."""
        found: dict[str, Any] = self.ask("GET", f"/flow_runs/{flow_run_id}")["state"]
        return found

    def end(self, flow_run_id: str, *kinds: str) -> dict[str, Any]:
        """The state of a flow run once it is over; it must be of one of these types."""

        def over() -> dict[str, Any] | None:
            state = self.state(flow_run_id)
            return state if state["type"] in OVER else None

        state = eventually(over, f"the end of {flow_run_id}")
        assert state["type"] in kinds, f"{state}\n{self.log(flow_run_id)}"
        return state

    def question(self, flow_run_id: str, after: str | None = None) -> str:
        """The pause of a flow run whose form can be filled in, and is another than `after`."""

        def pause() -> str | None:
            now = self.state(flow_run_id)
            assert now["type"] not in OVER - {"CANCELLED"}, f"{now}\n{self.log(flow_run_id)}"
            key = now["state_details"]["pause_key"] if now["type"] == "PAUSED" else None
            if key in (None, after):
                return None
            # Prefect stores the form a moment after the state.
            inputs = {"prefix": now["state_details"]["run_input_keyset"]["schema"], "limit": 1}
            path = f"/flow_runs/{flow_run_id}/input/filter"
            return str(key) if self.ask("POST", path, inputs) else None

        return eventually(pause, f"the question of {flow_run_id}")

    def left_open(self, flow_run_id: str) -> list[str]:
        """Names of the task runs of a flow run that have not ended."""
        return [one["name"] for one in self.task_runs(flow_run_id) if one["state_type"] in OPEN]

    def task_runs(self, flow_run_id: str) -> list[dict[str, Any]]:
        """All task runs of a flow run, once the recorder has written what it heard."""
        seen: list[tuple[str, str]] | None = None
        since = time.monotonic()
        while True:
            body = {"flow_runs": {"id": {"any_": [flow_run_id]}}, "sort": "EXPECTED_START_TIME_ASC"}
            rows: list[dict[str, Any]] = self.ask("POST", "/task_runs/filter", body)
            now = [(row["id"], row["state_type"]) for row in rows]
            if now != seen:
                seen, since = now, time.monotonic()
            # The recorder writes once a second.
            if time.monotonic() - since > 1.5:
                return rows
            time.sleep(2 * _PAUSE)

    def log(self, flow_run_id: str) -> str:
        """Everything that was logged for a flow run, a line each, with its level."""
        body = {"logs": {"flow_run_id": {"any_": [flow_run_id]}}, "sort": "TIMESTAMP_ASC"}
        rows = self.ask("POST", "/logs/filter", body)
        return "\n".join(f"{row['level']} {row['message']}" for row in rows)

    def logged(self, flow_run_id: str, words: str) -> str:
        """The log of a flow run once these words are in it: they come a moment later."""
        return eventually(lambda: log if words in (log := self.log(flow_run_id)) else None, words)

    def artifacts(self, flow_run_id: str) -> dict[str, list[dict[str, Any]]]:
        """The artifacts of a flow run by key, the newest first."""
        body = {"flow_runs": {"id": {"any_": [flow_run_id]}}, "sort": "CREATED_DESC"}
        found: dict[str, list[dict[str, Any]]] = {}
        for one in self.ask("POST", "/artifacts/filter", body):
            found.setdefault(one["key"], []).append(one)
        return found

    def graph(self, flow_run_id: str) -> dict[str, Any]:
        """Nodes of the graph, by name, with the names that each comes after."""
        found = self.ask("GET", f"/flow_runs/{flow_run_id}/graph-v2")
        names = {node_id: node["label"] for node_id, node in found["nodes"]}
        roots = [names[one] for one in found["root_node_ids"]]
        after = {
            node["label"]: {names[parent["id"]] for parent in node["parents"]}
            for _, node in found["nodes"]
        }
        return {"roots": roots, "after": after, "count": len(found["nodes"])}


@contextmanager
def asked(api_url: str) -> Iterator[Server]:
    """The server at an address."""
    # A connection that is kept may be closed by the server just when it is used again.
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(verify=False, timeout=120, limits=limits) as client:
        yield Server(api_url, client)


@dataclass(frozen=True)
class Place:
    """Where a worker's runs buy and keep things.

    Attributes:
        folder: Journal and media.
        sandbox: Data folder of the sandbox.
        environment: Of workers.
    """

    folder: Path
    sandbox: Path
    environment: Mapping[str, str]

    @property
    def api_key(self) -> str:
        """The key that the runs buy with."""
        return self.environment["RIVYA_API_KEY"]

    @contextmanager
    def films_held(self) -> Iterator[None]:
        """No film that is bought inside the block ends before its end: its run can be disturbed."""
        admin.set_faults(self.sandbox, _HELD)
        try:
            yield
        finally:
            admin.set_faults(self.sandbox, "")

    def entries(self, flow_run_id: str) -> list[Stamped]:
        """The journal of a flow run's run, or of the one that it called; empty while there is none."""
        if not (self.folder / "journal.sqlite").exists():
            return []
        with contextlib.closing(Journal(f"sqlite:///{self.folder / 'journal.sqlite'}")) as journal:
            found = journal.runs(f"run-{flow_run_id}")
            assert len(found) <= 1, found
            return [entry for run in found for entry in journal.entries(run.run_id)]

    def ends(self, flow_run_id: str) -> list[str]:
        """How each execution of a flow run's run ended, in order."""
        events = [entry.event for entry in self.entries(flow_run_id)]
        return [event.status for event in events if event.kind == "run.ended"]

    def answers(self, flow_run_id: str) -> list[tuple[str, str]]:
        """Each answer in the journal, with the channel by which it came."""
        events = [entry.event for entry in self.entries(flow_run_id)]
        return [
            (event.answer, event.by.channel) for event in events if event.kind == "answer.given"
        ]

    def has_bought(self, flow_run_id: str, step: str) -> bool:
        """Whether the service has accepted a purchase of a step."""
        events = [entry.event for entry in self.entries(flow_run_id)]
        return any(one.kind == "purchase.accepted" and one.step == step for one in events)

    def receipt(self, flow_run_id: str) -> dict[str, Any]:
        """The receipt of a flow run's run."""
        return receipt(self.entries(flow_run_id)).model_dump(mode="json")

    def bought(self, flow_run_id: str) -> Counter[str]:
        """How often the service sold each thing that the journal names, by idempotency key."""
        wanted = {
            event.idempotency_key
            for event in (entry.event for entry in self.entries(flow_run_id))
            if event.kind == "purchase.intended" and event.route == "generation"
        }
        jobs = admin.ledger(self.sandbox)["generations"]
        return Counter(key for job in jobs if (key := job["idempotency_key"]) in wanted)

    def engine_of(self, flow_run_id: str) -> int | None:
        """The process that executes a flow run: the youngest that bears its id."""
        found = _processes(f"PREFECT__FLOW_RUN_ID={flow_run_id}")
        return max(found, key=_started, default=None)


def _processes(marked: str) -> list[int]:
    """Processes with this in their environment, but not this one."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if marked.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def _started(pid: int) -> tuple[int, int]:
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return (0, pid)
    return (int(words[19]), pid)


@contextmanager
def sandbox_process(
    data: Path, *, time_scale: float, media: str = "plain"
) -> Iterator[dict[str, str]]:
    """A sandbox in a process of its own: ``base_url``, ``api_key``, ``data``."""
    command = [sys.executable, "-m", "rivya_sandbox", "serve", "--data", str(data), "--json"]
    command += ["--media", media, "--time-scale", str(time_scale)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, start_new_session=True
    )
    with process:
        assert process.stdout is not None
        try:
            told: dict[str, str] = json.loads(process.stdout.readline())
            yield told
        finally:
            process.terminate()


@contextmanager
def worker(place: Place, pool: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker of a pool, in a process group of its own; nothing of it is left behind."""
    mark = f"a_worker_of_{pool}_{uuid.uuid4().hex}"
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool]
    process = subprocess.Popen(
        command,
        cwd=place.folder,
        env={**place.environment, mark: "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # As a script starts one in the background: it ignores SIGINT.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_IGN),
    )
    try:
        yield process
    finally:
        # The runs of a killed worker live on.
        for pid in _processes(f"{mark}=1"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def without_waker(server: Server) -> None:
    """Removes the waker that another test deployed: it stays in a pool with a worker."""
    named = {"deployments": {"name": {"any_": [WAKER_DEPLOYMENT]}}}
    for found in server.ask("POST", "/deployments/filter", named):
        server.ask("DELETE", f"/deployments/{found['id']}")


@contextmanager
def undisturbed(server: Server) -> Iterator[None]:
    """No automation of another test touches runs meanwhile.

    Some seconds after a crash one would start the run again, before a test on a busy machine does.
    """
    there = [one for one in server.ask("POST", "/automations/filter", {}) if one["name"] in NAMES]
    on = [one["id"] for one in there if one["enabled"]]
    for automation in on:
        server.ask("PATCH", f"/automations/{automation}", {"enabled": False})
    try:
        yield
    finally:
        for automation in on:
            server.ask("PATCH", f"/automations/{automation}", {"enabled": True})


@contextmanager
def opened(folder: Path, server: Server, *, time_scale: float, **settings: str) -> Iterator[Place]:
    """A sandbox, and an empty place whose workers buy there; `undisturbed` is up to the caller.

    Args:
        folder: Gets ``data``, ``sandbox`` and an empty ``specs``.
        server: The Prefect server.
        time_scale: Of the sandbox.
        settings: Further variables of the workers' environment.
    """
    for name in ("data", "specs"):
        (folder / name).mkdir()
    with sandbox_process(folder / "sandbox", time_scale=time_scale) as sandbox:
        environment = {
            **os.environ,
            "PREFECT_API_URL": server.api_url,
            "PREFECT_LOGGING_LEVEL": "INFO",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "NO_COLOR": "1",
            "RIVYA_API_KEY": sandbox["api_key"],
            "RIVYA_BASE_URL": sandbox["base_url"],
            "RIVYA_FLOWS_DATA": str(folder / "data"),
            "RIVYA_FLOWS_SPECS": str(folder / "specs"),
            "RIVYA_POLL_SECONDS": "0.2",
            **settings,
        }
        yield Place(folder / "data", folder / "sandbox", environment)


def deploy_specs(
    place: Place, server: Server, texts: Iterable[str], *, pool_type: str = "campaign"
) -> None:
    """Puts specs into the place's folder, and deploys them with the pools that they name.

    Tells the server what `prefect deploy` would, without a process that imports Prefect first.
    """
    # Tests that another process takes over come back to a server that has the pools already.
    there = {pool["name"] for pool in server.ask("POST", "/work_pools/filter", {})}
    for text in texts:
        workflow = load(text, file="spec", catalogue=shipped(), folder=None)
        (place.folder.parent / "specs" / f"{workflow.name}.yaml").write_text(text)
        form = compile_flow(workflow, spec_text=text, execute=_never)
        flow = server.ask("POST", "/flows/", {"name": workflow.name})
        for one in workflow.deploy:
            entry: dict[str, Any] = deployment(workflow, one)
            pool = entry.pop("work_pool")["name"]
            if pool not in there:
                server.ask("POST", "/work_pools/", {"name": pool, "type": pool_type})
                there.add(pool)
            del entry["version_type"]  # of the file
            assert not entry.pop("schedules")
            told = {
                "flow_id": flow["id"],
                "version": form.version,
                "work_pool_name": pool,
                "pull_steps": [],
                "parameter_openapi_schema": form.parameters.model_dump_for_openapi(),
            }
            server.ask("POST", "/deployments/", entry | told)


async def _never(*_: Any) -> NoReturn:
    raise AssertionError("only its form is asked for")


def deploy(folder: Path, text: str, environment: Mapping[str, str]) -> None:
    """What a user does with the text of a ``prefect.yaml``."""
    (folder / "prefect.yaml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=folder,
        env={**environment, "PREFECT_DEPLOYMENTS_CLEAR_SCHEDULES_ON_EMPTY": "true"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FutureWarning" not in done.stderr
