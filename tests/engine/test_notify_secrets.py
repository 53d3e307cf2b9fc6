"""Secrets by name: where the key comes from, what is told of one that is missing, what never leaks."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from rivya_flows.engine.work import reveal
from rivya_flows.errors import UsageError
from rivya_flows.language.inputs import fit
from rivya_flows.language.secret_names import KEY_BLOCK
from rivya_flows.language.workflow import Input
from rivya_flows.runs.connect import with_key
from rivya_flows.settings import Settings, read_settings


class Blocks:
    """Secret blocks of a server, and the names that it was asked for."""

    def __init__(self, **held: str) -> None:
        self._held = held
        self.asked: list[str] = []

    async def read(self, name: str) -> SecretStr | None:
        self.asked.append(name)
        found = self._held.get(name.replace("-", "_"))
        return None if found is None else SecretStr(found)


def key_of(settings: Settings) -> str | None:
    key = settings.rivya_api_key
    return None if key is None else key.get_secret_value()


async def test_a_key_of_the_environment_goes_before_that_of_env_file_and_block(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocks = Blocks(rivya_api_key="of the block")
    monkeypatch.setenv("RIVYA_API_KEY", "")
    assert key_of(await with_key(read_settings(), Blocks().read)) is None
    monkeypatch.delenv("RIVYA_API_KEY")
    monkeypatch.setenv("RIVYA_POLL_SECONDS", "0.25")
    found = await with_key(read_settings(), blocks.read)
    assert (key_of(found), blocks.asked) == ("of the block", [KEY_BLOCK])
    assert found.rivya_poll_seconds == 0.25, "the other settings stay"
    assert "rivya_poll_seconds" in found.model_fields_set
    assert "of the block" not in f"{found} {found!r} {found.model_dump_json()}"

    (tmp_path / ".env").write_text("RIVYA_API_KEY=of-the-file\n")
    assert key_of(await with_key(read_settings(), blocks.read)) == "of-the-file"
    monkeypatch.setenv("RIVYA_API_KEY", "of-the-environment")
    assert key_of(await with_key(read_settings(), blocks.read)) == "of-the-environment"
    assert blocks.asked == [KEY_BLOCK]


async def test_a_variable_is_revealed_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBACK_SECRET", "sesame")
    found = await reveal("env:CALLBACK_SECRET", Blocks().read)
    assert (found.name, found.value.get_secret_value()) == ("env:CALLBACK_SECRET", "sesame")
    assert "sesame" not in f"{found} {found!r}"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("env:NOT_SET", "the secret 'env:NOT_SET' is not set"),
        ("sesame", "expected the name of a secret, not the secret itself"),
    ],
)
async def test_a_secret_that_is_not_there_is_told_by_its_name_alone(name: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        await reveal(name, Blocks().read)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    "name",
    [
        "env:RIVYA_API_KEY",
        "env:rivya_api_key",
        "env:RIVYA_FLOWS_STORE",
        "env:PREFECT_API_AUTH_STRING",
        "block:rivya-api-key",
        "block:secret/rivya-api-key",
    ],
)
async def test_no_spec_can_have_the_key_or_a_password_of_ours(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("RIVYA_API_KEY", "rivya_api_key", "RIVYA_FLOWS_STORE"):
        monkeypatch.setenv(variable, "sesame")
    with pytest.raises(UsageError, match="cannot be used as") as caught:
        await reveal(name, Blocks().read)
    assert "sesame" not in repr(caught.value)
    with pytest.raises(ValueError, match="cannot be used as"):
        fit(Input(type="secret"), name)
