"""The services of `compose.yaml` as processes on loopback, without Docker."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from cluster_compose import Service, services
from cluster_server import PrefectServer

from rivya_flows.processes.ports import choose_port

ROOT = Path(__file__).parent.parent
START_SECONDS = 120
STOP_SECONDS = 15
LOOK_SECONDS = 0.2
CREDITS = 100_000
WORKERS = ("worker-1", "worker-2")
_PACKAGES = ("psycopg", "prefect_redis", "s3fs", "moto", "flask")
_FORGOTTEN = ("PREFECT_", "RIVYA_", "AWS_", "FSSPEC_")


class MissingError(Exception):
    """A program that the cluster needs is not installed."""


class Cluster:
    """PostgreSQL, Redis, an S3-compatible server, a sandbox, Prefect, a receiver, workers.

    Commands and environments of Prefect and of the workers are those of ``compose.yaml``, with
    loopback addresses instead of service names. Workers beyond those of that file are like its first.

    Args:
        folder: Logs, specs and data.
        time_scale: Of the sandbox.
        limit: Flow runs that a worker executes at once.
        workers: Names of workers that may be started.
        journal_apart: The journal has a PostgreSQL server `journal`, beside that of Prefect.

    Attributes:
        store: URL of the journal.
        sandbox: Data folder of the sandbox.
        server: Prefect's API.
    """

    def __init__(
        self,
        folder: Path,
        *,
        time_scale: float,
        limit: int,
        workers: Sequence[str] = WORKERS,
        journal_apart: bool = False,
    ) -> None:
        self.folder = folder
        self.sandbox = folder / "sandbox"
        self._time_scale = time_scale
        self._limit = limit
        self._mark = f"rivya_flows_cluster_{uuid.uuid4().hex}"
        self._members: dict[str, subprocess.Popen[bytes]] = {}
        self._starts: dict[str, Callable[[], None]] = {}
        self._journal = "journal" if journal_apart else "postgres"
        # Not below `folder`: PostgreSQL does not run as root, and its user cannot enter that.
        self._databases = Path(tempfile.mkdtemp(prefix="rivya-flows-cluster-"))
        self._ports = {
            name: choose_port(0, None)
            for name in ("postgres", "journal", "redis", "s3", "server", "receiver", *workers)
        }
        self._metrics_ports = {name: choose_port(0, None) for name in workers}
        self._workers = workers
        self._values = {
            "POSTGRES_PASSWORD": "unused",
            "POSTGRES_PREFECT_PASSWORD": "unused",
            "POSTGRES_RIVYA_PASSWORD": "unused",
            "S3_ROOT_ACCESS_KEY": "unused",
            "S3_ROOT_SECRET_KEY": "unused",
            "S3_ACCESS_KEY": "cluster",
            "S3_SECRET_KEY": secrets.token_hex(8),
            "PREFECT_AUTH": f"cluster:{secrets.token_hex(8)}",
            "RIVYA_FLOWS_PUBLIC_URL": f"http://127.0.0.1:{self._ports['receiver']}",
            "RIVYA_FLOWS_WEBHOOKS": "true",
        }
        self.server = PrefectServer(
            f"http://127.0.0.1:{self._ports['server']}/api", self._values["PREFECT_AUTH"]
        )
        self._services: Mapping[str, Service] = {}
        self.store = ""

    def __enter__(self) -> Cluster:
        try:
            self._start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def environment(self, name: str) -> dict[str, str]:
        """The environment of a service of ``compose.yaml``, on this machine."""
        rest = {one: value for one, value in os.environ.items() if not one.startswith(_FORGOTTEN)}
        home = self.folder / "homes" / name
        home.mkdir(parents=True, exist_ok=True)
        here = {
            "@postgres:5432/rivya": f"@127.0.0.1:{self._ports[self._journal]}/rivya",
            "@postgres:5432": f"@127.0.0.1:{self._ports['postgres']}",
            "//redis:6379": f"//127.0.0.1:{self._ports['redis']}",
            "//server:4200": f"//127.0.0.1:{self._ports['server']}",
            "//s3:7070": f"//127.0.0.1:{self._ports['s3']}",
            "0.0.0.0": "127.0.0.1",
            "/app/specs": str(self.folder / "specs"),
        }
        template = self._services[self._template(name)]
        output = {one: _put(value, here) for one, value in template.environment.items()}
        output |= {"PREFECT_HOME": str(home / "prefect"), "NO_COLOR": "1"}
        if "RIVYA_FLOWS_DATA" in output:
            output |= {"RIVYA_FLOWS_DATA": str(home / "data"), "RIVYA_POLL_SECONDS": "0.5"}
            output |= {"PREFECT_WORKER_QUERY_SECONDS": "2"}
            del output["TMPDIR"]
        if name in self._workers:
            output["PREFECT_WORKER_WEBSERVER_PORT"] = str(self._ports[name])
            output["PREFECT_CLIENT_METRICS_PORT"] = str(self._metrics_ports[name])
        if "PREFECT_SERVER_API_PORT" in output:
            output["PREFECT_SERVER_API_PORT"] = str(self._ports["server"])
        local = "127.0.0.1,localhost"
        output |= {"NO_PROXY": local, "no_proxy": local, f"{self._mark}_{name}": "1"}
        # The programs of this virtual environment, as in an image.
        output["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return rest | output

    def set_up(self) -> None:
        """Create the bucket and deploy the specs, as the service ``setup`` does.

        Raises:
            SystemExit: It failed.
        """
        command = [
            _put(part, {"deploy/": f"{ROOT}/deploy/"}) for part in self._services["setup"].command
        ]
        done = subprocess.run(
            command,
            env=self.environment("setup"),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        (self.folder / "setup.log").write_text(done.stdout + done.stderr)
        if done.returncode:
            raise SystemExit(f"setup: {done.stdout}{done.stderr}")

    def start_receiver(self) -> None:
        """Start the receiver, and register it as a webhook of the sandbox."""
        here = {"8710": str(self._ports["receiver"])}
        command = [_put(part, here) for part in self._services["receiver"].command]
        self._member("receiver", [*command, "--register"], self.environment("receiver"))
        log = self.folder / "receiver.log"
        self._await("receiver", lambda: "webhooks: " in log.read_text())

    def start_worker(self, name: str) -> None:
        """Start a worker; it may take some seconds until it works."""
        template = self._template(name)
        arguments = self._services[template].command
        command = [name if word == template else word for word in arguments]
        self._member(name, [*command, "--limit", str(self._limit)], self.environment(name))

    def stop_worker(self, name: str) -> None:
        """Stop a worker that executes nothing."""
        _end(self._members.pop(name))

    def members(self) -> dict[str, int]:
        """Process ids of the services and workers that run, by name."""
        return {name: process.pid for name, process in self._members.items()}

    def kill_worker(self, name: str) -> int:
        """Kill a worker and all its flow runs, as if its machine died.

        Returns:
            Number of killed processes.
        """
        killed = _kill_all(processes(f"{self._mark}_{name}=1"))
        self._members.pop(name).wait()
        return killed

    def kill_host(self, flow_run: str) -> set[str]:
        """Kill the process that executes a flow run, but not its worker.

        Returns:
            Ids of all flow runs that it executed.
        """
        hosts = self._hosts()
        _kill_all([hosts[flow_run]])
        return {one for one, host in hosts.items() if host == hosts[flow_run]}

    def executing(self, name: str) -> set[str]:
        """Ids of the flow runs that a worker executes now."""
        own = set(processes(f"{self._mark}_{name}=1"))
        return {flow_run for flow_run, host in self._hosts().items() if host in own}

    def _hosts(self) -> dict[str, int]:
        """The process that executes each running flow run."""
        running = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
        found = self.server.ask("POST", "/flow_runs/filter", running)
        return {one["id"]: int(pid) for one in found if (pid := one["infrastructure_pid"])}

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a service and the processes that it started."""
        for pid in [self._members[name].pid, *_children(self._members[name].pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def restart(self, name: str) -> None:
        """Start a service again that was killed."""
        self._members.pop(name).wait()
        self._starts[name]()

    def end(self) -> None:
        """Stop everything, the youngest first."""
        for name in reversed(list(self._members)):
            _end(self._members.pop(name))
        _kill_all(processes(self._mark))
        shutil.rmtree(self._databases, ignore_errors=True)

    def _template(self, name: str) -> str:
        """The service of ``compose.yaml`` that a process is like."""
        return WORKERS[0] if name in self._workers and name not in self._services else name

    # --- one after the other -------------------------------------------------------------------

    def _start(self) -> None:
        for package in _PACKAGES:
            if importlib.util.find_spec(package) is None:
                raise MissingError(f"{package} is not installed; scripts/install does that")
        (self.folder / "specs").mkdir(parents=True, exist_ok=True)
        for name in dict.fromkeys(("postgres", self._journal)):
            self._start_postgres(name)
        self._start_redis()
        self._start_s3()
        self._start_sandbox()
        self._services = services(self._values)
        self.store = self.environment("worker-1")["RIVYA_FLOWS_STORE"]
        self._member("server", self._services["server"].command, self.environment("server"))
        self._await("server", self.server.answers)
        self._member("services", self._services["services"].command, self.environment("services"))

    def _start_postgres(self, name: str) -> None:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not programs:
            raise MissingError("PostgreSQL: there is no initdb in /usr/lib/postgresql")
        user = None
        if os.geteuid() == 0:
            user = "postgres"
            try:
                shutil.chown(self._databases, user)
            except LookupError:
                arguments = "PostgreSQL: it does not run as root, and there is no user postgres"
                raise MissingError(arguments) from None
        data = self._databases / name
        make = [
            str(programs[-1]),
            "-D",
            str(data),
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "-N",
        ]
        subprocess.run(make, user=user, cwd=self._databases, check=True, capture_output=True)
        port = self._ports[name]
        serve = [str(programs[-1].with_name("postgres")), "-D", str(data), "-p", str(port)]
        serve += ["-h", "127.0.0.1", "-k", str(self._databases), "-c", "max_connections=200"]
        self._member(name, serve, dict(os.environ), user=user, cwd=self._databases)

        ask = [str(programs[-1].with_name("psql")), "-v", "ON_ERROR_STOP=1"]
        ask += ["-h", "127.0.0.1", "-p", str(port), "-U", "postgres"]

        def succeeds(*more: str) -> bool:
            environment = os.environ | self._values
            ran = subprocess.run([*ask, *more], env=environment, capture_output=True)
            return ran.returncode == 0

        self._await(name, lambda: succeeds("-c", "SELECT 1"))
        if not succeeds("-f", str(ROOT / "deploy" / "databases.sql")):
            raise SystemExit("PostgreSQL: deploy/databases.sql failed")

    def _start_redis(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise MissingError("Redis: there is no redis-server")
        port = self._ports["redis"]
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        self._member("redis", command, dict(os.environ))
        self._await("redis", lambda: _listens(port))

    def _start_s3(self) -> None:
        port = self._ports["s3"]
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        self._member("s3", command, dict(os.environ))
        self._await("s3", lambda: _listens(port))

    def _start_sandbox(self) -> None:
        command = [sys.executable, "-m", "rivya_sandbox", "serve", "--json"]
        command += ["--data", str(self.sandbox), "--credits", str(CREDITS)]
        command += ["--media", "plain", "--time-scale", str(self._time_scale)]
        command.append("--allow-local-webhooks")
        output = self.folder / "sandbox.json"
        self._member("sandbox", command, dict(os.environ), out=output)
        self._await("sandbox", lambda: output.read_text().endswith("\n"))
        ready: dict[str, Any] = json.loads(output.read_text())
        self._values |= {"RIVYA_API_KEY": ready["api_key"], "RIVYA_BASE_URL": ready["base_url"]}

    def _member(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        user: str | None = None,
        cwd: Path | None = None,
        out: Path | None = None,
    ) -> None:
        def start() -> None:
            with (self.folder / f"{name}.log").open("ab") as log, contextlib.ExitStack() as files:
                stdout = log if out is None else files.enter_context(out.open("wb"))
                self._members[name] = subprocess.Popen(
                    list(command),
                    env={**environment, f"{self._mark}_{name}": "1"},
                    cwd=cwd or self.folder,
                    user=user,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=log,
                    start_new_session=True,
                )

        self._starts[name] = start
        start()

    def _await(self, name: str, ready: Callable[[], bool]) -> None:
        give_up = time.monotonic() + START_SECONDS
        while not ready():
            ended = self._members[name].poll() is not None
            if ended or time.monotonic() > give_up:
                log = (self.folder / f"{name}.log").read_text(errors="replace")
                raise SystemExit(f"{name} did not start: {log[-1500:]}")
            time.sleep(LOOK_SECONDS)


def processes(marked: str) -> list[int]:
    """Processes with these words in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if marked.encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
    return found


def _children(pid: int) -> list[int]:
    """All processes below one; PostgreSQL's have sessions of their own."""
    with contextlib.suppress(OSError):
        own = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [below for one in map(int, own) for below in (one, *_children(one))]
    return []


def _kill_all(pids: Sequence[int]) -> int:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(pids)


def _put(value: str, here: Mapping[str, str]) -> str:
    for there, address in here.items():
        value = value.replace(there, address)
    return value


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
