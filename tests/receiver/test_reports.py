"""The contact sheet of a run, from store and media alone, with addresses that people can open."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urljoin

import pytest

from rivya_flows.assets import assets_in
from rivya_flows.engine.publishing import address_of, report_of
from rivya_flows.receipt.model import Receipt
from rivya_flows.receiver import live
from rivya_flows.receiver.addresses import SECRET_NAME, report_address
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.secrets import shared_secret
from rivya_sandbox.service.serve import running
from support.engine_runs import Bomb, Studio, customer, stills
from support.receiver_stage import Stage, receiving

RUN = "run-1"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio that has made two pictures."""
    folder = tmp_path_factory.mktemp("reports")
    with running(folder / "sandbox") as sandbox:
        made = customer(sandbox, folder / "studio")
        made.run(stills(2, top="title: Two <lamps>"), RUN)
        yield made


@pytest.fixture(scope="module")
def stage(studio: Studio) -> Iterator[Stage]:
    with receiving(f"sqlite:///{studio.folder / 'journal.sqlite'}", studio.folder) as opened:
        yield opened


def path_of_report(stage: Stage, run_id: str = RUN) -> str:
    return report_address("", shared_secret(stage.journal.engine, SECRET_NAME), run_id)


def test_the_page_of_a_run_shows_its_media_from_the_receiver(stage: Stage) -> None:
    answer = stage.get(path_of_report(stage))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "Two &lt;lamps&gt;" in answer.text
    small = set(re.findall(r'<img src="([^"]+/stills/[^"]+)"', answer.text))
    assert len(small) == 2
    for address in small:
        drawn = stage.client.get(urljoin(str(answer.url), address))
        assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/webp")
    whole = set(re.findall(r'href="([^"]+/media/[^"]+)"', answer.text))
    assert len(whole) == 2
    for address in whole:
        medium = stage.client.get(urljoin(str(answer.url), address))
        assert medium.status_code == 200
        assert medium.headers["content-type"] == "image/png"


def test_a_page_is_rendered_again_only_when_its_run_has_written(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[int] = []

    def sheet(made: Receipt, *_: object, **__: object) -> tuple[str, ...]:
        rendered.append(made.executions)
        return ("page",)

    monkeypatch.setattr(live, "sheet_pieces", sheet)
    # A receiver of its own, which has rendered no page yet.
    with receiving(f"sqlite:///{studio.folder / 'journal.sqlite'}", studio.folder) as stage:
        for _ in range(3):
            assert "\npage\n" in stage.get(path_of_report(stage)).text
        assert rendered == [1]
        asyncio.run(studio.execute(RUN))
        stage.get(path_of_report(stage))
        assert rendered == [1, 2]
        assert stage.get(path_of_report(stage, "run-2")).status_code == 404, "not in the store"


def test_no_copy_of_a_medium_stays_for_its_small_picture(studio: Studio, tmp_path: Path) -> None:
    far = f"memory://sheets-{uuid.uuid4().hex}"
    assets = AssetStore(far, tmp_path / "filled")
    for path in (studio.folder / "assets").glob("??/*"):
        assets.put(path)
    store_url = f"sqlite:///{studio.folder / 'journal.sqlite'}"
    with receiving(store_url, tmp_path, assets_url=far) as stage:
        page = stage.get(path_of_report(stage))
        for address in re.findall(r'<img src="([^"]+/stills/[^"]+)"', page.text):
            assert stage.client.get(urljoin(str(page.url), address)).status_code == 200
        assert not any((tmp_path / "copies").iterdir())


def test_pages_link_to_the_receiver_if_its_url_is_known(stage: Stage, studio: Studio) -> None:
    with studio.context(Bomb()) as home:
        settings = home.settings.model_copy(update={"rivya_flows_public_url": stage.url})
        public = replace(home, settings=settings)
        report = studio.receipt(RUN)
        asset, _ = assets_in(report["outputs"]["pictures"])
        address, page = address_of(public, asset), report_of(public, RUN)
        assert address is not None
        assert page is not None
        assert stage.client.get(address).headers["content-type"] == "image/png"
        assert stage.client.get(page).status_code == 200
        assert address_of(home, asset) == asset.url
        assert address_of(home, asset.model_copy(update={"url": None})) is None
        elsewhere = asset.model_copy(update={"url": "file:///etc/passwd"})
        assert address_of(home, elsewhere) is None
        assert report_of(home, RUN) is None
