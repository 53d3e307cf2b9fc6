"""Secrets in blocks of a real Prefect server: read by a worker, and written nowhere else."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.system import Secret
from pydantic import SecretStr

from rivya_flows.callbacks import CALLBACK_SCHEME
from rivya_flows.engine.work import reveal
from rivya_flows.errors import UsageError
from rivya_flows.flows.credentials import secret_block
from rivya_flows.language.secret_names import KEY_BLOCK
from rivya_sandbox.service import admin
from support.prefect_workers import Place, Server, deploy_specs, worker
from support.sandbox_calls import receiving

pytestmark = pytest.mark.prefect

SIGNING = "sesame-of-the-callback"
QUIET = """\
version: 1
name: quiet
inputs:
  token: {type: secret, default: "block:callback-secret"}
  url: {type: string}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: A lamp}
  told:
    uses: notify
    needs: [still]
    with: {url: "${{ inputs.url }}", secret: "${{ inputs.token }}"}
outputs:
  still: ${{ steps.still.asset }}
deploy:
  - {name: keyless, work_pool: keyless}
"""


def asked(environment: Mapping[str, str], *command: str) -> Any:
    """The document that a command prints in that environment."""
    done = subprocess.run(
        [sys.executable, "-m", "rivya_flows.cli.main", *command, "--json"],
        env=dict(environment),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


async def test_a_worker_without_a_key_buys_with_that_of_the_block_and_leaks_nothing(
    server: Server, studio: Place, tmp_path: Path
) -> None:
    environment = {
        **{name: value for name, value in studio.environment.items() if name != "RIVYA_API_KEY"},
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "RIVYA_FLOWS_ALLOW_PRIVATE_NOTIFY": "true",
        "RIVYA_FLOWS_DATA": str(tmp_path / "data"),
        "RIVYA_FLOWS_SPECS": str(tmp_path / "specs"),
    }
    place, key = Place(tmp_path / "data", studio.sandbox, environment), studio.api_key
    for name in ("data", "specs"):
        (tmp_path / name).mkdir()
    deploy_specs(place, server, [QUIET], pool_type="process")
    await Secret(value=SecretStr(key)).save(KEY_BLOCK, overwrite=True)
    await Secret(value=SecretStr(SIGNING)).save("callback-secret", overwrite=True)
    with receiving() as backend:
        try:
            with worker(place, "keyless"):
                run = server.start("quiet/keyless", {"url": backend.url})
                server.end(run, "COMPLETED")
                server.let_go(run)
            account = asked(environment, "credits")
        finally:
            await Secret.adelete(KEY_BLOCK)
        [notice] = backend.wait(1)
    assert [*place.bought(run).values()] == [1]
    # The command line takes the key from the same place, and never the sandbox of this machine.
    balance = admin.ledger(studio.sandbox)["balance"]
    assert account == {"credits": balance, "service": environment["RIVYA_BASE_URL"]}
    signed = notice.headers[CALLBACK_SCHEME.timestamp_header.lower()].encode() + b"." + notice.body
    signature = hmac.new(SIGNING.encode(), signed, hashlib.sha256).hexdigest()
    assert notice.headers[CALLBACK_SCHEME.signature_header.lower()] == f"v1={signature}"

    told = "\n".join(
        str(part)
        for part in [
            server.log(run),
            server.ask("GET", f"/flow_runs/{run}"),
            server.task_runs(run),
            server.ask("POST", "/artifacts/filter", {}),
            server.ask(
                "POST",
                "/events/filter",
                {"filter": {"any_resource": {"id": [f"prefect.flow-run.{run}"]}}},
            ),
            [entry.event for entry in place.entries(run)],
        ]
    )
    kept = b"".join(one.read_bytes() for one in (tmp_path / "data").rglob("*") if one.is_file())
    assert "A lamp" in told
    for secret in (key, SIGNING):
        assert secret not in told
        assert secret.encode() not in kept


async def test_a_block_that_is_not_there_is_told_by_its_name() -> None:
    assert await secret_block("nowhere") is None
    with pytest.raises(UsageError, match="there is no secret block 'block:nowhere'") as caught:
        await reveal("block:nowhere", secret_block)
    assert "a Secret block named nowhere" in str(caught.value.hint)
