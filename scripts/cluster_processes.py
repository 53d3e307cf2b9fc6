"""The services of `compose.yaml` as processes on loopback, without Docker."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from cluster_compose import Service, services
from cluster_server import PrefectServer
from members import Members, MissingError, kill_all, listens, start_sandbox

from rivya_flows.processes.ports import choose_port

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.postgresql import NoServerError, make_server

ROOT = Path(__file__).parent.parent
CREDITS = 100_000
WORKERS = ("worker-1", "worker-2")
_PACKAGES = ("psycopg", "prefect_redis", "s3fs", "moto", "flask")
_FORGOTTEN = ("PREFECT_", "RIVYA_", "AWS_", "FSSPEC_")


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
        sandbox_options: Further ones of its command.
        more: Further variables of the environment, by the name of a service.

    Attributes:
        members: Its processes: `postgres`, `redis`, `s3`, `sandbox`, `server`, `services`, `receiver`, workers.
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
        sandbox_options: Sequence[str] = (),
        more: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.folder = folder
        self.sandbox = folder / "sandbox"
        self._limit = limit
        self._sandbox_options = ["--time-scale", str(time_scale), *sandbox_options]
        self._more = more or {}
        self.members = Members(folder)
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
        output |= {"NO_PROXY": local, "no_proxy": local, self.members.variable(name): "1"}
        output |= self._more.get(name, {})
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
        self.members.start(
            "receiver",
            [*command, "--register"],
            self.environment("receiver"),
            ready=lambda: "webhooks: " in self.members.output("receiver"),
        )

    def start_worker(self, name: str) -> None:
        """Start a worker; it may take some seconds until it works."""
        template = self._template(name)
        arguments = self._services[template].command
        command = [name if word == template else word for word in arguments]
        command += ["--limit", str(self._limit)]
        self.members.start(name, command, self.environment(name))

    def kill_host(self, flow_run: str) -> set[str]:
        """Kill the process that executes a flow run, but not its worker.

        Returns:
            Ids of all flow runs that it executed; none if the flow run has ended.
        """
        hosts = self._hosts()
        if (killed := hosts.get(flow_run)) is None:
            return set()
        kill_all([killed])
        return {one for one, host in hosts.items() if host == killed}

    def executing(self, name: str) -> set[str]:
        """Ids of the flow runs that a worker executes now."""
        own = set(self.members.below(name))
        return {flow_run for flow_run, host in self._hosts().items() if host in own}

    def _hosts(self) -> dict[str, int]:
        """The process that executes each running flow run."""
        running = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
        found = self.server.ask("POST", "/flow_runs/filter", running)
        return {one["id"]: int(pid) for one in found if (pid := one["infrastructure_pid"])}

    def end(self) -> None:
        """Stop everything, the youngest first."""
        self.members.end()
        shutil.rmtree(self._databases, ignore_errors=True)

    def _template(self, name: str) -> str:
        """The service of ``compose.yaml`` that a process is like: one that is not in it, a worker."""
        return name if name in self._services else WORKERS[0]

    # --- one after the other -------------------------------------------------------------------

    def _start(self) -> None:
        for package in _PACKAGES:
            if importlib.util.find_spec(package) is None:
                raise MissingError(f"{package} is not installed; scripts/install does that")
        (self.folder / "specs").mkdir(parents=True, exist_ok=True)
        self._values["RIVYA_BASE_URL"], self._values["RIVYA_API_KEY"] = start_sandbox(
            self.members, self.sandbox, CREDITS, ["--allow-local-webhooks", *self._sandbox_options]
        )
        self._services = services(self._values)
        for name in dict.fromkeys(("postgres", self._journal)):
            self._start_postgres(name)
        self._start_redis()
        self._start_s3()
        self.store = self.environment("worker-1")["RIVYA_FLOWS_STORE"]
        for name, ready in (("server", self.server.answers), ("services", lambda: True)):
            command = self._services[name].command
            self.members.start(name, command, self.environment(name), ready=ready)

    def _start_postgres(self, name: str) -> None:
        try:
            server = make_server(self._databases, name)
        except NoServerError as error:
            raise MissingError(f"PostgreSQL: {error}") from None
        port = str(self._ports[name])
        ask = [str(server.programs / "psql"), "-v", "ON_ERROR_STOP=1"]
        ask += ["-h", "127.0.0.1", "-p", port, "-U", "postgres"]

        def succeeds(*more: str) -> bool:
            environment = os.environ | self._values
            ran = subprocess.run([*ask, *more], env=environment, capture_output=True)
            return ran.returncode == 0

        self.members.start(
            name,
            [*server.command, "-p", port, "-h", "127.0.0.1", "-c", "max_connections=200"],
            os.environ,
            ready=lambda: succeeds("-c", "SELECT 1"),
            user=server.user,
            cwd=self._databases,
        )
        if not succeeds("-f", str(ROOT / "deploy" / "databases.sql")):
            raise SystemExit("PostgreSQL: deploy/databases.sql failed")

    def _start_redis(self) -> None:
        program, *options = self._services["redis"].command
        if shutil.which(program) is None:
            raise MissingError("Redis: there is no redis-server")
        port, data = self._ports["redis"], self.folder / "redis"
        data.mkdir(exist_ok=True)
        command = [program, *options, "--port", str(port), "--bind", "127.0.0.1"]
        ask = ["redis-cli", "-p", str(port), "ping"]

        def answers() -> bool:  # not while it reads its file
            return subprocess.run(ask, capture_output=True).stdout == b"PONG\n"

        self.members.start("redis", command, os.environ, ready=answers, cwd=data)

    def _start_s3(self) -> None:
        port = self._ports["s3"]
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        self.members.start("s3", command, os.environ, ready=lambda: listens(port))


def _put(value: str, here: Mapping[str, str]) -> str:
    for there, address in here.items():
        value = value.replace(there, address)
    return value
