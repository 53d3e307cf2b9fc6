"""All checks of `doctor`, in the order in which one thing needs another; and those of this machine."""

from __future__ import annotations

import contextlib
import email.utils
import platform
import shlex
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from rivya_flows.doctor import checks as of_runs
from rivya_flows.doctor.checks import Check, Checks, ok, problem, run_checks, warning
from rivya_flows.engine.signing import signer_of
from rivya_flows.environment import variables
from rivya_flows.errors import UsageError
from rivya_flows.extras import EXTRAS, install, missing
from rivya_flows.money.live_guard import account
from rivya_flows.private import private_folder, readable_by_others, secure_data
from rivya_flows.processes import registry
from rivya_flows.processes.ports import probe
from rivya_flows.setting_mistakes import (
    ignored_of_folder,
    overridden_of_folder,
    set_here,
    unknown_names,
    with_places,
)
from rivya_flows.settings import Settings

_FREE_BYTES = 2 * 10**9
_MOST_FILES = 100_000  # about a second
_SKEW_SECONDS = 30.0
_TOO_MUCH_SKEW_SECONDS = 240.0  # a signed webhook is refused after five minutes
_ANSWER_SECONDS = 5.0


def examine(
    settings: Settings,
    *,
    with_key: Callable[[Settings], Awaitable[Settings]],
    prefect_checks: Callable[[Settings], Checks],
    live: bool = False,
    wrong: Sequence[UsageError] = (),
) -> list[Check]:
    """Check this machine, the places that runs need, and the Prefect server; buys nothing.

    Args:
        with_key: Adds the key of the Prefect block `rivya-api-key`, if there is one.
        wrong: Why `settings` are only some of those that are set: no service is tried with them, and
            Prefect, which would configure itself from the same files, is not imported.
    """
    checks: list[Check] = []
    keyed, silent = settings, list[UsageError]()

    def look(name: str, check: Callable[[Settings], Checks]) -> None:
        checks.extend(run_checks(name, lambda: check(settings)))

    async def service(settings: Settings) -> AsyncIterator[Check]:
        nonlocal keyed
        try:
            keyed = await with_key(settings)
        except UsageError as error:
            if not isinstance(error.__cause__, TimeoutError):
                raise
            silent.append(error)  # after a long wait: asked once
            message = "not checked: the Prefect server does not say the key"
            raise UsageError(message, error.hint) from error
        async for one in of_runs.service(keyed):
            yield one

    look("python", lambda _: python())
    look("extras", extras)
    look("settings", lambda _: environment(variables(), wrong))
    if not wrong:
        look("set", lambda _: places_of_settings())
    for name, check in _HERE.items():
        look(name, check)
    if wrong:
        look("up", partial(left_running, compares=False))
        message = "not tried, nor what needs it: the settings are wrong"
        return [*checks, warning(message, "correct them", name="service")]
    look("service", service)
    # Without the service these would say the same again, each after a wait.
    serves = not any(one.name == "service" and one.status == "problem" for one in checks)
    if live and serves:
        look("live", lambda _: of_runs.contract(keyed))
    if serves:
        look("clock", clock)
    look("public url", of_runs.public_url)
    if serves:
        look("webhooks", lambda _: of_runs.webhooks(keyed))
    look("up", left_running)
    unreached = [problem(str(one), one.hint) for one in silent]
    look("prefect server", lambda one: unreached or prefect_checks(one))
    return checks


def python() -> Iterator[Check]:
    """The interpreter and the packages that everything needs."""
    yield ok(f"{platform.python_version()} on {platform.system()}")
    yield from packages(requires("rivya-flows") or ())


def packages(required: Iterable[str]) -> Iterator[Check]:
    """Whether the packages of these requirements are here, each in a version that fits; extras aside."""
    name = "packages"
    for one in map(Requirement, required):
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(one.name)
        except PackageNotFoundError:
            yield problem(f"{one.name} is not installed", "install rivya-flows again", name=name)
            continue
        if not one.specifier.contains(found, prereleases=True):
            message = f"{one.name} is {found}, and rivya-flows needs {one.specifier}"
            wanted = shlex.quote(f"{one.name}{one.specifier}")
            yield problem(message, f"pip install {wanted}", name=name)
    versions = (f"{one} {version(one)}" for one in ("rivya-flows", "prefect"))
    yield ok(", ".join(versions), name=name)


def extras(settings: Settings) -> Iterator[Check]:
    needed = {
        "sandbox": settings.rivya_api_key is None,
        "postgres": settings.store_url.startswith("postgres"),
        "s3": settings.assets_url.startswith(("s3:", "s3a:")),
    }
    there, idle = [], []
    for name, extra in EXTRAS.items():
        absent = missing(name)
        if not absent:
            there.append(name)
        elif needed.get(name):
            yield problem(f"{extra.without} (no module {', '.join(absent)})", install(name))
        else:
            idle.append(f"{name} ({extra.without})")
    if there or idle:
        more = f"; not installed and not needed: {', '.join(idle)}" if idle else ""
        yield ok((", ".join(there) or "none") + more)


def data_folder(settings: Settings) -> Iterator[Check]:
    data = settings.data
    private_folder(data)
    secure_data(data)
    tempfile.TemporaryFile(dir=data).close()
    free = shutil.disk_usage(data).free
    if free < _FREE_BYTES:
        message = f"{data} has {free / 10**9:.1f} GB left; {_sizes_in(data)}"
        yield warning(message, "free space (`rivya-flows store prune`), or move it")
    else:
        yield ok(f"{data}, {free / 10**9:.0f} GB free; {_sizes_in(data)}")


def specs(settings: Settings) -> Iterator[Check]:
    """What `up` deploys, if a setting says where that is."""
    folder = settings.rivya_flows_specs
    if folder is not None and not folder.expanduser().is_dir():
        message = "RIVYA_FLOWS_SPECS names no folder: `up` deploys nothing of it"
        yield problem(with_places(message, None), "correct or remove it")


def signing(settings: Settings) -> Iterator[Check]:
    if signer_of(settings) is not None:
        yield ok("composed media are signed")


def _sizes_in(data: Path) -> str:
    """The sizes of the parts of the data folder, such as ``assets 6.9 MB, other 0.2 MB``, or ``empty``."""
    sizes = Counter[str]()
    for looked, path in enumerate(data.rglob("*")):
        if looked == _MOST_FILES:
            return f"more than {_MOST_FILES:,} files"
        with contextlib.suppress(OSError):  # it may be gone by now
            part = data / path.relative_to(data).parts[0]
            sizes[part.name if part.is_dir() else "other"] += path.lstat().st_blocks * 512
    parts = (f"{name} {size / 10**6:.1f} MB" for name, size in sorted(sizes.items()))
    return ", ".join(parts) or "empty"


def privacy(settings: Settings) -> Iterator[Check]:
    """Whether file modes let other users of this machine read our files."""
    places = [settings.data, settings.data / "prefect" / "prefect.db", Path(".env").absolute()]
    if settings.store_url.startswith("sqlite:///"):
        places.insert(1, Path(settings.store_url.removeprefix("sqlite:///").partition("?")[0]))
    found = [path for path in places if readable_by_others(path)]
    for path in found:
        hint = f"chmod {'700' if path.is_dir() else '600'} {shlex.quote(str(path))}"
        yield warning(f"other users can read {path}", hint)
    if not found:
        yield ok("only you can read data folder, journal, Prefect's database and .env")


_HERE: dict[str, Callable[[Settings], Checks]] = {  # that need no service
    "data folder": data_folder,
    "privacy": privacy,
    "specs": specs,
    "signing": signing,
    "store": of_runs.store,
    "assets": of_runs.assets,
}


def left_running(settings: Settings, *, compares: bool = True) -> Iterator[Check]:
    """The processes of `up`, if there are any."""
    left = registry.read(settings.data)
    parts, worker = left.parts, left.part("worker")
    wanted = account(settings, worker.mark) if worker else ""
    if compares and worker and wanted != worker.account:
        other = "another RIVYA_API_KEY or RIVYA_BASE_URL" if worker.account else "the local sandbox"
        use = "use this key" if wanted else "rehearse"
        yield warning(
            f"the worker of `up` was started with {other}: runs of deployments buy {worker.source}",
            f"`rivya-flows down` first, then `rivya-flows up` to {use}",
        )
    if dead := [part for part in parts if not part.lives]:
        names = ", ".join(part.name for part in dead)
        hint = "`rivya-flows up` starts what is missing"
        yield warning(f"{names} died; see {dead[0].log}", hint)
    elif absent := {"server", "receiver", "worker", "watcher"} - {part.name for part in parts}:
        if parts:
            names = ", ".join(sorted(absent))
            yield warning(f"{names} do not run; see logs/watcher.log", "`rivya-flows up`")
    else:
        buys = f"; the worker buys {worker.source}" if worker else ""
        running = (
            f"{one.name} (restarted: {one.restarts})" if one.restarts else one.name for one in parts
        )
        yield ok(f"{', '.join(running)} run{buys}")


def clock(settings: Settings) -> Iterator[Check]:
    """Whether this machine's clock agrees with the service's."""
    url = f"{settings.rivya_base_url.rstrip('/')}/api/v1/models"
    asks = settings.rivya_api_key is not None
    answer = probe(url, timeout_seconds=_ANSWER_SECONDS) if asks else None
    try:
        date = answer.getheader("Date", "") if answer else ""
        skew = time.time() - email.utils.parsedate_to_datetime(date).timestamp()
    except ValueError:
        yield ok(time.strftime("%Y-%m-%d %H:%M:%S UTC, not compared", time.gmtime()))
        return
    message = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the service"
    hint = "let the machine synchronize its clock (NTP)"
    if abs(skew) > _TOO_MUCH_SKEW_SECONDS:
        yield problem(f"{message}: signed webhooks are refused", hint)
    elif abs(skew) > _SKEW_SECONDS:
        yield warning(message, hint)
    else:
        yield ok("agrees with the service's")


_ON, _OFF = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_RETRY = "unset it; `retry` of a step repeats only free requests"
HARMFUL: tuple[tuple[str, tuple[str, ...] | None, str, str], ...] = (
    ("PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", _ON, "a `prefect` command without a server starts one that loses rows",
     "unset it; `rivya-flows up` starts a real server"),
    ("PREFECT_FLOWS_DEFAULT_RETRIES", None, "Prefect would repeat whole runs", _RETRY),
    ("PREFECT_TASKS_DEFAULT_RETRIES", None, "attempts of Prefect and the client multiply", _RETRY),
    ("PREFECT_LOGGING_TO_API_ENABLED", _OFF, "the pages of runs have no log", "unset it"),
    ("PREFECT_RESULTS_PERSIST_BY_DEFAULT", _ON, "results are stored twice, in the journal and by Prefect",
     "unset it: runs continue from the journal"),
)  # fmt: skip
"""Variables of Prefect, harmful values (None: all but 0 and empty), effect and hint."""


def environment(variables: Mapping[str, str], wrong: Sequence[UsageError] = ()) -> Iterator[Check]:
    """Why settings cannot be read, and variables that break something, or are called like a setting and are none."""
    found = [problem(with_places(str(one), one.hint), one.hint) for one in wrong]
    for name, values, effect, hint in HARMFUL:
        value = variables.get(name, "").strip().lower()
        if value in values if values else value not in ("", "0"):
            found.append(warning(f"{name}={variables[name]}: {effect}", hint))
    for one in (*unknown_names(), *overridden_of_folder(), *ignored_of_folder()):
        doubt = problem if one.is_ours else warning
        found.append(doubt(f"{one.where}: {one.message}", one.hint))
    if not found:
        yield ok("no harmful variable is set, and no unknown one")
    first = {one.message: one for one in reversed(found)}  # a wrong setting may be unknown, too
    yield from (one for one in found if first[one.message] is one)


def places_of_settings() -> Iterator[Check]:
    """Which settings are set, and where; no value but the end of the key."""
    if found := set_here():
        yield ok(", ".join(f"{name} ({where})" for name, where in found.items()))
