from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import pytest
from prefect.blocks.system import Secret
from pydantic import SecretStr

from rivya_client.client import RivyaClient
from rivya_flows.doctor.examine import HARMFUL
from rivya_flows.extras import install
from rivya_flows.flows.execution import local_runner
from rivya_flows.flows.server.environment import pointed_at
from rivya_flows.language.secret_names import KEY_BLOCK
from rivya_flows.processes.registry import LeftRunning, ManagedProcess, write
from rivya_flows.receiver.app import WEBHOOK_PATH
from rivya_flows.store.secrets import signing_secrets
from rivya_flows.webhook_receiver import register
from rivya_sandbox.service import admin
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, buy_from
from support.receiver_stage import receiving

pytestmark = pytest.mark.slow


def found_of(call: Terminal, name: str) -> dict[str, str]:
    """The worst check of that name."""
    checks = [one for one in call("doctor", "--json").document["checks"] if one["name"] == name]
    order = ("problem", "warning", "ok")
    worst: dict[str, str] = min(checks, key=lambda one: order.index(one["status"]))
    return worst


def test_a_machine_with_nothing_running_has_no_problem_and_keeps_no_medium(
    call: Terminal, tmp_path: Path
) -> None:
    said = call("doctor", "--json")
    assert said.code == 0
    assert said.document["ok"]
    statuses = {one["name"]: one["status"] for one in said.document["checks"]}
    names = "python packages extras settings set data-folder privacy store assets service clock"
    assert set(statuses) == {
        *(one.replace("-", " ") for one in names.split()), "public url", "prefect server"
    }  # fmt: skip
    assert set(statuses.values()) == {"ok"}
    assert not [one for one in said.document["checks"] if one["message"].endswith((";", " "))]
    assert "rivya-flows up" in call("doctor").out
    assert not [one for one in (tmp_path / "data" / "assets").rglob("*") if one.is_file()]


def test_every_warning_and_problem_has_a_hint(
    call: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, values, *_ in HARMFUL:
        monkeypatch.setenv(name, "3" if values is None else values[1])
    monkeypatch.setenv("RIVYA_FLOWS_WEBHOOKS", "true")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    said = call("doctor", "--json")
    assert said.code == 1
    wrong = [one for one in said.document["checks"] if one["status"] != "ok"]
    # The key may lie in a block of that server.
    assert {one["name"] for one in wrong} == {"settings", "service", "public url", "prefect server"}
    assert all(one["hint"] for one in wrong)


def test_names_that_are_no_settings_and_values_that_do_not_count_are_told_with_what_to_do(
    call: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = {
        "RIVYA_FLOWS_WEBHOKS=1": "write RIVYA_FLOWS_WEBHOOKS instead, or remove line 1 of .env",
        "RIVYA_FLOWS_SANBOX=true": "remove line 2 of .env, and set RIVYA_FLOWS_SANDBOX in the"
        " environment instead",
        # What `deploy` sets for a worker's process.
        "RIVYA_FLOWS_SPEC=a.yaml": "write RIVYA_FLOWS_SPECS instead, or remove line 3 of .env",
        "RIVIA_API_KEY=1": "write RIVYA_API_KEY instead, or remove line 4 of .env",
        "RIVYA_FLOWS_LIVE=true": "set it in the environment, and remove line 5 of .env",
        "RIVYA_POLL_SECONDS=2": "`unset RIVYA_POLL_SECONDS`, or remove line 6 of .env",
        "RIVYA_HOOK_SECRET=1": "remove line 7 of .env; a variable of yours needs a name",
        "RIVER_KEY=1": "",
        "RIVYA_API_KEY=rvya_sk_0123456789abcdef": "",
    }
    monkeypatch.setenv("RIVYA_POLL_SECONDS", "1")
    monkeypatch.setenv("RIVYA_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("RIVYA_FLOWS_JOB_VARIABLES", "1")  # of a worker's process, as it should be
    Path(".env").write_text("\n".join(mine))
    document = call("doctor", "--json").document
    found = [one for one in document["checks"] if one["name"] == "settings"]
    for line, hint in mine.items():
        name = line.partition("=")[0]
        checks = [one for one in found if f"{name} " in one["message"]]
        assert [one["hint"].startswith(hint) for one in checks] == ([True] if hint else []), line
        warns = name in ("RIVIA_API_KEY", "RIVYA_FLOWS_LIVE", "RIVYA_POLL_SECONDS")
        assert not checks or checks[0]["status"] == ("warning" if warns else "problem"), line
    messages = [one["message"] for one in found]
    assert ".env, line 1: RIVYA_FLOWS_WEBHOKS is no setting, and changes nothing" in messages
    assert ".env, line 5: RIVYA_FLOWS_LIVE is ignored in a file of a folder" in messages
    other = ".env, line 6: RIVYA_POLL_SECONDS has another value in the environment, which counts"
    assert other in messages
    [places] = [one["message"] for one in document["checks"] if one["name"] == "set"]
    assert places.startswith("RIVYA_API_KEY …cdef (.env, line 9), RIVYA_BASE_URL (environment), ")
    assert "RIVYA_FLOWS_LIVE" not in places
    monkeypatch.setenv("RIVYA_FLOW_MINE", "9")
    warned = call("runs").err
    told = (
        f"RIVYA_FLOWS_WEBHOKS is no setting, and changes nothing: {mine['RIVYA_FLOWS_WEBHOKS=1']}"
    )
    assert f"warning: .env, line 1: {told}\n" in warned
    told = "RIVYA_FLOW_MINE is no setting, and changes nothing: `unset RIVYA_FLOW_MINE`"
    assert f"warning: environment: {told}; a variable of yours needs a name" in warned
    monkeypatch.delenv("RIVYA_FLOW_MINE")
    Path(".env").write_text("RIVER_KEY=1\nRIVYA_POLL_SECONDS=1\n")
    assert found_of(call, "settings")["status"] == "ok"
    assert call("runs").err == ""
    Path(".env").write_text("RIVYA_API_KEY=rvya_sk_a\nTOKEN=1\nTOKEN=2\nRIVYA_API_KEY=rvya_sk_b\n")
    assert call("credits").err.splitlines() == [
        "error: .env, line 4: RIVYA_API_KEY has another value than in .env, line 1",
        "hint: remove line 4 of .env, or remove line 1 of .env",
    ]


def test_settings_that_cannot_be_read_are_a_problem_and_the_rest_is_checked(
    call: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVYA_FLOWS_SANDBOX", "true")
    names = {one["name"] for one in call("doctor", "--json").document["checks"]}
    for file, content, words in (
        (".env", b"RIVYA_FLOWS_SANDBOX=true\n", "line 1: RIVYA_FLOWS_SANDBOX cannot be set by a"),
        (".env", b"\xff", ".env is not UTF-8 text"),
        ("prefect.toml", b"[api]\nurl = 'http://127.0.0.1:1/api'\n", "Prefect's settings cannot"),
    ):
        Path(file).write_bytes(content)
        said = call("doctor", "--json")
        Path(file).unlink()
        checks = said.document["checks"]
        assert said.code == 1
        assert names - {one["name"] for one in checks} == {
            *("set", "clock", "public url", "prefect server")
        }
        [service] = [one["message"] for one in checks if one["name"] == "service"]
        assert service == "not tried, nor what needs it: the settings are wrong"
        assert [one["name"] for one in checks].count("settings") == 1
        [wrong] = [one for one in checks if one["status"] == "problem"]
        assert (wrong["name"], bool(wrong["hint"]), words in wrong["message"]) == (
            "settings", True, True
        )  # fmt: skip


def test_a_path_that_a_command_would_refuse_later_is_a_problem(
    call: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVYA_FLOWS_SPECS", "/nowhere")
    monkeypatch.setenv("RIVYA_FLOWS_C2PA_KEY", "/nowhere")
    checks = call("doctor", "--json").document["checks"]
    wrong = {one["name"]: one["message"] for one in checks if one["status"] == "problem"}
    assert set(wrong) == {"specs", "signing"}
    assert wrong["specs"].startswith("RIVYA_FLOWS_SPECS names no folder")
    assert wrong["signing"].startswith("signing needs both")


def test_a_value_that_prefect_refuses_is_named_and_not_shown(
    call: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    import prefect  # noqa: F401 - its settings are read again only where they were read

    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    monkeypatch.setenv("PREFECT_FLOWS_DEFAULT_RETRIES", "a-secret")
    check = found_of(call, "prefect server")
    assert check["status"] == "problem"
    assert "RETRIES" in check["message"]
    assert "a-secret" not in check["message"]


def test_the_key_is_tried_and_never_shown(
    call: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy_from(sandbox, monkeypatch)
    said = call("doctor")
    assert said.code == 0
    assert "knows the key; 1000 credits" in said.out
    assert sandbox.api_key not in said.out + said.err
    assert admin.ledger(sandbox.data)["generations"] == []
    poor = admin.create_key(sandbox.data, account="poor")["api_key"]
    monkeypatch.setenv("RIVYA_API_KEY", poor)
    check = found_of(call, "service")
    assert check["status"] == "warning"
    assert "knows the key; 0 credits, pretend: it is on this machine" in check["message"]
    monkeypatch.setenv("RIVYA_API_KEY", "rk_secret_of_another")
    said = call("doctor")
    assert (said.code, "api_key_invalid" in said.out) == (1, True)
    assert "rk_secret" not in said.out + said.err


def test_scopes_that_a_key_lacks_are_named(
    call: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy_from(sandbox, monkeypatch)

    def check(*scopes: str) -> tuple[str, str]:
        key = admin.create_key(sandbox.data, scopes=[*scopes])["api_key"]
        monkeypatch.setenv("RIVYA_API_KEY", key)
        scope = found_of(call, "scopes")
        return scope["status"], scope["message"]

    words = "the key lacks webhooks:manage: no webhooks, so runs poll"
    needed = ("credits:read", "generations:read")
    assert check(*needed, "files:read", "chat:read") == ("warning", words)
    words = "the key lacks generations:read: every run fails"
    assert check("credits:read", "chat:read") == ("problem", words)


def test_without_a_network_everything_else_is_still_checked(
    call: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVYA_API_KEY", "rk_any")
    monkeypatch.setenv("RIVYA_BASE_URL", "http://127.0.0.1:1")
    said = call("doctor", "--live", "--json")
    assert said.code == 1
    wrong = [one for one in said.document["checks"] if one["status"] == "problem"]
    assert [one["name"] for one in wrong] == ["service"]
    assert wrong[0]["message"].count("http://127.0.0.1:1") == 1


def test_a_prefect_server_that_is_silent_is_asked_once_and_told_once(
    call: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_runner, "HEALTH_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/api"
        monkeypatch.setenv("PREFECT_API_URL", url)
        document = call("doctor", "--json").document
    wrong = {
        one["name"]: one["message"] for one in document["checks"] if one["status"] == "problem"
    }
    assert wrong == {
        "service": "not checked: the Prefect server does not say the key",
        "prefect server": f"no Prefect server answers at {url}",
    }


def test_stores_that_cannot_be_used_and_a_dead_part_of_up_are_told(
    call: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RIVYA_FLOWS_STORE", f"sqlite:///{tmp_path}/file/journal.sqlite")
    monkeypatch.setenv("RIVYA_FLOWS_ASSETS", f"file://{tmp_path}/file/assets")
    (tmp_path / "data").mkdir()
    died = ManagedProcess(
        name="worker", pid=1, birth="of another process", mark="mark", log="/logs/worker.log"
    )
    write(tmp_path / "data", LeftRunning((died,)))
    checks = call("doctor", "--json").document["checks"]
    assert [one["name"] for one in checks if one["status"] == "problem"] == ["store", "assets"]
    [up] = [one["message"] for one in checks if one["name"] == "up"]
    assert up == "worker died; see /logs/worker.log"
    monkeypatch.setenv("RIVYA_FLOWS_DATA", str(tmp_path / "file"))
    assert found_of(call, "data folder")["status"] == "problem"


def test_a_test_event_shows_whether_webhooks_arrive(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_url, service = f"sqlite:///{tmp_path / 'journal.sqlite'}", tmp_path / "service"

    def webhooks() -> str:
        check = found_of(call, "webhooks")
        return f"{check['status']}: {check['message']}"

    with receiving(store_url, tmp_path) as stage:
        with running(service, allow_local_webhooks=True) as sandbox:
            buy_from(sandbox, monkeypatch)
            monkeypatch.setenv("RIVYA_FLOWS_PUBLIC_URL", "https://media.test")
            assert webhooks().startswith("warning: no endpoint")
            monkeypatch.setenv("RIVYA_FLOWS_PUBLIC_URL", stage.url)
            assert webhooks().startswith("ok: not used: runs poll, and")

            async def registered() -> None:
                async with RivyaClient(sandbox.api_key, sandbox.base_url) as client:
                    await register(client, stage.journal.engine, stage.url + WEBHOOK_PATH)

            asyncio.run(registered())
            stage.secrets.extend(signing_secrets(stage.journal.engine))
            assert webhooks().startswith("ok: a test event came to ht")
        with running(service, allow_local_webhooks=False) as sandbox:
            buy_from(sandbox, monkeypatch)
            assert webhooks().startswith("problem: a test event did not rea")


def test_an_extra_that_the_settings_need_is_a_problem(
    call: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)  # as if it were not installed
    check = found_of(call, "extras")
    assert check["status"] == "problem"
    assert "no module numpy" in check["message"]
    assert check["hint"] == install("sandbox")


@pytest.mark.prefect
def test_a_key_in_a_block_is_checked_like_any_other(
    call: Terminal, sandbox: Sandbox, prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVYA_BASE_URL", sandbox.base_url)
    with pointed_at({"PREFECT_API_URL": prefect_server}):
        asyncio.run(Secret(value=SecretStr(sandbox.api_key)).asave(KEY_BLOCK, overwrite=True))
        try:
            said = call("doctor")
        finally:
            asyncio.run(Secret.adelete(KEY_BLOCK))
    assert "knows the key; 1000 credits" in said.out
    assert sandbox.api_key not in said.out + said.err


@pytest.mark.prefect
def test_a_server_is_checked_for_what_campaigns_need(call: Terminal) -> None:
    document = call("doctor", "--json").document
    statuses = {one["name"]: one["status"] for one in document["checks"]}
    assert statuses["prefect server"] == "ok"
    # The workers of other tests may count: with two of them messages belong on Redis.
    told = [one["message"] for one in document["checks"] if one["name"] == "server settings"]
    assert not [one for one in told if "recorder is not batched" in one]
    assert {"work pool", "automations", "waker"} <= set(statuses)
