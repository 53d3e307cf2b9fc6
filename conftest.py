"""What every test may use: an environment of its own, a Prefect server, a sandbox."""

from __future__ import annotations

import asyncio
import atexit
import compileall
import contextlib
import fcntl
import gc
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rivya_flows.flows.server.environment import reread_settings
from rivya_flows.flows.server.local_server import LocalServer
from rivya_flows.processes.local_api import server_auth

if TYPE_CHECKING:
    from rivya_sandbox.service.startup import Sandbox
    from support.cli_calls import Terminal
    from support.prefect_workers import Place, Server

# Prefect reads its settings while it is imported, which test modules do before any fixture runs.
_PREFECT_HOME = tempfile.mkdtemp(prefix="rivya-flows-tests-")
atexit.register(shutil.rmtree, _PREFECT_HOME, ignore_errors=True)
for _name in [name for name in os.environ if name.startswith("PREFECT_")]:
    del os.environ[_name]
os.environ |= {
    "DO_NOT_TRACK": "1",
    "PREFECT_HOME": _PREFECT_HOME,
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "3600",  # no test is long enough for one
    "PREFECT_LOGGING_LEVEL": "WARNING",
}


# A background job of a script ignores SIGINT, and so would each process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

_ROOT = Path(__file__).parent


# Files of many tests that take long and share nothing: the workers share them.
_SHARED = {
    "tests/cluster/test_cluster.py",
    "tests/docs/test_how_to.py",
    "tests/docs/test_tutorials.py",
    "tests/flows/worker/test_campaign_worker.py",
    "tests/frozen/test_runs.py",
}
# What tests marked `prefect` share; it ends where no further one comes, since a server that has nothing to
# do takes a twentieth of a processor.
_SERVING = contextlib.ExitStack()
_UNSERVED: set[Path] = set()  # files whose tests come after all that are marked `prefect`
_MEMORY = Path("/dev/shm")  # of Linux; in many containers too small to be used
_ROOM = 4 * 2**30  # bytes that must be free there


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that the browser was given."""
    addresses: list[str] = []

    def browse(address: str) -> bool:
        addresses.append(address)
        return True

    monkeypatch.setattr("webbrowser.open", browse)
    return addresses


@pytest.hookimpl(tryfirst=True)  # ahead of pytest's own, which reads `basetemp`
def pytest_configure(config: pytest.Config) -> None:
    """Prepares the code for many processes, files for many commits, properties for equal runs."""
    if not hasattr(config, "workerinput"):
        if config.option.basetemp is None:
            config.option.basetemp = _folder_in_memory()
        # Once, ahead of the workers: some tests start a process, which would compile all of it
        # for itself where nothing may be written (PYTHONDONTWRITEBYTECODE).
        for folder in (_ROOT / "src", *_ROOT.glob("packages/*/src")):
            compileall.compile_dir(folder, quiet=2)
    # The same examples in every run: few of them unless `--hypothesis-profile=thorough` asks for
    # many, as scripts/test does; `few` is for scripts/coverage, which asks which lines run;
    # `default` looks for new ones.
    from hypothesis import HealthCheck, settings

    for name, examples in (("few", 5), ("quick", 20), ("thorough", 100)):
        settings.register_profile(
            name,
            derandomize=True,
            max_examples=examples,
            # How long something takes says how busy the machine is.
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        )
    if config.getoption("hypothesis_profile", None) is None:
        settings.load_profile("quick")
    # What Prefect leaves open passes, by its name; everything else stays an error.
    # Each flow run asks for the server's result storage with a client that is never closed.
    config.addinivalue_line("filterwarnings", "ignore:unclosed <socket.socket:ResourceWarning")
    # Its threads draw the length of their pauses from `random`, maybe while a property draws too.
    config.addinivalue_line("filterwarnings", "ignore:Do not use the `random` module inside")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """A worker for each processor, and two more for slow tests: they often wait for a process."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    waiting = 0 if config.option.markexpr in ("not slow", "not prefect") else 2
    return (os.cpu_count() or 1) + waiting


@pytest.hookimpl(tryfirst=True)  # ahead of `-m`
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The slowest files first: one that begins last would be waited for by idle workers.

    Without workers the order stays: scripts/mutation has its own.
    """
    ranks: dict[Path, int] = {}
    for item in items:
        rank = 3
        if item.get_closest_marker("prefect"):
            item.add_marker("slow")
            rank = 1
        elif item.get_closest_marker("slow"):
            rank = 2
        rank = 0 if _is_shared(item.nodeid) else rank
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    if os.environ.get("PYTEST_XDIST_WORKER"):
        items.sort(key=lambda item: ranks[item.path])
        _UNSERVED.update(path for path, rank in ranks.items() if rank > 1)


@pytest.hookimpl(tryfirst=True)  # ahead of the fixtures
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Ends the servers of a worker behind its last test that uses them."""
    if item.path in _UNSERVED:
        _SERVING.close()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives a worker a file at a time, so that what its tests share is made once; of a few files, a test."""
    if config.option.dist != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            scope: str = nodeid if _is_shared(nodeid) else super()._split_scope(nodeid)
            return scope

    config.option.loadscopereorder = False  # keeps the order above
    return Scheduling(config, log)


def _is_shared(nodeid: str) -> bool:
    return nodeid.partition("::")[0] in _SHARED


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Tells Python's garbage collector that what was imported and collected will stay.

    It would look through these 300,000 objects again and again, for a tenth of all processor time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_sessionfinish() -> None:
    """Collects what Prefect left open while the warning about it may still be told apart."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _folder_in_memory() -> str | None:
    """A folder for the files of tests, removed at the end; None where there is no room for it.

    Half of the time of a test that stops a run at each of its writes is spent on a disk. With
    ``--basetemp`` files lie on one, and stay.
    """
    if not (_MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)):
        return None
    if shutil.disk_usage(_MEMORY).free < _ROOM:
        return None
    mine = f"rivya-flows-tests-{os.getuid()}-"
    for left in _MEMORY.glob(f"{mine}*"):  # by a run that was killed
        if not Path("/proc", left.name.removeprefix(mine)).exists():
            shutil.rmtree(left, ignore_errors=True)
    folder = _MEMORY / f"{mine}{os.getpid()}"
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return str(folder)


@pytest.fixture(scope="session")
def prefect_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the session's Prefect server."""
    return tmp_path_factory.mktemp("prefect-server")


@contextlib.contextmanager
def _serving(data: Path) -> Iterator[str]:
    server = LocalServer.start(data)
    try:
        yield asyncio.run(server.ready(timeout_seconds=300))  # the machine may be busy
    finally:
        asyncio.run(server.stop())


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory, prefect_data: Path) -> Iterator[str]:
    """The API's URL of one real server; started for the first test marked `prefect`.

    Half of a first start are migrations, which one worker of pytest-xdist does for all.
    """
    from support.seeded_data import seeded

    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    migrated = shared / "migrated"
    with _SERVING:
        with (shared / "migrating").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if migrated.exists():
                seeded(prefect_data, migrated)
            url = _SERVING.enter_context(_serving(prefect_data))
            if not migrated.exists():
                seeded(migrated, prefect_data)
        yield url


@pytest.fixture(scope="session")
def server(prefect_server: str) -> Server:
    """The same server, to ask and to answer over HTTP."""
    from support.prefect_workers import asked  # heavy, and most tests have no server

    return _SERVING.enter_context(asked(prefect_server))


@pytest.fixture(scope="session")
def _studio(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Place:
    from support.prefect_workers import STUDIO, opened, worker

    folder = tmp_path_factory.mktemp("studio")
    token = {"OWN_TOKEN": "not-for-any-log-4711"}
    # A worker makes a missing pool, of the type `process`.
    server.ask("POST", "/work_pools/", {"name": STUDIO, "type": "campaign"})
    made = _SERVING.enter_context(opened(folder, server, time_scale=0.02, **token))
    _SERVING.enter_context(worker(made, STUDIO))
    return made


@pytest.fixture(scope="module")
def studio(_studio: Place, server: Server) -> Iterator[Place]:
    """A sandbox, and a warm worker of the pool `studio`, which outlive the tests of a process.

    Two modules deploy no specs of one name.
    """
    from support.prefect_workers import undisturbed

    with undisturbed(server):
        yield _studio


@pytest.fixture(autouse=True)
def own_environment(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keeps every test away from the user's keys, settings, servers and files.

    A test marked `prefect` speaks to the session's server; for all others there is none.
    """
    for name in [name for name in os.environ if name.startswith("RIVYA_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RIVYA_FLOWS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("RIVYA_FLOWS_SERVER_IDLE", "0")  # no test leaves a server behind
    # A .env file may lie where the tests were started, with a key that buys.
    monkeypatch.chdir(tmp_path)
    if request.node.get_closest_marker("prefect"):
        monkeypatch.setenv("PREFECT_API_URL", request.getfixturevalue("prefect_server"))
        home = request.getfixturevalue("prefect_data") / "prefect"
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", server_auth(home))
        # A test before this one may have had Prefect read another address, and it still holds it.
        reread_settings()
    else:
        monkeypatch.delenv("PREFECT_API_URL", raising=False)
        monkeypatch.delenv("PREFECT_API_AUTH_STRING", raising=False)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Terminal:
    """Calls commands in this process."""
    from support.cli_calls import Terminal

    return Terminal(capsys)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A local Rivya API with plain media, 1,000 credits, and no waiting."""
    # Here and not above: most tests need neither a web server nor what draws.
    from rivya_sandbox.service.serve import running

    with running(tmp_path / "sandbox") as started:
        yield started


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The sandbox of `shared_sandbox` while it runs."""
    from rivya_sandbox.service.serve import running

    with running(tmp_path_factory.mktemp("shared") / "sandbox") as started:
        yield started


@pytest.fixture
def shared_sandbox(served: Sandbox) -> Iterator[Sandbox]:
    """One for all tests of a module, each with a customer of its own; faults end with a test."""
    from rivya_sandbox.service import admin

    yield served
    admin.set_faults(served.data, "")


@pytest.fixture
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stills of a sixteenth of the pixels, for tests that do not depend on their number."""
    from rivya_sandbox.renderers import frame

    monkeypatch.setattr(frame, "PICTURE_AREA", 256 * 256)
