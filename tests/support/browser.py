"""A person at a browser: Chromium by its DevTools protocol, without a further package.

`browsing` opens a tab. Clicks and keys are real ones, sent to the place where the element is.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.connection import Connection

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
"""None where it is not installed; a test is skipped by name then."""

PATIENCE = 240  # seconds until something that should be on a page is given up
# Without a mouse, pages show selects for fingers.
_MOUSE = "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"
_PAUSE = 0.1  # seconds
_LOOK = 5.0  # seconds until a click is made again

# The deepest visible element that fits: CSS selector, or text where the selector is null.
_FIND = """
(selector, text, exact) => {
  const seen = one => {
    const box = one.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && getComputedStyle(one).visibility !== 'hidden';
  };
  const words = one => (one.innerText ?? one.textContent ?? '').trim();
  const fits = one => text === null || (exact ? words(one) === text : words(one).includes(text));
  const found = [...document.querySelectorAll(selector ?? 'body *')].filter(one => fits(one) && seen(one));
  return found.filter(one => !found.some(other => other !== one && one.contains(other)))[0] ?? null;
}
"""

# A line for each element that breaks a rule: the rule, where, and what is wrong with it.
_AXE = """
axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations.flatMap(({id, nodes}) =>
  nodes.map(one => `${id}: ${one.target.flat().join(' ')}: ${one.failureSummary.split(/\\s*\\n\\s*/).slice(1).join('; ')}`)))
"""

# Two frames later, what was about to move has begun to.
_FRAMES = "new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)))"

# Its middle, once a click there would reach it: nothing lies above it, it takes clicks, and no
# picture beside it still takes its height.
_PLACE = """
one => {
  if (!one) return null;
  one.scrollIntoView({block: 'nearest', behavior: 'instant'});
  const near = ({x, y, right, bottom}) => x < innerWidth && y < innerHeight && right >= 0 && bottom >= 0;
  const loads = picture => !picture.complete && picture.checkVisibility();
  if ([...document.images].some(one => loads(one) && near(one.getBoundingClientRect()))) return null;
  const box = one.getBoundingClientRect();
  const at = {x: box.x + box.width / 2, y: box.y + box.height / 2};
  const hit = document.elementFromPoint(at.x, at.y);
  return one.contains(hit) ? at : null;
}
"""


class Tab:
    """One tab of a browser."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)

    def do(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a DevTools command."""
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._connection.recv(timeout=PATIENCE))
            if message.get("id") == number:
                assert "result" in message, message
                result: dict[str, Any] = message["result"]
                return result

    def value(self, script: str) -> Any:
        """What a script gives, once the promise that it may give is kept."""
        found = self.do(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script: str, what: str = "") -> Any:
        """What a script gives as soon as that is true."""
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                if found := self.value(script):
                    return found
            except AssertionError:  # the page is about to change
                if time.monotonic() > give_up:
                    raise
            assert time.monotonic() < give_up, f"never came: {what or script}\n{self.text()}"
            time.sleep(_PAUSE)

    def open(self, url: str) -> None:
        """Goes to a page and waits until it is there, though not for what it loads later."""
        self.do("Page.navigate", url=url)
        self.until("document.readyState === 'complete'", url)

    def show_at(self, url: str, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Opens a page in a window of this size, in pixels, for a person who prefers light or dark."""
        self._resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        # Colours that fade in have arrived when a page is looked at.
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.do("Emulation.setEmulatedMedia", features=[scheme, still])
        self.open(url)

    def axe_violations(self) -> list[str]:
        """What axe finds wrong with the page: a line for each element with rule, selector and reason."""
        script = resources.files("axe_playwright_python") / "axe.min.js"
        self.value(f"{script.read_text(encoding='utf-8')}; undefined")
        found: list[str] = self.value(_AXE)
        return found

    def text(self) -> str:
        """What can be read on the page."""
        return str(self.value("document.body?.innerText ?? ''"))

    def wait_for(self, selector: str) -> None:
        """Waits until such an element can be seen."""
        self.until(f"!!({_FIND})({json.dumps(selector)}, null, false)", selector)

    def wait_for_text(self, text: str, selector: str | None = None) -> None:
        """Waits until this can be read somewhere, or in such an element."""
        self.until(f"!!({_FIND})({json.dumps(selector)}, {json.dumps(text)}, false)", text)

    def wait_gone(self, selector: str) -> None:
        """Waits until no such element can be seen."""
        self.until(f"!({_FIND})({json.dumps(selector)}, null, false)", f"the end of {selector}")

    def click(self, selector: str, text: str | None = None, *, exact: bool = True) -> None:
        """Clicks the element that fits a selector and, where given, bears this text."""
        self._click(json.dumps(selector), json.dumps(text), exact)

    def click_text(self, text: str, *, exact: bool = True) -> None:
        """Clicks what bears this text."""
        self._click("null", json.dumps(text), exact)

    def click_until_gone(self, selector: str, text: str, gone: str) -> None:
        """Clicks what bears this text until no element fits `gone`.

        A page may say in a corner that it could not do it at this moment, as a person would read.
        """
        place = f"({_PLACE})(({_FIND})({json.dumps(selector)}, {json.dumps(text)}, true))"
        there = f"!!({_FIND})({json.dumps(gone)}, null, false)"
        give_up = time.monotonic() + PATIENCE
        while self.value(there):
            assert time.monotonic() < give_up, f"never went: {gone}\n{self.text()}"
            if at := self.value(place):
                self._press_at(at)
            look_again = time.monotonic() + _LOOK
            while self.value(there) and time.monotonic() < look_again:
                time.sleep(_PAUSE)

    def type(self, selector: str, text: str) -> None:
        """Types into a field, replacing its content."""
        self.click(selector)
        self.value("document.activeElement.select?.()")
        self.do("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Presses a key that types nothing, such as ``Escape`` or ``ArrowDown``."""
        for kind in ("keyDown", "keyUp"):
            self.do("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def pictures(self, within: str = "body") -> list[dict[str, Any]]:
        """All pictures inside the element: ``alt``, ``src``, and ``width`` (0 if not loaded)."""
        found: list[dict[str, Any]] = self.value(
            f"[...document.querySelectorAll({json.dumps(within + ' img')})]"
            ".map(({alt, src, naturalWidth}) => ({alt, src, width: naturalWidth}))"
        )
        return found

    def screenshot(self, path: Path, *, quality: int | None = None) -> Path:
        """The visible part of the page as a picture.

        Args:
            path: Where to.
            quality: 0 to 100 makes a JPEG; None a PNG.
        """
        kind = {"format": "png"} if quality is None else {"format": "jpeg", "quality": quality}
        path.write_bytes(base64.b64decode(self.do("Page.captureScreenshot", **kind)["data"]))
        return path

    def _resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.do("Emulation.setDeviceMetricsOverride", **size)

    def _click(self, selector: str, text: str, exact: bool) -> None:
        found = f"({_FIND})({selector}, {text}, {json.dumps(exact)})"
        place, what = f"{_FRAMES}.then(() => ({_PLACE})({found}))", f"{selector} {text}"
        at = self.until(place, what)
        # What opens or moves is clicked where it comes to rest.
        while (now := self.until(place, what)) != at:
            at = now
            time.sleep(_PAUSE)
        self._press_at(at)

    def _press_at(self, at: dict[str, float]) -> None:
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.do("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)


@contextmanager
def browsing(profile: Path, *, width: int = 1280, height: int = 1000) -> Iterator[Tab]:
    """An empty tab of a browser of its own.

    Args:
        profile: An empty folder for its data.
        width: Of the page, in pixels.
        height: The same.
    """
    command = [
        str(CHROMIUM),
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
    ]
    command += ["--remote-debugging-port=0", f"--user-data-dir={profile}", "--no-first-run"]
    command += [
        f"--blink-settings={_MOUSE}",
        "--disable-background-networking",
        f"--window-size={width},{height}",
        "about:blank",
    ]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    ) as browser:
        try:
            with connect(_tab_of(profile), max_size=None) as connection:
                tab = Tab(connection)
                tab._resize(width, height)
                yield tab
                with suppress(ConnectionClosed):
                    tab.do("Browser.close")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(browser.pid, signal.SIGKILL)


def _tab_of(profile: Path) -> str:
    """Where the first tab is spoken to, once the browser has one."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        with suppress(OSError, httpx.HTTPError):
            port = (profile / "DevToolsActivePort").read_text().split("\n")[0]
            listed = httpx.get(f"http://127.0.0.1:{port}/json", verify=False).json()
            for one in listed:
                if one["type"] == "page":
                    return str(one["webSocketDebuggerUrl"])
        time.sleep(_PAUSE)
    raise AssertionError("Chromium did not start")
