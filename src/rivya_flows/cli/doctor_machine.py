"""`doctor` on this machine: what is installed, where files go, what time it is."""

from __future__ import annotations

import email.utils
import http.client
import importlib.metadata
import os
import platform
import re
import shlex
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rivya_flows.app.processes import registry as left
from rivya_flows.cli.doctor_checks import Check, ok, problem, warning
from rivya_flows.extras import EXTRAS, install, missing
from rivya_flows.private import private_folder, readable_by_others, secure_data
from rivya_flows.settings import Settings

NEEDED = {
    "prefect": "3.8",
    "pydantic": "2.10",
    "sqlalchemy": "2.0",
    "httpx": "0.28",
    "av": "18.1",
    "pillow": "11",
}
"""Packages whose version matters, and the oldest that does."""

_FREE_BYTES = 2 * 10**9
_SKEW_SECONDS = 30.0
_TOO_MUCH_SKEW_SECONDS = 240.0  # a signed webhook is refused after five minutes
_ANSWER_SECONDS = 5.0


def python() -> Iterator[Check]:
    """The interpreter and the packages that everything needs."""
    yield ok("python", f"{platform.python_version()} on {platform.system()}")
    for package, least in NEEDED.items():
        found = _version(package)
        if found is None:
            yield problem("packages", f"{package} is not installed", "install rivya-flows again")
        elif _numbers(found) < _numbers(least):
            yield problem(
                "packages", f"{package} is {found}, older than {least}", f"update {package}"
            )
    versions = (f"{name} {_version(name)}" for name in ("rivya-flows", "prefect"))
    yield ok("packages", ", ".join(versions))


def extras(settings: Settings) -> Iterator[Check]:
    """What is installed beside."""
    wanted = _wanted(settings)
    there, idle = [], []
    for name, extra in EXTRAS.items():
        absent = missing(name)
        if not absent:
            there.append(name)
        elif name in wanted:
            yield problem(
                "extras", f"{extra.without} (no module {', '.join(absent)})", install(name)
            )
        else:
            idle.append(f"{name} ({extra.without})")
    if there or idle:
        more = f"; not installed and not asked for: {', '.join(idle)}" if idle else ""
        yield ok("extras", (", ".join(there) or "none") + more)


def _wanted(settings: Settings) -> set[str]:
    """Extras without which these settings cannot work."""
    wanted = set()
    if settings.rivya_api_key is None:
        wanted.add("sandbox")
    if settings.store_url.startswith("postgres"):
        wanted.add("postgres")
    if settings.assets_url.startswith(("s3:", "s3a:")):
        wanted.add("s3")
    return wanted


def data_folder(settings: Settings) -> Iterator[Check]:
    """Where local files go."""
    data = settings.data
    private_folder(data)
    secure_data(data)
    probe = data / f"doctor-{uuid.uuid4().hex[:8]}"
    probe.write_bytes(b"probe")
    probe.unlink()
    free = shutil.disk_usage(data).free
    if free < _FREE_BYTES:
        yield warning(
            "data folder", f"{data} has {free / 10**9:.1f} GB left", "free space, or move it"
        )
    else:
        yield ok("data folder", f"{data}, {free / 10**9:.0f} GB free")


def privacy(settings: Settings) -> Iterator[Check]:
    """Whether other users of this machine can read what is ours, by the modes of files."""
    places = [settings.data, settings.data / "prefect" / "prefect.db", Path(".env").absolute()]
    if settings.store_url.startswith("sqlite:///"):
        places.insert(1, Path(settings.store_url.removeprefix("sqlite:///").partition("?")[0]))
    found = [place for place in places if readable_by_others(place)]
    for place in found:
        mode = "700" if place.is_dir() else "600"
        yield warning(
            "privacy", f"other users can read {place}", f"chmod {mode} {shlex.quote(str(place))}"
        )
    if not found:
        yield ok("privacy", "data folder, journal, Prefect's database and .env are yours alone")


def left_running(settings: Settings) -> Iterator[Check]:
    """What `up` left running, if it was ever called here."""
    parts = left.read(settings.data).parts
    if dead := [part for part in parts if not part.lives]:
        names = ", ".join(part.name for part in dead)
        yield warning(
            "up", f"{names} died; see {dead[0].log}", "`rivya-flows up` starts what is missing"
        )
    elif parts:
        yield ok("up", ", ".join(part.name for part in parts) + " run")


def clock(settings: Settings) -> Iterator[Check]:
    """Whether this machine's clock agrees with the service's."""
    told = _time_of(settings.rivya_base_url) if settings.rivya_api_key is not None else None
    if told is None:
        yield ok("clock", time.strftime("%Y-%m-%d %H:%M:%S UTC, not compared", time.gmtime()))
        return
    skew = time.time() - told
    words = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the service"
    hint = "let the machine set its clock by itself (NTP)"
    if abs(skew) > _TOO_MUCH_SKEW_SECONDS:
        yield problem("clock", f"{words}: signed webhooks are refused", hint)
    elif abs(skew) > _SKEW_SECONDS:
        yield warning("clock", words, hint)
    else:
        yield ok("clock", "agrees with the service's")


@dataclass(frozen=True)
class Harm:
    """A variable of Prefect that is known to harm.

    Attributes:
        name: The variable.
        values: Values that harm, lower case; None: each but those of `harmless`.
        suffers: What suffers.
        hint: What to do.
    """

    name: str
    values: frozenset[str] | None
    suffers: str
    hint: str

    def harms(self, value: str) -> bool:
        """Whether this value does."""
        lower = value.strip().lower()
        return lower not in ("", "0") if self.values is None else lower in self.values


_ON, _OFF = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})
_REPEAT = "take it out: a step's `retry` repeats what is free to repeat"
HARMFUL = (
    Harm(
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE",
        _ON,
        "a `prefect` command without a server starts one that loses rows",
        "take it out; `rivya-flows up` starts a real server",
    ),
    Harm("PREFECT_FLOWS_DEFAULT_RETRIES", None, "Prefect would repeat whole runs", _REPEAT),
    Harm(
        "PREFECT_TASKS_DEFAULT_RETRIES",
        None,
        "attempts of Prefect and of the client multiply",
        _REPEAT,
    ),
    Harm("PREFECT_LOGGING_TO_API_ENABLED", _OFF, "the pages of runs have no log", "take it out"),
    Harm(
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT",
        _ON,
        "results are kept a second time, beside the journal",
        "take it out: the journal is what runs go on from",
    ),
)


def environment(variables: Mapping[str, str]) -> Iterator[Check]:
    """Variables that are known to harm."""
    found = False
    for one in HARMFUL:
        if (value := variables.get(one.name)) is not None and one.harms(value):
            found = True
            yield warning("settings", f"{one.name}={value}: {one.suffers}", one.hint)
    if not found:
        yield ok("settings", "nothing that is known to harm is set")


def here() -> dict[str, str]:
    """The environment of this process."""
    return dict(os.environ)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _time_of(base_url: str) -> float | None:
    """What the service's ``Date`` says, in Unix seconds; None where it does not answer."""
    parts = urlsplit(base_url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/api/v1/models")
        told = connection.getresponse().getheader("Date")
        return email.utils.parsedate_to_datetime(told).timestamp() if told else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
