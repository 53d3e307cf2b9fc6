"""Takes ``docs/images/pick-in-the-ui.png``: the resume dialog of a run that waits for a pick.

Starts a Prefect server, a sandbox and a worker in a folder of its own, lets the shipped product
launch come to its question, and opens the dialog in Chromium. Takes about a minute; nothing of it
stays.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import httpx  # noqa: TID251  # speaks to Prefect, not to the API
from PIL import Image

ROOT = Path(__file__).parent.parent
IMAGE = ROOT / "docs" / "images" / "pick-in-the-ui.png"
MAX_BYTES = 200_000
SPEC = "product-launch"
POOL = "campaigns"

sys.path.insert(0, str(ROOT / "tests"))


def main() -> None:
    """Writes the picture."""
    with tempfile.TemporaryDirectory(prefix="rivya-flows-screens-") as folder:
        home = Path(folder)
        # Read by Prefect while it is imported.
        os.environ |= {"DO_NOT_TRACK": "1", "PREFECT_HOME": str(home / "prefect-home")}
        from flows.local_server import LocalServer

        server = LocalServer.start(home / "server")
        try:
            api_url = asyncio.run(server.ready())
            picture = _dialog(home, api_url)
        finally:
            asyncio.run(server.stop())
    IMAGE.write_bytes(picture)
    print(f"{IMAGE.relative_to(ROOT)}: {len(picture)} bytes")


def _dialog(home: Path, api_url: str) -> bytes:
    from prefect_workers import Place, Server, deploy, eventually, sandbox_process, worker

    from flows.deployments import prefect_yaml
    from rivya_flows.catalogue.snapshot import shipped
    from rivya_flows.spec.load import load

    path = ROOT / "specs" / f"{SPEC}.yaml"
    workflow = load(path.read_text(), file=str(path), catalogue=shipped(), folder=path.parent)
    with (
        sandbox_process(home / "sandbox", time_scale=0.02, media="real") as sandbox,
        httpx.Client(verify=False, timeout=30) as client,
    ):
        environment = os.environ | _settings(home, api_url, sandbox)
        (home / "data").mkdir()
        server = Server(api_url, client)
        server.ask("POST", "/work_pools/", {"name": POOL, "type": "process"})
        deploy(home, prefect_yaml([workflow]), environment)
        with worker(Place(home / "data", home / "sandbox", environment), POOL):
            name = workflow.deploy[0].name
            run = server.start(f"{SPEC}/{name}", {"pick": "human"})
            eventually(lambda: server.state(run)["type"] == "PAUSED", "the question")
            return _photographed(home, f"{api_url.removesuffix('/api')}/v2/runs/flow-run/{run}")


def _settings(home: Path, api_url: str, sandbox: Mapping[str, str]) -> dict[str, str]:
    return {
        "PREFECT_API_URL": api_url,
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "RIVYA_API_KEY": sandbox["api_key"],
        "RIVYA_BASE_URL": sandbox["base_url"],
        "RIVYA_FLOWS_DATA": str(home / "data"),
        "RIVYA_FLOWS_SPECS": str(ROOT / "specs"),
        "RIVYA_POLL_SECONDS": "0.2",
    }


def _photographed(home: Path, url: str) -> bytes:
    """The dialog with a choice made, as a PNG that is small enough for the docs."""
    from browser import browsing

    with browsing(home / "profile", width=1280, height=1100) as tab:
        tab.open(url)
        tab.click("button", "Open menu")
        tab.click("[role=menuitem]", "Resume")
        tab.wait_for("[role=dialog] img")
        tab.until(
            "[...document.querySelectorAll('[role=dialog] img')].every(one => one.naturalWidth)"
        )
        tab.click("[role=dialog] button", "Select")
        tab.click("[role=option]", "neon")
        tab.wait_gone("[role=option]")
        taken = tab.screenshot(home / "dialog.png")
    with Image.open(taken) as shot:
        for colours in (256, 128, 64):
            written = io.BytesIO()
            shot.convert("RGB").quantize(colours).save(written, "PNG", optimize=True)
            if written.tell() <= MAX_BYTES:
                return written.getvalue()
    raise SystemExit("the picture is too large for the docs")


if __name__ == "__main__":
    main()
