from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from rivya_flows.errors import UsageError
from rivya_flows.processes.supervisor import MARK
from rivya_flows.settings import Settings
from rivya_flows.up.options import (
    UpOptions,
    database_url,
    hashed_settings,
    keyless_environment,
    messages_url,
    working_environment,
)

CLIENT = {"PREFECT_API_URL": "http://127.0.0.1:4200/api"}


def options(tmp_path: Path, *specs: Path, sandbox: bool = False, **variables: str) -> UpOptions:
    settings = Settings(
        rivya_flows_data=tmp_path / "data",
        rivya_api_key=SecretStr("rk_real"),
        rivya_flows_sandbox=sandbox,
    )
    return UpOptions(settings=settings, variables=variables, specs=specs)


def working(tmp_path: Path, *, sandbox: bool = False, **variables: str) -> dict[str, str]:
    return working_environment(
        options(tmp_path, sandbox=sandbox, **variables),
        CLIENT,
        public_url="http://127.0.0.1:8710",
        webhooks=True,
    )


def test_a_worker_gets_our_settings_and_one_server(tmp_path: Path) -> None:
    made = working(
        tmp_path,
        RIVYA_API_KEY="rk_real",
        RIVYA_FLOWS_MARK="of a part that called up",
        PREFECT_API_KEY="cloud",
        BRAND_TOKEN="t",
    )
    assert made["RIVYA_API_KEY"] == "rk_real"
    assert "RIVYA_FLOWS_SANDBOX" not in made
    assert made["BRAND_TOKEN"] == "t"  # a secret that a spec names
    assert made["PREFECT_API_URL"] == CLIENT["PREFECT_API_URL"]
    assert "PREFECT_API_KEY" not in made
    assert made["RIVYA_FLOWS_DATA"] == str(tmp_path / "data")
    assert made["RIVYA_FLOWS_PUBLIC_URL"] == "http://127.0.0.1:8710"
    assert made["RIVYA_FLOWS_WEBHOOKS"] == "true"
    assert MARK not in made
    mine = working(
        tmp_path, RIVYA_FLOWS_PUBLIC_URL="https://me.example", RIVYA_FLOWS_WEBHOOKS="false"
    )
    assert mine["RIVYA_FLOWS_PUBLIC_URL"] == "https://me.example", "settings of the user win"
    assert mine["RIVYA_FLOWS_WEBHOOKS"] == "false"
    real = "https://rivya.ai"
    rehearses = working(tmp_path, sandbox=True, RIVYA_API_KEY="rk_real", RIVYA_BASE_URL=real)
    assert not {"RIVYA_API_KEY", "RIVYA_BASE_URL"} & rehearses.keys()
    assert rehearses["RIVYA_FLOWS_SANDBOX"] == "true"


def test_a_worker_gets_the_folder_that_was_deployed(tmp_path: Path) -> None:
    file, folder = tmp_path / "one.yaml", tmp_path / "mine"
    file.touch()
    folder.mkdir()
    made = working_environment(
        options(tmp_path, file, folder, RIVYA_FLOWS_SPECS="/usual"),
        CLIENT,
        public_url="",
        webhooks=False,
    )
    assert made["RIVYA_FLOWS_SPECS"] == str(folder)


def test_server_and_sandbox_get_no_key() -> None:
    given = {"RIVYA_API_KEY": "k", "PREFECT_API_KEY": "k", "BRAND_TOKEN": "k", "PATH": "/bin"}
    assert keyless_environment(given) == {"PATH": "/bin", "DO_NOT_TRACK": "1"}


def test_the_hash_of_a_setting_differs_with_its_value_and_its_process_and_reveals_none(
    tmp_path: Path,
) -> None:
    one = working(tmp_path, RIVYA_API_KEY="rk_one")
    other = working(tmp_path, RIVYA_API_KEY="rk_other", RIVYA_SANDBOX="no setting")
    hashed = hashed_settings(one, "m")
    assert hashed == hashed_settings(dict(one), "m")
    differing = hashed.items() ^ hashed_settings(other, "m").items()
    assert {name for name, _ in differing} == {"RIVYA_API_KEY"}
    assert not hashed.items() & hashed_settings(one, "another mark").items()
    assert "rk_one" not in str(hashed)


def test_a_database_gets_the_driver_that_prefect_needs() -> None:
    for scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        assert database_url(f"{scheme}://u:p@h/d") == "postgresql+asyncpg://u:p@h/d"


def test_other_databases_and_brokers_are_refused_without_showing_the_url() -> None:
    with pytest.raises(UsageError) as caught:
        database_url("mysql://u:secret@h/d")
    assert "secret" not in str(caught.value)
    with pytest.raises(UsageError) as caught:
        messages_url("amqp://u:secret@h")
    assert "secret" not in str(caught.value)
