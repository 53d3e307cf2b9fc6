"""The sandbox's page for people, as it is sent and as Chromium shows it."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sandbox_calls import until
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from rivya_flows.sandbox import admin
from rivya_flows.sandbox.serve import running
from rivya_flows.sandbox.site import Sandbox

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("developers") / "data") as sandbox:
        yield sandbox


def page(sandbox: Sandbox) -> httpx.Response:
    return httpx.get(f"{sandbox.base_url}/developers", verify=False)


def test_the_page_needs_nothing_from_elsewhere(sandbox: Sandbox) -> None:
    answer = page(sandbox)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert not re.search(r'(src|href)="(https?:)?//', answer.text)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert page(sandbox).headers["Content-Security-Policy"] != policy  # its nonce is used once


def test_keys_are_known_by_their_beginnings_only(sandbox: Sandbox) -> None:
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


class Tab:
    """A tab of a browser, by its DevTools protocol."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)

    def do(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._connection.recv(timeout=30))
            if message.get("id") == number:
                result: dict[str, Any] = message["result"]
                return result

    def value(self, script: str) -> Any:
        """What a script gives, once the promise it may give is kept."""
        found = self.do(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script: str) -> Any:
        """What a script gives once it is true."""
        return until(lambda: self.value(script) or None)


@contextmanager
def browsing(url: str, profile: Path) -> Iterator[Tab]:
    """A tab that shows a page."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    command = [str(CHROMIUM), *options, f"--user-data-dir={profile}", "--window-size=1280,1700"]
    with subprocess.Popen(
        [*command, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as browser:
        try:
            port = until(lambda: _devtools_port(profile))
            tab = until(lambda: _tab(port, url))
            with connect(tab["webSocketDebuggerUrl"], max_size=None) as connection:
                yield Tab(connection)
        finally:
            browser.terminate()


def _devtools_port(profile: Path) -> str | None:
    try:
        return (profile / "DevToolsActivePort").read_text().split("\n")[0] or None
    except FileNotFoundError:
        return None


def _tab(port: str, url: str) -> dict[str, Any] | None:
    listed = httpx.get(f"http://127.0.0.1:{port}/json", verify=False).json()
    return next((one for one in listed if one["url"] == url), None)


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_in_chromium_a_pasted_key_buys_a_picture_that_is_shown(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    with browsing(f"{sandbox.base_url}/developers", tmp_path / "profile") as tab:
        tab.until("document.body?.dataset.ready")
        assert tab.value("document.querySelectorAll('#models > tr').length") == 49
        assert tab.value("document.querySelectorAll('#operation option').length") == 20
        tab.value("at('search').value = 'suno'; at('search').dispatchEvent(new Event('input'))")
        assert tab.value("document.querySelectorAll('#models > tr').length") == 2

        tab.value("at('send').click()")  # still without a key
        assert "401" in tab.until("!at('send').disabled && at('status').textContent")

        tab.value(f"at('key').value = {json.dumps(sandbox.api_key)}; at('send').click()")
        credits = tab.until("at('credits').textContent")
        assert credits == "Credits: 1000 before, 999 after (-1)."
        assert tab.until("document.querySelector('#result img')?.naturalWidth") > 0
        assert tab.value("JSON.parse(at('answer').textContent).status") == "succeeded"
        curl = tab.value("at('curl').textContent")
        assert "$RIVYA_API_KEY" in curl
        assert sandbox.api_key not in tab.value("document.documentElement.outerHTML")

        tab.value(
            "at('operation').value = 'streamChat'; at('operation').dispatchEvent(new Event('input'));"
            "at('send').click()"
        )
        assert tab.until("at('result').textContent.includes('.') && !at('send').disabled")
        assert "event: completed" in tab.value("at('answer').textContent")
        assert tab.value("Object.keys(localStorage).length + document.cookie.length") == 0
