"""All configuration, read in one place: the environment, then a ``.env`` file here.

Nothing else in the project reads the environment.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
from dotenv import dotenv_values
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MAX_RESULTS = 64
"""Results of one job that are fetched; no model of the catalogue makes more than six."""

MAX_JOB_BYTES = 4 * 2**30
"""Bytes of all results of one job together."""


def data_folder() -> Path:
    """Where this user's journal, assets and local servers keep their files."""
    return Path(platformdirs.user_data_dir("rivya-flows", appauthor=False))


class Settings(BaseSettings):
    """What a user can set.

    Attributes:
        rivya_api_key: The key of the service; None: that of the Prefect block `rivya-api-key`
            where a Prefect server is set, and without one the local sandbox is used.
        rivya_base_url: Where the service is.
        rivya_flows_store: SQLAlchemy URL of the journal; None is SQLite in the data folder.
        rivya_flows_assets: fsspec URL of the media by hash; None is a folder beside the journal.
        rivya_poll_seconds: First interval between two looks at a job, in seconds.
        rivya_flows_resend_hours: An unanswered purchase older than this is not sent again by
            itself, since the service may have forgotten its key. How long it keeps keys is unknown.
        rivya_flows_data: Folder for all of it; None is the user's data folder.
        rivya_flows_specs: Further folder whose specs `flows.campaigns` serves.
        rivya_flows_allow_private_notify: A `notify` step may call this machine and private
            networks too.
        rivya_flows_public_url: Where a browser reaches the receiver (`up`, `webhooks listen`), which
            serves media; None: pages show the service's own addresses while those are good.
        rivya_flows_webhooks: A receiver passes the service's webhooks on, so jobs are looked at
            only now and then.
        rivya_flows_webhook_poll_seconds: How often even so, in seconds.
        rivya_flows_max_results: A job that names more results than this fails, and a resume with a
            larger number fetches them.
        rivya_flows_max_job_bytes: The same for the bytes of all results of one job.
        rivya_flows_model_parallel: Jobs of one model under way at once in one process.
        rivya_flows_global_limit: Name of a Prefect global concurrency limit of which each run takes
            one slot; None takes none.
        rivya_flows_spec: Hash of the deployed spec that a worker's process is to run; set by
            `deploy`, for each deployment. None: the spec's file as it is.
        rivya_flows_catchup_grace_seconds: A scheduled run that begins later than this is a late
            one, for which the `catchup` of its schedule decides.
        prefect_api_url: A Prefect server to use; None starts one for the run.
    """

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    rivya_api_key: SecretStr | None = None
    rivya_base_url: str = "https://rivya.ai"
    rivya_flows_store: str | None = None
    rivya_flows_assets: str | None = None
    rivya_poll_seconds: float = Field(default=2.5, gt=0, allow_inf_nan=False)
    rivya_flows_resend_hours: float = Field(default=20, gt=0)
    rivya_flows_data: Path | None = None
    rivya_flows_specs: Path | None = None
    rivya_flows_allow_private_notify: bool = False
    rivya_flows_public_url: str | None = None
    rivya_flows_webhooks: bool = False
    rivya_flows_webhook_poll_seconds: float = Field(default=60, gt=0)
    rivya_flows_max_results: int = Field(default=MAX_RESULTS, ge=1)
    rivya_flows_max_job_bytes: int = Field(default=MAX_JOB_BYTES, ge=1)
    rivya_flows_model_parallel: int = Field(default=8, ge=1)
    rivya_flows_global_limit: str | None = None
    rivya_flows_spec: str | None = None
    rivya_flows_catchup_grace_seconds: float = Field(default=300, gt=0)
    prefect_api_url: str | None = None

    @property
    def data(self) -> Path:
        """The data folder, absolute."""
        return (self.rivya_flows_data or data_folder()).expanduser().absolute()

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the journal."""
        return self.rivya_flows_store or f"sqlite:///{self.data / 'journal.sqlite'}"

    @property
    def assets_url(self) -> str:
        """Where media lie by hash, as an fsspec URL."""
        return self.rivya_flows_assets or (self.data / "assets").as_uri()


def read_settings() -> Settings:
    """The settings as they stand now."""
    return Settings()


def read_secret(name: str) -> SecretStr | None:
    """A secret that a spec names: a variable of the environment or of ``.env``; None if not set."""
    found = os.environ.get(name) or dotenv_values(".env").get(name)
    return SecretStr(found) if found else None
