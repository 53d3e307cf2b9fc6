"""The page for developers, as sent and as Chromium shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest

from rivya_sandbox.service import admin
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.browser import CHROMIUM, browsing
from support.sandbox_calls import fetch


def page(sandbox: Sandbox) -> httpx.Response:
    return fetch(f"{sandbox.base_url}/developers")


def test_the_page_loads_nothing_else(sandbox: Sandbox) -> None:
    answer = page(sandbox)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert not re.search(r'(src|href)="(https?:)?//', answer.text)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert page(sandbox).headers["Content-Security-Policy"] != policy  # its nonce is used once


@pytest.mark.parametrize("path", ["/developers", "/api/v1/models", "/api/v1/credits"])
def test_dns_rebinding_reads_nothing(sandbox: Sandbox, path: str) -> None:
    headers = {"Host": "evil.example", "Authorization": f"Bearer {sandbox.api_key}"}
    answer = fetch(f"{sandbox.base_url}{path}", **headers)
    assert answer.status_code == 421
    assert set(answer.json()["error"]) == {"code", "message", "requestId"}


def test_the_page_shows_key_prefixes_only(sandbox: Sandbox) -> None:
    evil = admin.create_key(sandbox.data, account="</script><script>alert(1)</script>")
    gone = admin.create_key(sandbox.data, scopes=["chat:read"], expires_in=-1)
    text = page(sandbox).text
    given = re.search(r'id="given">(.*?)</script>', text)
    assert given is not None
    keys = json.loads(given[1])["keys"]
    assert keys[0].items() >= {"state": "expired", "scopes": "chat:read"}.items()
    assert keys[1]["account"] == "</script><script>alert(1)</script>"
    assert {key["prefix"] for key in keys} >= {evil["prefix"], gone["prefix"]}
    for key in (evil["api_key"], gone["api_key"], sandbox.api_key):
        assert key[len("rvya_sk_") + 4 :] not in text


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.slow
def test_in_chromium_a_pasted_key_buys_a_picture_and_a_job_that_never_ends_can_be_left(
    tmp_path: Path,
) -> None:
    stalled = "faults: [{on: generation, do: stall}]"
    with (
        running(tmp_path / "data", faults=stalled) as sandbox,
        browsing(tmp_path / "profile") as tab,
    ):

        def choose(operation: str) -> None:
            tab.value(
                f"at('operation').value = '{operation}';"
                "at('operation').dispatchEvent(new Event('input')); at('send').click()"
            )

        tab.open(f"{sandbox.base_url}/developers")
        tab.until("document.body?.dataset.ready")
        assert tab.value("document.querySelectorAll('#models > tr').length") == 57
        assert tab.value("document.querySelectorAll('#operation option').length") == 20
        tab.value("at('search').value = 'suno'; at('search').dispatchEvent(new Event('input'))")
        assert tab.value("document.querySelectorAll('#models > tr').length") == 2
        create = tab.value("at('operation').value")

        tab.value("at('send').click()")  # still without a key
        assert "401" in tab.until("!at('send').disabled && at('status').textContent")

        tab.value(f"at('key').value = {json.dumps(sandbox.api_key)}; at('send').click()")
        tab.until("!at('send').disabled && at('status').textContent.includes('202')")
        tab.until("at('answer').textContent.includes('processing')")
        choose("retrieveCredits")
        assert tab.until("at('credits').textContent") == "Credits: 999 before, 999 after (0)."
        assert json.loads(tab.value("at('answer').textContent")) == {"current_credits": 999}

        admin.set_faults(sandbox.data, "")
        tab.value("at('credits').textContent = ''")
        choose(create)
        assert tab.until("at('credits').textContent") == "Credits: 999 before, 998 after (-1)."
        assert tab.until("document.querySelector('#result img')?.naturalWidth") > 0
        assert tab.value("JSON.parse(at('answer').textContent).status") == "succeeded"
        curl = tab.value("at('curl').textContent")
        assert "$RIVYA_API_KEY" in curl
        assert sandbox.api_key not in tab.value("document.documentElement.outerHTML")

        choose("streamChat")
        assert tab.until("at('result').textContent.includes('.') && !at('send').disabled")
        assert "event: completed" in tab.value("at('answer').textContent")
        assert tab.value("Object.keys(localStorage).length + document.cookie.length") == 0
