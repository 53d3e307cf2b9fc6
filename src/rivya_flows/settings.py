"""All configuration: the environment, then the ``.env`` file of the current folder.

The environment is the user's own; the current folder, and its ``.env``, may be a stranger's.
"""

from __future__ import annotations

import difflib
import io
import re
import shlex
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import annotated_types
from dotenv.parser import parse_stream
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from rivya_flows import environment
from rivya_flows.errors import UsageError

ENV_FILE_VARIABLE = "RIVYA_FLOWS_ENV_FILE"
"""Path of the ``.env`` file with the secrets of specs, for the processes of `up`, which run in
another folder."""

_ALIKE = 0.85
"""How similar a name must be to that of a setting to mean it, from 0 to 1."""

_OURS = "RIVYA"
"""Only our settings begin so: any other such name is a mistake."""

_LIKE_OURS = "RIV"
"""A name that begins so and is like that of a setting is perhaps a mistake."""

_ELSEWHERE = {
    **dict.fromkeys(("URL", "API_URL", "ENDPOINT", "API_ENDPOINT", "HOST"), "BASE_URL"),
    **dict.fromkeys(("KEY", "TOKEN", "API_TOKEN", "ACCESS_TOKEN"), "API_KEY"),
}
"""How other programs call what our settings are: the ends of their names, and of ours."""

_ENVIRONMENT = "environment"

_SHORTEST_SHOWN = 20
"""Characters from which on the last four of a key do not give it away."""

_NAME = re.compile(r"\bRIVYA_[A-Z0-9_]+")
"""Our settings in a text."""

_HOST = "_SERVICE_HOST"
"""How the first variable of a service of Kubernetes ends."""

MAX_ENV_FILE_BYTES = 64 << 10
MAX_TOML_BYTES = 1 << 20

OF_THE_FOLDER = frozenset(
    {
        "rivya_api_key",  # its own account
        "rivya_base_url",  # only with a key in the same file, see `_of_folder`
        "rivya_flows_specs",  # specs lie in the folder too
        # Pace: these cost time, as a spec of the folder may.
        "rivya_poll_seconds",
        "rivya_flows_requests_per_second",
        "rivya_flows_resend_hours",
        "rivya_flows_outage_retries",
        "rivya_flows_webhooks",
        "rivya_flows_webhook_poll_seconds",
        "rivya_flows_worker_limit",
        "rivya_flows_worker_drain_seconds",
        "rivya_flows_model_parallel",
        "rivya_flows_global_limit",
        "rivya_flows_catchup_grace_seconds",
    }
)
"""Settings that ``.env`` may set. The others decide who gets prompts, receipts and secrets, or what
code runs."""

NEVER_OF_THE_FOLDER = frozenset(
    {"rivya_flows_data", "rivya_flows_store", "rivya_flows_assets", "rivya_flows_sandbox"}
)
"""Refused and not ignored: with another journal, finished work would be bought again, and whoever asks for
the sandbox must not buy from a real wallet."""

RUN_HERE = "unset PREFECT_API_URL to run here (of a Prefect profile: set PREFECT_PROFILE=ephemeral)"
"""What to do about a Prefect server that does not answer, where it is not wanted."""

_OF_COMPOSE = frozenset({"prefect_auth", "prefect_ui_api_url", "prefect_ui_origin"})
"""Variables of ``compose.yaml`` that are not settings of Prefect."""

_PREFECT_FILES = {"prefect.toml": (), "pyproject.toml": ("tool", "prefect")}
"""The files of the current folder that configure Prefect beside ``.env``, the one that counts first,
and where in them its settings are.

Source: ``prefect/settings/sources.py`` of Prefect 3.9.
"""

_BETWEEN_PROCESSES = frozenset(
    {
        ENV_FILE_VARIABLE.lower(),
        "rivya_flows_mark",
        "rivya_flows_spec",  # also a setting, of a worker's process
        "rivya_flows_collection",
        "rivya_flows_job_variables",
    }
)
"""Variables that rivya-flows sets for processes that it starts; nobody writes one into ``.env``."""

_KINDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    SecretStr: "text, secret",
    Path: "a path",
}
_BOUNDS = (
    (annotated_types.Ge, "ge", "at least"),
    (annotated_types.Gt, "gt", "above"),
    (annotated_types.Le, "le", "at most"),
)
_WRONG_FORM = "form"
_URL = re.compile(r"https?://(?!.*rvya_)[^/\s]", re.IGNORECASE)
"""A URL, and no key in the wrong place."""

REQUESTS_PER_SECOND = 100.0
"""The most requests per second to one service."""

MAX_RESULTS = 64
"""Most results of one job; no model of the catalogue makes more than six."""

MAX_JOB_BYTES = 4 * 2**30
"""Most bytes of all results of one job together."""


class Settings(BaseSettings):
    """What a user can set; docs/reference/settings.md is written from this class.

    A comment ``# Topic:`` begins a part of that page, and the text below a field is its row.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    # Topic: The service
    rivya_api_key: SecretStr | None = None
    """The key of the service. None: the Prefect block `rivya-api-key` if a Prefect server is set,
    else commands use the local sandbox and workers refuse."""
    rivya_base_url: str = "https://rivya.ai"
    """URL of the service. With a key it must be `https://`, except on this machine."""
    rivya_flows_sandbox: bool = False
    """Everything uses the local sandbox of the data folder, also where there is a key. A worker
    without a key uses it only if this says so; `up` sets it."""
    rivya_flows_live: bool = False
    """A service on this machine leads to a real wallet, so that commands say what they buy from it,
    and ask. Those of other machines always count as real; a local sandbox never does."""

    # Topic: Where things are kept
    rivya_flows_data: Path | None = None
    """The data folder: journal, media, local servers. None: that of the user, such as
    `~/.local/share/rivya-flows`."""
    rivya_flows_store: str | None = None
    """SQLAlchemy URL of the journal: SQLite, or PostgreSQL with the extra `postgres`. None:
    `journal.sqlite` in the data folder."""
    rivya_flows_assets: str | None = None
    """fsspec URL of the media by hash: a folder, or `s3://` with the extra `s3`. None: `assets` in
    the data folder."""
    rivya_flows_keep_media_days: float | None = Field(default=None, gt=0, le=36_500)
    """The receiver deletes once a day what only runs need that ended more than this many days ago.
    None: everything is kept."""
    rivya_flows_keep_flow_runs_days: float = Field(default=30, ge=1, le=36_500)
    """After how many days the server of `up` deletes ended flow runs, with their task runs, logs and
    artifacts. The journal keeps all."""

    # Topic: Specs and folders
    rivya_flows_specs: Path | None = None
    """Another folder whose specs `rivya_flows.flows.campaigns` serves, and that `up` deploys. None:
    `specs` in the current folder."""
    rivya_flows_spec: str | None = None
    """SHA-256 of the deployed spec that a worker's process runs; `deploy` sets it for each
    deployment. None: the spec's file as it is."""
    rivya_flows_trust_folder: Path | None = None
    """The absolute path of a folder whose files may configure Prefect. It counts in that folder
    only. None: no folder is trusted."""

    # Topic: Requests and jobs
    rivya_poll_seconds: float = Field(default=2.5, gt=0, allow_inf_nan=False)
    """First interval between two polls of a job, in seconds. Later ones are longer."""
    rivya_flows_requests_per_second: float = Field(default=REQUESTS_PER_SECOND, ge=0.1, le=10_000)
    """The most requests per second to the service, of all runs of one process together. They start
    at 20 and adapt to the service."""
    rivya_flows_resend_hours: float = Field(default=20, gt=0)
    """An unanswered purchase older than this many hours is not sent again automatically, because the
    service may have forgotten its idempotency key. How long it keeps keys is unknown."""
    rivya_flows_outage_retries: int = Field(default=12, ge=0, le=100)
    """How often in a day a run of a deployment is scheduled again where the service, the store or the
    Prefect server is away: after 30 s, 1, 2, 4, 8 min, then every 10 min. 12 last an hour and a half;
    0: such a run fails."""
    rivya_flows_max_results: int = Field(default=MAX_RESULTS, ge=1)
    """A job with more results than this fails; a resume with a larger number downloads them."""
    rivya_flows_max_job_bytes: int = Field(default=MAX_JOB_BYTES, ge=1)
    """A job whose results have more bytes together fails; a resume with a larger number downloads
    them."""

    # Topic: How much runs at once
    rivya_flows_model_parallel: int = Field(default=100, ge=1)
    """The most jobs of one model at once, of all runs of one process."""
    rivya_flows_global_limit: str | None = None
    """Name of a Prefect global concurrency limit; each run takes one slot of it. None: no slot."""
    rivya_flows_worker_limit: int | None = Field(default=None, ge=1, le=1_000)
    """Flow runs that a worker of `up`, or one of the type `campaign`, executes at once. None: 50; for
    a work pool of the type `process` the number of cores, at least 2."""
    rivya_flows_worker_drain_seconds: float = Field(default=0.0, ge=0, le=86_400)
    """How long a worker of the type `campaign` that gets SIGTERM lets its runs end, taking no new ones.
    What still runs then continues on another worker. 0: it stops at once."""

    # Topic: The receiver and webhooks
    rivya_flows_public_url: str | None = None
    """Where a browser reaches the receiver (`up`, `webhooks listen`), which serves media. None: that of
    `up` where it runs; else pages link to the service's own URLs while those are valid."""
    rivya_flows_webhooks: bool = False
    """A receiver passes the service's webhooks on, so jobs are polled rarely."""
    rivya_flows_webhook_poll_seconds: float = Field(default=60, gt=0)
    """The poll interval while `RIVYA_FLOWS_WEBHOOKS` is on, in seconds."""
    rivya_flows_metrics_auth: SecretStr | None = None
    """`name:password` for the receiver's `/metrics`. None: the receiver serves no metrics."""
    rivya_flows_allow_private_notify: bool = False
    """A `notify` step may call this machine and private networks too."""

    # Topic: Prefect
    prefect_api_url: str | None = None
    """A Prefect server to use. None: that of the active Prefect profile, else that of `up`, else one
    that is started for the run."""
    rivya_flows_server_idle: float = Field(default=600, ge=0, allow_inf_nan=False)
    """How many seconds the Prefect server of a run waits for the next run of the data folder, which
    then starts sooner. 0 ends it with the run."""
    rivya_flows_catchup_grace_seconds: float = Field(default=300, gt=0)
    """A scheduled run that starts more seconds late than this is late, and the `catchup` of its
    schedule decides about it."""

    # Topic: Signing
    rivya_flows_c2pa_certificate: Path | None = None
    """PEM file with the certificate chain that signs composed media, the signer's first. None:
    nothing is signed."""
    rivya_flows_c2pa_key: Path | None = None
    """PEM file with its key: PKCS#8, without a password, mode 0600. None: nothing is
    signed."""

    @field_validator("rivya_flows_trust_folder")
    @classmethod
    def _is_absolute(cls, folder: Path | None) -> Path | None:
        # "." would trust whatever folder a command is called in.
        if folder is not None and not folder.is_absolute():
            raise PydanticCustomError(_WRONG_FORM, "must be the absolute path of a folder")
        return folder

    @field_validator("rivya_base_url", "rivya_flows_public_url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        if url is not None and not _URL.match(url.strip()):
            raise PydanticCustomError(_WRONG_FORM, "takes a URL, such as https://rivya.ai")
        return url

    @field_validator("rivya_base_url")
    @classmethod
    def _is_root(cls, url: str) -> str:
        if url.strip().rstrip("/").endswith("/api"):
            words = "is the address of the service without /api"
            raise PydanticCustomError(_WRONG_FORM, words)
        return url

    @field_validator("rivya_flows_metrics_auth")
    @classmethod
    def _is_pair(cls, auth: SecretStr | None) -> SecretStr | None:
        if auth is not None and not all(auth.get_secret_value().partition(":")):
            raise PydanticCustomError(_WRONG_FORM, "takes name:password")
        return auth

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, then what ``.env`` may set."""
        folder = _of_folder(env_settings() | init_settings())
        return init_settings, env_settings, InitSettingsSource(settings_cls, dict(folder))

    @property
    def data(self) -> Path:
        """The data folder, absolute."""
        return (self.rivya_flows_data or environment.data_folder()).expanduser().absolute()

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the journal."""
        return self.rivya_flows_store or f"sqlite:///{self.data / 'journal.sqlite'}"

    @property
    def assets_url(self) -> str:
        """URL of the media by hash, for fsspec."""
        return self.rivya_flows_assets or (self.data / "assets").as_uri()


def read_settings() -> Settings:
    """The current settings.

    Raises:
        UsageError: ``.env`` sets what it may not, or cannot be read; or a setting has a value that it
            cannot have, which is not shown: it could be a key in the wrong place.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = str(first["loc"][0])
        words = first["msg"] if first["type"] == _WRONG_FORM else f"takes {takes(name)}"
        at = _found(name)
        where, remove = at.place if at else _in_environment(name.upper())
        raise UsageError(
            f"{where}: {name.upper()} {words}", f"correct the value, or {remove}"
        ) from None


class _Usable(Settings):
    """Settings from given values alone."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **_by_name: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def usable_settings() -> Settings:
    """What the environment sets rightly, without ``.env``: what is left where `read_settings` fails."""
    given = EnvSettingsSource(Settings)()
    try:
        return _Usable(**given)
    except ValidationError as error:
        wrong = {one["loc"][0] for one in error.errors(include_input=False)}
        return _Usable(**{name: value for name, value in given.items() if name not in wrong})


def takes(name: str) -> str:
    """The values that a setting of this name takes: ``a whole number, 1 to 1,000``."""
    field = Settings.model_fields[name]
    kinds = typing.get_args(field.annotation) or (field.annotation,)
    [kind] = [one for one in kinds if one is not type(None)]
    bounds = {
        word: f"{getattr(one, attribute):,}".removesuffix(".0")
        for one in field.metadata
        for bound, attribute, word in _BOUNDS
        if isinstance(one, bound)
    }
    if "at least" in bounds and "at most" in bounds:
        return f"{_KINDS[kind]}, {bounds['at least']} to {bounds['at most']}"
    return ", ".join([_KINDS[kind], *(f"{word} {bound}" for word, bound in bounds.items())])


def prefect_profile() -> tuple[str, str] | None:
    """Name and API address of the user's active Prefect profile; None if it names no address.

    From ``PREFECT_PROFILES_PATH``, ``PREFECT_HOME`` or the home of the user, never from the current
    folder. Read here, since Prefect takes more than a second to be imported.

    Raises:
        UsageError: The file of the profiles cannot be read.
    """
    own = environment.variables()
    home = Path(own.get("PREFECT_HOME") or "~/.prefect").expanduser()
    file = Path(own.get("PREFECT_PROFILES_PATH") or home / "profiles.toml").expanduser()
    if not (file.is_absolute() and file.is_file()):
        return None
    try:
        with file.open("rb") as opened:
            text = opened.read(MAX_ENV_FILE_BYTES).decode()
        found = tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{file}: {getattr(error, 'strerror', None) or 'not a file of Prefect profiles'}",
            "mend it, or set PREFECT_API_URL",
        ) from None
    name = own.get("PREFECT_PROFILE") or found.get("active")
    profiles = found.get("profiles")
    profile = profiles.get(name) if isinstance(profiles, dict) else None
    url = profile.get("PREFECT_API_URL") if isinstance(profile, dict) else None
    return (str(name), url) if isinstance(url, str) and url else None


def read_secret(name: str) -> SecretStr | None:
    """A secret that a spec names, from the environment or ``.env``; None if it is not set.

    Raises:
        UsageError: ``.env`` cannot be read.
    """
    own = environment.variables()
    if found := own.get(name):
        return SecretStr(found)
    entry = _read(Path(own.get(ENV_FILE_VARIABLE) or ".env")).get(name)
    return SecretStr(entry.value) if entry else None


def variables_for_children() -> dict[str, str]:
    """The environment of processes that run in another folder with these settings.

    From ``.env`` they get the settings that it may set, and its path, to look up secrets of specs.
    Any other variable of it, such as ``PYTHONPATH``, could change what code they run.

    Raises:
        UsageError: The file cannot be read.
    """
    file = Path(".env")
    folder = {name.upper(): value for name, value in _of_folder({}, checked=False).items()}
    if file.is_file():
        folder[ENV_FILE_VARIABLE] = str(file.absolute())
    own = environment.variables()
    # An empty variable does not override the file.
    return folder | {name: value for name, value in own.items() if value or name not in folder}


class Place(NamedTuple):
    """Where a variable is set.

    Attributes:
        where: ``environment``, or ``.env, line 3``.
        remove: What removes it there: a command, or which line to remove.
    """

    where: str
    remove: str


def located(message: str, hint: str | None) -> str:
    """The message of an error, and where the settings are set that it or its hint names."""
    try:
        named = dict.fromkeys(_NAME.findall(f"{message} {hint}"))
        places = {name: _found(name) for name in named if name.lower() in Settings.model_fields}
    except UsageError:  # of a file that cannot be read
        return message
    found = [
        f"{_shown(name, one)}: {one.place.where}"
        for name, one in places.items()
        if one and one.place.where not in message
    ]
    return f"{message} ({'; '.join(found)})" if found else message


def set_here() -> dict[str, str]:
    """Where each setting is set that counts, by its name, and that of the key with its end.

    Raises:
        UsageError: ``.env`` cannot be read.
    """
    found = {name: _found(name) for name in Settings.model_fields.keys() - _BETWEEN_PROCESSES}
    return {
        _shown(name.upper(), one): one.place.where
        for name, one in sorted(found.items())
        if one and (one.place.where == _ENVIRONMENT or name in OF_THE_FOLDER)
    }


def _shown(name: str, entry: _Entry) -> str:
    return f"{name} {end_of(entry.value)}" if name == "RIVYA_API_KEY" else name


def end_of(key: str) -> str:
    """The end of a key, ``…abcd``; only ``…`` of one so short that this gives it away."""
    return f"…{key[-4:] if len(key) >= _SHORTEST_SHOWN else ''}"


def _found(name: str) -> _Entry | None:
    """A setting, and where it has its value from; the environment overrides ``.env``."""
    own = {one: value for one, value in environment.variables().items() if value}
    places = {one: _Entry(value, _in_environment(one)) for one, value in own.items()}
    found = [*places.items(), *_read(Path(".env")).items()]
    return next((one for given, one in found if given.upper() == name.upper()), None)


def _in_environment(name: str) -> Place:
    return Place(_ENVIRONMENT, f"`unset {shlex.quote(name)}`")


def ignored_of_folder() -> dict[str, Place]:
    """Settings that ``.env`` sets although it may not; they are ignored.

    Raises:
        UsageError: The file cannot be read.
    """
    refused = NEVER_OF_THE_FOLDER | {"prefect_api_url"}
    known = Settings.model_fields.keys() - OF_THE_FOLDER - _BETWEEN_PROCESSES - refused
    found = _read(Path(".env")).items()
    return {name: entry.place for name, entry in found if name.lower() in known}


def overridden_of_folder() -> dict[str, Place]:
    """Settings of ``.env`` for which the environment has another value, which counts.

    Raises:
        UsageError: The file cannot be read.
    """
    own = {name.upper(): value for name, value in environment.variables().items() if value}
    return {
        upper: entry.place
        for name, entry in _read(Path(".env")).items()
        if (upper := name.upper()).lower() in OF_THE_FOLDER
        and own.get(upper, entry.value) != entry.value
    }


class UnknownName(NamedTuple):
    """A variable that begins with ``RIVYA``, or is like one that does, and is no setting.

    Attributes:
        name: The variable.
        where: See `Place`.
        hint: What to do.
        is_ours: It begins with ``RIVYA``, so that nothing real is bought beside it.
    """

    name: str
    where: str
    hint: str
    is_ours: bool


def unknown_names() -> list[UnknownName]:
    """Variables that begin with ``RIVYA``, or like it, and are no setting, of the environment and of ``.env``.

    Raises:
        UsageError: The file cannot be read.
    """
    known = {name.upper() for name in Settings.model_fields.keys() - _BETWEEN_PROCESSES}
    own = {name for name, value in environment.variables().items() if value}
    # Kubernetes sets such variables in every container for a service that is called like us.
    services = {name.removesuffix(_HOST) for name in own if name.endswith(_HOST)}
    links = tuple(f"{one}_{kind}" for one in services for kind in ("SERVICE_", "PORT"))
    places = [
        (name, _in_environment(name))
        for name in own
        if name.lower() not in _BETWEEN_PROCESSES and not name.startswith(links)
    ]
    places += [(name, entry.place) for name, entry in _read(Path(".env")).items()]
    found = (_unknown(name, place, known) for name, place in sorted(places))
    return [one for one in found if one is not None]


def _unknown(name: str, place: Place, known: set[str]) -> UnknownName | None:
    """What is wrong with a name; None if it is a setting, or somebody else's."""
    upper = name.upper()
    if upper in known or not upper.startswith(_LIKE_OURS):
        return None
    is_ours = upper.startswith(_OURS)
    hint, meant = place.remove, _meant(upper, known)
    if is_ours and upper.endswith("_BUDGET"):
        hint += "; a budget is `--budget N`, or `budget: {credits: N}` in the spec"
    elif meant is not None:
        in_file = place.where != _ENVIRONMENT and meant.lower() in OF_THE_FOLDER
        instead = f"set {meant} in the environment instead"
        hint = f"write {meant} instead, or {hint}" if in_file else f"{hint}, and {instead}"
    elif is_ours:
        hint += "; a variable of yours needs a name that does not begin with RIVYA"
    else:
        return None
    return UnknownName(name, place.where, hint, is_ours)


def _meant(upper: str, known: set[str]) -> str | None:
    """The setting that a name resembles, also without or with ``FLOWS_``.

    None for one with a longer name, such as that of an old key.
    """
    if upper.startswith(tuple(f"{one}_" for one in known)):
        return None
    end = upper.removeprefix("RIVYA_").removeprefix("FLOWS_")
    end = _ELSEWHERE.get(end, end)
    spellings = (f"RIVYA_{end}", f"RIVYA_FLOWS_{end}", upper)
    found = (difflib.get_close_matches(one, known, 1, _ALIKE) for one in spellings)
    return next((match for [match] in filter(None, found)), None)


def refuse_prefect_files(settings: Settings) -> None:
    """Refuse files of the current folder from which Prefect would configure itself.

    They name the server that gets prompts and keys, and can let Prefect call any code. Prefect
    reads them when it is imported, in the current folder alone, and we cannot prevent it.

    Raises:
        UsageError: There is such a file, and the folder is not the one that is trusted.
            (`Settings` looks at ``.env``.)
    """
    if _trusts(settings.rivya_flows_trust_folder):
        return
    for name, keys in _PREFECT_FILES.items():
        if _of_toml(Path(name), keys) is not None:
            where = f", [{'.'.join(keys)}]," if keys else ""
            raise UsageError(
                f"{name}: Prefect's settings{where} cannot come from a folder",
                f"set it in the environment; or, {_trust_hint()}; or call the command from another"
                " folder",
            )


def _trust_hint() -> str:
    # Quoted, because people copy it and the folder's name may be hostile.
    path = shlex.quote(str(Path.cwd()))
    return f"if the files of this folder are yours, `export RIVYA_FLOWS_TRUST_FOLDER={path}`"


def _trusts(folder: object) -> bool:
    """Whether the current folder is this one."""
    if not isinstance(folder, str | Path) or not Path(folder).is_absolute():
        return False
    try:
        return Path(folder).samefile(Path())
    except OSError:
        return False


def _of_toml(file: Path, keys: tuple[str, ...]) -> dict[str, object] | None:
    """What a file has under these keys; None if it is not there.

    Empty where it cannot be read: Prefect reads it too, and may understand more of it.
    """
    if not file.exists():
        return None
    if not file.is_file():  # a pipe or a device has no end
        return {}
    try:
        with file.open("rb") as opened:
            found: object = tomllib.loads(opened.read(MAX_TOML_BYTES + 1).decode())
            if opened.tell() > MAX_TOML_BYTES:
                return {}
    except (OSError, ValueError, RecursionError):
        return {}
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if found is None or isinstance(found, dict) else {}


def _api_url_of_files() -> dict[str, str]:
    """The address of a server that the files of a trusted folder name beside ``.env``."""
    for name, keys in _PREFECT_FILES.items():
        api = (_of_toml(Path(name), keys) or {}).get("api")
        url = api.get("url") if isinstance(api, dict) else None
        if isinstance(url, str) and url:
            return {"prefect_api_url": url}
    return {}


def _of_folder(chosen: Mapping[str, object], *, checked: bool = True) -> Mapping[str, str]:
    """The settings that ``.env`` sets and may set, by name.

    Args:
        chosen: Settings from elsewhere, which override the file.
        checked: Refuse a file that sets what it may not.

    Raises:
        UsageError: The file would send a key from elsewhere to its address, move the journal, or
            configure Prefect, which reads that file by itself.
    """
    found = {name.lower(): entry for name, entry in _read(Path(".env")).items()}
    trusts = _trusts(chosen.get("rivya_flows_trust_folder"))
    for name in sorted(found) if checked else ():
        of_prefect = name.startswith("prefect_") and name not in _OF_COMPOSE
        if name in NEVER_OF_THE_FOLDER or (of_prefect and not trusts):
            where, remove = found[name].place
            hint = f"set it in the environment, and {remove}"
            raise UsageError(
                f"{where}: {name.upper()} cannot be set by a file in a folder",
                f"{hint}; or, {_trust_hint()}" if of_prefect else hint,
            )
    allowed = {name: entry.value for name, entry in found.items() if name in OF_THE_FOLDER}
    if trusts:
        allowed |= _api_url_of_files()
        allowed |= {name: entry.value for name, entry in found.items() if name == "prefect_api_url"}
    address_counts = "rivya_base_url" in allowed and "rivya_base_url" not in chosen
    foreign_key = "rivya_api_key" not in allowed or "rivya_api_key" in chosen
    if checked and address_counts and foreign_key:
        raise UsageError(
            f"{found['rivya_base_url'].place.where}: RIVYA_BASE_URL counts only together with a RIVYA_API_KEY in the same file,"
            " so that no other key is sent there",
            "set RIVYA_BASE_URL in the environment, or "
            + (
                "`unset RIVYA_API_KEY` to use the key of the file"
                if "rivya_api_key" in allowed
                else "write the key of that service into the file too"
            ),
        )
    return allowed


class _Entry(NamedTuple):
    """A value, and where it is set."""

    value: str
    place: Place


def _read(file: Path) -> dict[str, _Entry]:
    """The non-empty values of an ``.env`` file; none if it is not a file.

    ``${NAME}`` is not expanded: it would copy variables of the environment, such as the key.
    """
    if not file.is_file():  # a pipe has no end
        return {}
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_ENV_FILE_BYTES + 1)
        if len(content) > MAX_ENV_FILE_BYTES:
            raise UsageError(f"{file}: is larger than 64 KiB", "remove what is not a setting")
        text = content.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8 text", "save it as UTF-8, or remove it") from None
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or error}", "make it readable") from error
    values = dict[str, _Entry]()
    for line in parse_stream(io.StringIO(text)):
        # Nothing of the line is shown: it may be a key.
        written = line.original.string.lstrip()
        number = line.original.line + line.original.string[: -len(written)].count("\n")
        if line.error or (line.key and line.value is None):
            wrong = "cannot be read" if "=" in written else 'no "="'
            raise UsageError(
                f"{file}, line {number}: {wrong}", "write NAME=value, with both quotes or none"
            )
        if line.key:
            place = Place(f".env, line {number}", f"remove line {number} of .env")
            before = values.get(line.key)
            if before and before.value != line.value and line.key.upper().startswith("RIVYA"):
                words = f"{file}, line {number}: {line.key} has another value than in {before.place.where}"
                raise UsageError(words, f"{place.remove}, or {before.place.remove}")
            values[line.key] = _Entry(line.value or "", place)
    return {name: entry for name, entry in values.items() if entry.value}
