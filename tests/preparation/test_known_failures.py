"""A run whose callback is certain to fail on this machine does not start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rivya_flows.errors import SpecError, UsageError
from rivya_flows.preparation.spec_file import SpecFile
from rivya_flows.settings import read_settings
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, bought, buy_from
from support.prepared_specs import prepared

SPEC = """\
version: 1
name: told
inputs: {hook: {type: string, default: "https://shop.example/hook"}}
steps:
  still: {uses: generate, with: {model: z-image, prompt: a lamp}}
finally:
  tell: {uses: notify, with: {url: "${{ inputs.hook }}", secret: "env:HOOK_SECRET"}}
"""


def start(text: str, folder: Path, *, here: bool = True, **inputs: Any) -> None:
    driver = read_settings() if here else None
    prepared(SpecFile(text, "spec.yaml", None), inputs, folder, machine=driver)


def test_a_secret_that_is_not_set_stops_the_run_but_no_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOOK_SECRET", raising=False)
    with pytest.raises(UsageError, match="tell: the secret 'env:HOOK_SECRET' is not set"):
        start(SPEC, tmp_path)
    start(SPEC, tmp_path, here=False)
    monkeypatch.setenv("HOOK_SECRET", "whsec")
    start(SPEC, tmp_path)
    with pytest.raises(SpecError, match="tell: 'env:RIVYA_API_KEY': variables of"):
        start(SPEC, tmp_path, hook="env:RIVYA_API_KEY")
    with pytest.raises(UsageError, match="tell: the secret 'env:HOOK_ADDRESS' is not set"):
        start(SPEC, tmp_path, hook="env:HOOK_ADDRESS")


def test_an_address_of_this_network_stops_the_run_where_it_is_not_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "whsec")
    hosts = ("localhost:8000/hook", "127.0.0.1/", "[::1]/", "10.0.0.1/")
    for host in hosts:
        with pytest.raises(UsageError, match="is an address of this machine or of a private net"):
            start(SPEC, tmp_path, hook=f"http://{host}")
    monkeypatch.setenv("RIVYA_FLOWS_ALLOW_PRIVATE_NOTIFY", "true")
    for host in hosts:
        start(SPEC, tmp_path, hook=f"http://{host}")


def test_a_callback_that_may_be_skipped_or_follows_from_a_step_stops_nothing(
    tmp_path: Path,
) -> None:
    may_be = SPEC.replace(
        "uses: notify", "uses: notify, if: \"${{ steps.still.status == 'cached' }}\""
    )
    start(may_be, tmp_path)
    never = SPEC.replace("uses: notify", 'uses: notify, foreach: [1], if: "${{ item > 1 }}"')
    start(never, tmp_path)
    null = SPEC.replace("inputs: {", "inputs: {note: {type: text, required: false}, ").replace(
        "secret:", 'body: {note: "${{ inputs.note }}"}, secret:'
    )
    start(null, tmp_path)
    later = SPEC.replace(
        '"${{ inputs.hook }}", secret: "env:HOOK_SECRET"', '"${{ steps.still.asset.url }}"'
    )
    start(later, tmp_path)


def test_the_command_says_so_before_it_buys(
    call: Terminal, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy_from(sandbox, monkeypatch)
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "rows.csv").write_text("hook\nhttps://shop.example/other\n")
    for command in (["run", "spec.yaml"], ["batch", "spec.yaml", "--rows", "rows.csv"]):
        said = call(*command)
        assert said.code == 2
        assert "tell: the secret 'env:HOOK_SECRET' is not set" in said.err
        assert "set the variable where the run is executed" in said.err
    monkeypatch.setenv("HOOK_SECRET", "whsec")
    (tmp_path / "rows.csv").write_text("hook\nhttps://a.b\nhttp://10.0.0.1\nhttp://10.0.0.2\n")
    said = call("batch", "spec.yaml", "--rows", "rows.csv")
    assert said.code == 2
    assert "rows.csv:3" in said.err
    assert "rows.csv:4" in said.err
    assert not bought(sandbox)
    assert call("plan", "spec.yaml").code == 0


def test_an_extra_that_a_film_needs_is_missing_before_anything_is_bought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = "film: {uses: compose, with: {clips: '${{ steps.still.asset }}', extras: [otio]}}"
    spec = SPEC.split("finally")[0] + f"  {film}\n"
    start(spec, tmp_path)
    monkeypatch.setattr("rivya_flows.extras.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="film: `otio` in `extras` needs the extra 'otio'"):
        start(spec, tmp_path)
    start(spec, tmp_path, here=False)
