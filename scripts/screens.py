"""Takes the screenshots in ``docs/images``: Prefect's form, schedule, event, run and pick, and the page of a review.

Starts `rivya-flows up` in its own folder with the shipped product launch, starts a run in the form, one
of a deployment with a schedule, one by an event and one that waits for a pick, and captures each page in Chromium when
its run has ended. `down` stops everything.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx  # noqa: TID251  # speaks to Prefect, not to the API
import yaml
from PIL import Image

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
MAX_BYTES = 200_000
SPEC = "product-launch"
_LOOKS = 6

sys.path.insert(0, str(ROOT / "tests"))

if TYPE_CHECKING:
    from support.browser import Tab
    from support.prefect_workers import Server

DEPLOY = [
    {"name": "by-hand"},
    {
        "name": "weekly",
        "schedules": [{"cron": "0 9 * * 1", "timezone": "Europe/Berlin"}],
        "inputs": {"product": "Comet kettle", "styles": ["studio", "neon"]},
    },
    {
        "name": "on-a-brief",
        "triggers": [
            {
                "event": "campaign.brief.created",
                "inputs": {"product": "${{ event.payload.product }}"},
            }
        ],
    },
]


@dataclass(frozen=True)
class Stage:
    """The services behind the screenshots.

    Attributes:
        ui: Address of Prefect's pages, without a trailing slash.
        environment: Of the commands that use them.
        folder: For temporary files.
    """

    server: Server
    tab: Tab
    ui: str
    environment: dict[str, str]
    folder: Path


def main() -> None:
    """Take the named screenshots, or all."""
    wanted = sys.argv[1:] or list(SCENES)
    if unknown := set(wanted) - set(SCENES):
        raise SystemExit(
            f"there is no screenshot {sorted(unknown)}; choose from: {', '.join(SCENES)}"
        )
    with _stage() as stage:
        for name in wanted:
            SCENES[name](stage)


def by_form(stage: Stage) -> None:
    """A run started in its form; its page and its outputs."""
    deployment = stage.server.ask("GET", f"/deployments/name/{SPEC}/by-hand")["id"]
    tab = stage.tab
    tab.open(f"{stage.ui}/deployments/deployment/{deployment}/run")
    tab.wait_for_text("Who picks the still")
    tab.type("textarea", "Lumen floor lamp")
    _take(stage, "ui-form.png")
    tab.click("button", "Submit")
    run = _newest(stage, deployment)
    _wait_for_end(stage, run)
    _open_run(stage, run)
    _take(stage, "ui-run.png")
    tab.click("[role=tab]", "Artifacts")
    tab.wait_for_text("outputs")
    _take(stage, "ui-artifacts.png")
    outputs = {"artifacts": {"flow_run_id": {"any_": [run]}, "key": {"like_": "outputs"}}}
    [found] = stage.server.ask("POST", "/artifacts/filter", outputs)
    tab.open(f"{stage.ui}/artifacts/artifact/{found['id']}")
    tab.until("[...document.querySelectorAll('img')].some(one => one.naturalWidth > 200)")
    _take(stage, "ui-outputs.png")


def by_schedule(stage: Stage) -> None:
    """A deployment with a schedule, its next run, and a run that was started at once.

    The schedule starts nothing by itself: its runs would pile up where they take longer than a period.
    """
    deployment = stage.server.ask("GET", f"/deployments/name/{SPEC}/weekly")["id"]
    _wait_for_end(stage, stage.server.start(f"{SPEC}/weekly"))
    stage.tab.open(f"{stage.ui}/deployments/deployment/{deployment}")
    stage.tab.wait_for_text("Next Run")
    stage.tab.wait_for_text("Comet kettle")
    stage.tab.wait_for_text("Completed")
    _take(stage, "ui-schedule.png")


def by_event(stage: Stage) -> None:
    """A run started by an event, with the event's payload."""
    deployment = stage.server.ask("GET", f"/deployments/name/{SPEC}/on-a-brief")["id"]
    event = {
        "occurred": _now(),
        "event": "campaign.brief.created",
        "resource": {"prefect.resource.id": "campaign.brief.7"},
        "payload": {"product": "Marble bookend"},
        "id": "6f0b8a52-3f0d-4a63-8f39-6a2b54c7d8e1",
    }
    stage.server.ask("POST", "/events", [event])
    run = _newest(stage, deployment)
    _wait_for_end(stage, run)
    _open_run(stage, run)
    _take(stage, "ui-event.png")


def picking(stage: Stage) -> None:
    """The dialog of a run that waits for a pick, with a choice selected."""
    from support.prefect_workers import eventually

    run = stage.server.start(f"{SPEC}/by-hand", {"pick": "human"})
    eventually(lambda: stage.server.state(run)["type"] == "PAUSED", "the question")
    tab = stage.tab
    tab.open(f"{stage.ui}/runs/flow-run/{run}")
    tab.click("button", "Open menu")
    tab.click("[role=menuitem]", "Resume")
    tab.wait_for("[role=dialog] img")
    tab.until("[...document.querySelectorAll('[role=dialog] img')].every(one => one.naturalWidth)")
    tab.click("[role=dialog] button", "Select")
    tab.click("[role=option]", "neon")
    tab.wait_gone("[role=option]")
    _take(stage, "pick-in-the-ui.png")
    tab.click("[role=dialog] button", "Resume")
    _wait_for_end(stage, run)


def reviewing(stage: Stage) -> None:
    """The page of a link, where the other reviewer marked a place: on a phone and a desktop, light and dark."""
    spec = str(ROOT / "specs" / "approved-spot.yaml")
    _call("run", spec, "--json", **stage.environment)
    links = _call("review", "last", "--by", "Ana", "--json", **stage.environment)["links"]
    note = "sign_off=changes: 16:9, 0:02 (47%, 34%): a warmer light"
    _call("resume", "last", "--answer", note, "--by", "legal", "--json", **stage.environment)
    [page] = [one["url"] for one in links if one["for"] == "brand"]
    for name, width, height in (("phone", 390, 844), ("desktop", 1280, 800)):
        for dark in (False, True):
            stage.tab.show_at(page, width=width, height=height, dark=dark)
            stage.tab.until(
                "[...document.querySelectorAll('video')].every(one => one.readyState > 1)"
            )
            stage.tab.value("document.querySelector('button.at').click()")
            stage.tab.wait_for(".layer i")
            stage.tab.value("scrollTo(0, 0)")
            _take(stage, f"review-{name}{'-dark' if dark else ''}.webp")


SCENES: dict[str, Callable[[Stage], None]] = {
    "form": by_form,
    "event": by_event,
    "pick": picking,
    "schedule": by_schedule,
    "review": reviewing,
}


@contextmanager
def _stage() -> Iterator[Stage]:
    from support.browser import browsing
    from support.prefect_workers import Server

    with tempfile.TemporaryDirectory(prefix="rivya-flows-screens-") as named:
        folder = Path(named)
        shutil.copytree(ROOT / "specs" / "brand", folder / "specs" / "brand")
        spec = yaml.safe_load((ROOT / "specs" / f"{SPEC}.yaml").read_text())
        text = yaml.safe_dump({**spec, "deploy": DEPLOY}, sort_keys=False, allow_unicode=True)
        (folder / "specs" / f"{SPEC}.yaml").write_text(text)
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment |= {
            "RIVYA_FLOWS_DATA": str(folder / "data"),
            "PREFECT_HOME": str(folder / "prefect"),
        }
        try:
            up = _call(
                "up",
                "--port",
                "0",
                "--receiver-port",
                "0",
                "--specs",
                "specs",
                "--json",
                **environment,
            )
            api_url = up["api"]
            with (
                httpx.Client(verify=False, timeout=30) as client,
                browsing(folder / "profile", width=1280, height=1100) as tab,
            ):
                ui = f"{api_url.removesuffix('/api')}/v2"
                server = Server(api_url, client, Path(up["auth_file"]).read_text())
                tab.open(server.page("/v2"))
                tab.until("location.pathname.startsWith('/v2')", "the first page")
                yield Stage(server, tab, ui, environment, folder)
        finally:
            _call("down", "--json", **environment)


def _call(*arguments: str, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "rivya_flows.cli.main", *arguments],
        cwd=Path(environment["RIVYA_FLOWS_DATA"]).parent,
        env=environment,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _newest(stage: Stage, deployment: str) -> str:
    """The id of the newest flow run of a deployment; waits for one."""
    from support.prefect_workers import eventually

    body: dict[str, Any] = {"deployments": {"id": {"any_": [deployment]}}}
    runs = eventually(
        lambda: stage.server.ask("POST", "/flow_runs/filter", body | {"sort": "START_TIME_DESC"}),
        "a run of the deployment",
    )
    return str(runs[0]["id"])


def _wait_for_end(stage: Stage, run: str) -> None:
    stage.server.end(run, "COMPLETED")
    stage.server.task_runs(run)  # once all of them are written


def _open_run(stage: Stage, run: str) -> None:
    stage.tab.open(f"{stage.ui}/runs/flow-run/{run}")
    stage.tab.wait_for("canvas")
    stage.tab.wait_for_text("Completed")


def _take(stage: Stage, name: str) -> None:
    """Capture a picture small enough for the docs, once the page stops changing; WebP of what is a photo.

    A page with a clock never stops; it is captured after some attempts.
    """
    taken = stage.folder / "shot.png"
    before = b""
    for _ in range(_LOOKS):
        now = stage.tab.screenshot(taken).read_bytes()
        if now == before:
            break
        before = now
        stage.tab.value("new Promise(done => setTimeout(done, 500))")
    with Image.open(taken) as shot:
        if name.endswith(".webp"):
            shot.convert("RGB").save(IMAGES / name, quality=82, method=6)
            return
        for colours in (256, 128, 64, 32):
            written = io.BytesIO()
            shot.convert("RGB").quantize(colours).save(written, "PNG", optimize=True)
            if written.tell() <= MAX_BYTES:
                break
    (IMAGES / name).write_bytes(written.getvalue())
    print(f"docs/images/{name}: {written.tell()} bytes")


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat()


if __name__ == "__main__":
    main()
