"""What `--verbose` shows of the talk with the service."""

from __future__ import annotations

from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import started


def test_verbose_shows_each_request_and_no_key(sandbox: Sandbox) -> None:
    process = started(
        "--verbose", "credits", RIVYA_BASE_URL=sandbox.base_url, RIVYA_API_KEY=sandbox.api_key
    )
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0
    assert out.startswith("1000 credits")
    assert "GET " in err
    assert "/api/v1/credits" in err
    assert sandbox.api_key not in out + err


def test_without_verbose_requests_are_not_shown(sandbox: Sandbox) -> None:
    process = started("credits", RIVYA_BASE_URL=sandbox.base_url, RIVYA_API_KEY=sandbox.api_key)
    _, err = process.communicate(timeout=240)
    assert "GET " not in err
