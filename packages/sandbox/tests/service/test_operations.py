"""The sandbox against its own OpenAPI document, as schemathesis reads it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rivya_sandbox.service.serve import running

pytestmark = pytest.mark.slow

SCHEMATHESIS = shutil.which("st", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
# Bounded by number: a time limit would end early on a busy machine.
# `scripts/contract` asks for more.
OPTIONS = os.environ.get("CONTRACT_OPTIONS", "--phases fuzzing,stateful --max-examples 3")


@pytest.mark.skipif(SCHEMATHESIS is None, reason="schemathesis is not installed")
def test_schemathesis_finds_no_undocumented_failure_status_or_schema(tmp_path: Path) -> None:
    with running(tmp_path / "data", credits=10**9) as sandbox:
        finished = subprocess.run(
            [
                str(SCHEMATHESIS),
                "run",
                f"{sandbox.base_url}/api/v1/openapi.json",
                f"--header=Authorization: Bearer {sandbox.api_key}",
                f"--checks={','.join(CHECKS)}",
                "--seed=7",
                "--generation-database=none",
                "--continue-on-failure",
                "--warnings=off",
                "--no-color",
                *shlex.split(OPTIONS),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "No issues found" in finished.stdout
