"""A person's own file: taken from our page alone, bounded, and never anything but a medium."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from PIL import Image

from rivya_flows.receiver import media as receiver_media
from rivya_flows.receiver.addresses import SECRET_NAME, medium_at, upload_address, upload_token
from rivya_flows.store.secrets import shared_secret
from support.browser import CHROMIUM, browsing
from support.receiver_stage import Stage, receiving

OURS = {"Content-Type": "application/octet-stream", "X-Rivya-Upload": "1"}


def picture() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (12, 7), "red").save(data, "png")
    return data.getvalue()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with receiving(f"sqlite:///{tmp_path / 'journal.sqlite'}", tmp_path) as opened:
        yield opened


def secret(stage: Stage) -> str:
    return shared_secret(stage.journal.engine, SECRET_NAME)


def send(
    stage: Stage, body: bytes, headers: Mapping[str, str] | None = None, *, until: int = 2**40
) -> httpx.Response:
    path = f"/upload/{upload_token(secret(stage), until)}"
    return stage.client.post(path, content=body, headers={**OURS, **(headers or {})})


def media(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "assets").rglob("*") if path.is_file()]


def test_a_picture_gets_an_address_that_a_run_knows_again(stage: Stage, tmp_path: Path) -> None:
    answer = send(stage, picture(), {"Origin": stage.url})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["kind"], found["width"], found["height"]) == ("image", 12, 7)
    address = str(httpx.URL(f"{stage.url}/upload/token").join(found["address"]))
    shown = stage.client.get(address)
    assert (shown.content, shown.headers["content-type"]) == (picture(), "image/png")
    named = medium_at(lambda: secret(stage), address)
    assert named is not None
    assert [path.name for path in media(tmp_path)] == [named.sha256]
    assert medium_at(lambda: secret(stage), address.replace("image-", "image-0")) is None


def test_no_copy_stays_of_a_picture_in_a_store_elsewhere(tmp_path: Path) -> None:
    place = f"memory://assets-{uuid.uuid4().hex}"
    with receiving(f"sqlite:///{tmp_path / 'journal.sqlite'}", tmp_path, assets_url=place) as stage:
        assert send(stage, picture()).status_code == 200
        assert len(list(stage.assets.listing())) == 1
        assert list((tmp_path / "copies").iterdir()) == []


def test_the_page_of_the_form_does_not_expire_and_takes_nothing_itself(stage: Stage) -> None:
    page = stage.get(upload_address("", secret(stage)))
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert send(stage, picture(), until=0).status_code == 404
    assert send(stage, picture(), until=1).status_code == 403
    assert stage.get(f"/upload/{upload_token('another secret', 0)}").status_code == 404


def test_another_page_cannot_send_files_and_only_media_are_kept(
    stage: Stage, tmp_path: Path
) -> None:
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"X-Rivya-Upload": "0"},
        {"Content-Type": "multipart/form-data"},
    ):
        assert send(stage, picture(), headers).status_code == 403
    for body in (
        b"",
        b"<html><script>alert(1)</script>",
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        picture()[:40],
        b"\x7fELF" + bytes(100),
    ):
        assert send(stage, body).status_code in (400, 415), body
    assert media(tmp_path) == []


def test_files_are_bounded_in_size_and_number(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_media, "MAX_UPLOAD_BYTES", 1000)
    assert send(stage, bytes(1001)).status_code == 413
    path = f"/upload/{upload_token(secret(stage), 2**40)}"
    told = stage.client.post(path, content=iter([bytes(600)] * 2), headers=OURS)
    assert told.status_code == 413  # without a length
    monkeypatch.setattr(receiver_media, "MAX_UPLOADS", 2)
    assert send(stage, picture()).status_code == 200
    assert send(stage, picture()).status_code == 429
    monkeypatch.setattr(receiver_media, "MAX_UPLOADS", 200)
    monkeypatch.setattr(receiver_media, "FREE_BYTES", 2**62)
    assert send(stage, picture()).status_code == 507
    assert len(media(tmp_path)) == 1


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.slow
def test_in_chromium_a_person_chooses_a_picture_and_copies_its_address(
    stage: Stage, tmp_path: Path
) -> None:
    (tmp_path / "mine.png").write_bytes(picture())
    (tmp_path / "notes.png").write_text("no picture")
    with browsing(tmp_path / "profile") as tab:
        tab.open(upload_address(stage.url, secret(stage)))
        chooser = tab.do("Runtime.evaluate", expression="document.getElementById('files')")
        for name in ("notes.png", "mine.png"):
            tab.do(
                "DOM.setFileInputFiles",
                files=[str(tmp_path / name)],
                objectId=chooser["result"]["objectId"],
            )
            tab.wait_for_text(f"{name}: {'image, 12 × 7' if name == 'mine.png' else 'This is no'}")
        address = tab.value("document.querySelector('li input').value")
        tab.click("li button", "Copy")
        tab.wait_for_text("Copied", "li button")
        tab.until("document.querySelector('li img').naturalWidth === 12", "the picture")
    assert stage.client.get(address).content == picture()
