"""All configuration: the environment, then the ``.env`` file of the current folder."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import annotated_types
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import PydanticCustomError

from rivya_flows import environment
from rivya_flows.errors import UsageError
from rivya_flows.folder_settings import (
    ENVIRONMENT,
    EnvEntry,
    entry_of,
    read_env_file,
    refuse,
    settings_of_folder,
)

ENV_FILE_VARIABLE = "RIVYA_FLOWS_ENV_FILE"
"""Path of the ``.env`` file with the secrets of specs, for processes that run in another folder."""

RUN_HERE = "unset PREFECT_API_URL to run here (of a Prefect profile: set PREFECT_PROFILE=ephemeral)"
"""What to do about a Prefect server that does not answer, where it is not wanted."""

BETWEEN_PROCESSES = frozenset(
    {
        ENV_FILE_VARIABLE.lower(),
        "rivya_flows_mark",
        "rivya_flows_spec",  # also a setting, of a worker's process
        "rivya_flows_collection",
        "rivya_flows_job_variables",
        "rivya_flows_price",
    }
)
"""Variables that rivya-flows sets for processes that it starts; no person writes one into ``.env``."""

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


def _form(is_right: Callable[[Any], object], message: str) -> AfterValidator:
    """Refuses a value of another form, with this message."""

    def check(value: Any) -> Any:
        if value is not None and not is_right(value):
            raise PydanticCustomError(_WRONG_FORM, message)
        return value

    return AfterValidator(check)


# "." would trust whatever folder a command is called in.
_ABSOLUTE = _form(Path.is_absolute, "must be the absolute path of a folder")
_A_URL = _form(lambda url: _URL.match(url.strip()), "takes a URL, such as https://rivya.ai")
_A_ROOT = _form(
    lambda url: not url.strip().rstrip("/").endswith("/api"),
    "is the address of the service without /api",
)
_A_PAIR = _form(lambda auth: all(auth.get_secret_value().partition(":")), "takes name:password")


class Settings(BaseModel):
    """What a user can set; docs/reference/settings.md is written from this class.

    A comment ``# Topic:`` begins a part of that page, and the text below a field is its row.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    # Topic: The service
    rivya_api_key: SecretStr | None = None
    """The key of the service. None: the Prefect block `rivya-api-key` if a Prefect server is set,
    else commands use the local sandbox and workers refuse."""
    rivya_base_url: Annotated[str, _A_URL, _A_ROOT] = "https://rivya.ai"
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
    rivya_flows_trust_folder: Annotated[Path | None, _ABSOLUTE] = None
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
    rivya_flows_public_url: Annotated[str | None, _A_URL] = None
    """Where a browser reaches the receiver (`up`, `webhooks listen`), which serves media. None: that of
    `up` where it runs; else pages link to the service's own URLs while those are valid."""
    rivya_flows_webhooks: bool = False
    """A receiver passes the service's webhooks on, so jobs are polled rarely."""
    rivya_flows_webhook_poll_seconds: float = Field(default=60, gt=0)
    """The poll interval while `RIVYA_FLOWS_WEBHOOKS` is on, in seconds."""
    rivya_flows_metrics_auth: Annotated[SecretStr | None, _A_PAIR] = None
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

    @property
    def store_variables(self) -> dict[str, str]:
        """The variables of a process that reads the store and its media, and nothing else."""
        own = {"RIVYA_FLOWS_DATA": str(self.data), "RIVYA_FLOWS_STORE": self.rivya_flows_store}
        own["RIVYA_FLOWS_ASSETS"] = self.rivya_flows_assets
        return {name: value for name, value in own.items() if value}


def read_settings() -> Settings:
    """The current settings: those of the environment, then what ``.env`` may set."""
    found, wrong = usable_settings()
    refuse(wrong)
    return found


def usable_settings() -> tuple[Settings, list[UsageError]]:
    """The current settings, and what is wrong with them: then they are what the environment sets rightly."""
    variables = {name.lower(): value for name, value in environment.variables().items() if value}
    own = {name: variables[name] for name in variables.keys() & Settings.model_fields.keys()}
    folder, wrong = settings_of_folder(own)
    refused = set[str]()
    try:
        found = Settings.model_validate({**folder, **own})
    except ValidationError as error:
        for one in error.errors(include_input=False):
            refused.add(name := str(one["loc"][0]))
            # The value is not shown: it could be a key in the wrong place.
            reason = one["msg"] if one["type"] == _WRONG_FORM else f"takes {takes(name)}"
            _, where, remove = entry_of(name) or EnvEntry(
                "", ENVIRONMENT, f"`unset {name.upper()}`"
            )
            message = f"{where}: {name.upper()} {reason}"
            wrong.append(UsageError(message, f"correct the value, or {remove}"))
    if wrong:
        found = Settings.model_validate({name: own[name] for name in own.keys() - refused})
    return found, wrong


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


def read_secret(name: str) -> SecretStr | None:
    """A secret that a spec names, from the environment or ``.env``; None if it is not set."""
    own = environment.variables()
    if found := own.get(name):
        return SecretStr(found)
    entries, wrong = read_env_file(Path(own.get(ENV_FILE_VARIABLE) or ".env"))
    refuse(wrong)
    entry = entries.get(name)
    return SecretStr(entry.value) if entry else None


def variables_for_children() -> dict[str, str]:
    """The environment of processes that run in another folder with these settings.

    Another variable of ``.env``, such as ``PYTHONPATH``, could change what code they run.
    """
    file = Path(".env")
    folder = {name.upper(): value for name, value in settings_of_folder({})[0].items()}
    if file.is_file():
        folder[ENV_FILE_VARIABLE] = str(file.absolute())
    own = environment.variables()
    # An empty variable does not override the file.
    return folder | {name: value for name, value in own.items() if value or name not in folder}
