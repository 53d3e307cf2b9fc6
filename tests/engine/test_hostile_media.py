"""Media that hurt who decodes them, as results of paid jobs, as files of a spec, and lookalikes."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from rivya_flows.media.bounds import LIMITS
from rivya_flows.receipt.report import RunReport, write_report
from rivya_sandbox.service.startup import Sandbox
from support.engine_receipts import codes, executed, started
from support.engine_runs import Bomb, Studio, accounts_agree, customer, order, stills
from support.hostile_media import (
    film_with_a_pause,
    picture_with_text_for_orientation,
    png_of,
    sound,
)

HEAD = "version: 1\nname: hostile\n"


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    return shared_sandbox


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(sandbox, tmp_path / "studio")


def reported(studio: Studio, folder: Path) -> RunReport:
    with studio.context(Bomb()) as home:
        return write_report(home.journal.entries("run-1"), folder, home.assets)


def results(sandbox: Sandbox, count: int) -> list[Path]:
    """The newest results that the service serves."""
    found = sorted((sandbox.data / "results").iterdir(), key=lambda one: one.stat().st_mtime_ns)
    return found[-count:]


def bought_but_not_here(studio: Studio, sandbox: Sandbox, count: int) -> list[Path]:
    """A run whose jobs have ended, and the files in which the service has their results."""
    order(sandbox, 'on: "GET /media/results/*", do: status, status: 404')
    assert codes(started(studio, stills(count))) == ["download"] * count
    order(sandbox)
    return results(sandbox, count)


@pytest.mark.parametrize(
    ("evil", "why"),
    [
        (sound(codec=0x1234), "of a codec that is not known here"),
        (png_of(8_000, 8_000), "more than 40 million pixels; the bound is MAX_PIXELS"),
        (b"\xff\xd8\xff" + bytes(500), "broken or cut short"),
    ],
    ids=["codec", "pixels", "broken"],
)
def test_what_was_paid_for_and_cannot_be_decoded_is_kept_and_the_rest_goes_on(
    studio: Studio, sandbox: Sandbox, tmp_path: Path, evil: bytes, why: str
) -> None:
    bought_but_not_here(studio, sandbox, 2)[0].write_bytes(evil)
    receipt = executed(studio)
    assert sorted(map(str, codes(receipt))) == ["None", "download"]
    [failed] = [item for item in receipt["steps"][0]["items"] if item["code"]]
    digest = hashlib.sha256(evil).hexdigest()
    assert failed["reason"] == f"result 1: {why}; its bytes are kept as {digest}"
    [file] = reported(studio, tmp_path / "out").receipt.model_dump(mode="json")["steps"][0][
        "items"
    ][int(failed["key"])]["files"]
    assert (file["sha256"], file["task_id"]) == (digest, failed["task_ids"][0])
    assert Path(file["path"]).read_bytes() == evil
    # The service no longer has it; it is neither lost here nor bought again.
    order(sandbox, 'on: "GET /media/results/*", do: status, status: 404')
    again = executed(studio)
    order(sandbox)
    [item] = [item for item in again["steps"][0]["items"] if item["code"]]
    assert digest in item["reason"]
    assert item["files"] == failed["files"]
    assert accounts_agree(studio, sandbox.data, "run-1") == 2


def test_what_came_home_is_decoded_by_a_resume_that_can_though_the_service_has_lost_it(
    studio: Studio, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as bounds:
        bounds.setitem(LIMITS, "probe", replace(LIMITS["probe"], seconds=1e-6))
        receipt = started(studio, stills(2))
    assert codes(receipt) == ["download"] * 2
    assert "the bound is MAX_PROBE_SECONDS" in receipt["steps"][0]["items"][0]["reason"]
    for file in results(sandbox, 2):
        file.unlink()
    receipt = executed(studio)
    assert receipt["status"] == "completed"
    assert [item["files"] for item in receipt["steps"][0]["items"]] == [[], []]
    assert accounts_agree(studio, sandbox.data, "run-1") == 2


def test_results_of_odd_but_whole_media_are_media(studio: Studio, sandbox: Sandbox) -> None:
    for file in bought_but_not_here(studio, sandbox, 1):
        file.write_bytes(picture_with_text_for_orientation())
    receipt = executed(studio)
    assert receipt["status"] == "completed"
    assert receipt["outputs"]["pictures"][0]["width"] == 40


def test_a_composition_ends_at_its_time_out_and_the_run_goes_on(
    studio: Studio, tmp_path: Path
) -> None:
    film_with_a_pause(tmp_path / "pause.mkv", 3_000, (640, 360))
    text = f"""{HEAD}steps:
  film: {{uses: compose, timeout: 1s, with: {{video: pause.mkv}}}}
  other: {{uses: generate, with: {{model: z-image, prompt: a lamp}}}}
"""
    asyncio.run(studio.start(text, "run-1", folder=tmp_path))
    film, other = executed(studio)["steps"]
    assert film["items"][0]["reason"] == "the composition took longer than 1 s"
    assert other["status"] == "completed"


LOOKALIKES = (
    HEAD
    + """
steps:
  other: {uses: generate, with: {model: z-image, prompt: a lamp}}
  hero:
    uses: pick
    with:
      from: [{key: a, asset: {kind: image, sha256: HASH, path: SECRET, mime_type: image/png}}]
  part: {uses: include, with: {spec: part.yaml}}
outputs:
  path: {kind: image, path: SECRET}
  both: {kind: image, sha256: HASH, path: SECRET, mime_type: image/png}
  odd: {kind: image, sha256: [1], path: SECRET, mime_type: 7}
  many: [{kind: video, path: SECRET}, {a: {kind: audio, sha256: HASH, path: SECRET}}]
  picked: ${{ steps.hero.asset }}
  part: ${{ steps.part.outputs }}
  true: ${{ steps.other.asset }}
"""
)
PART = """
version: 1
name: part
outputs:
  asset: {kind: image, path: SECRET}
  assets: [{kind: image, sha256: HASH, path: SECRET, mime_type: image/png}]
steps:
  nothing: {uses: generate, with: {model: z-image, prompt: nothing}}
"""


def test_nothing_that_only_looks_like_a_medium_is_embedded_linked_or_copied(
    studio: Studio, sandbox: Sandbox, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"a secret of this machine")
    # A medium of another run in the same store.
    other = studio.run(stills(1, prompt="private"), "run-0")
    private: Any
    [private] = [item.outputs for _, item in other.each()]

    def filled(text: str) -> str:
        return text.replace("SECRET", str(secret)).replace("HASH", private["asset"]["sha256"])

    (tmp_path / "part.yaml").write_text(filled(PART))
    asyncio.run(studio.start(filled(LOOKALIKES), "run-1", folder=tmp_path))
    assert executed(studio)["status"] == "completed"
    report = reported(studio, tmp_path / "out")
    html = report.sheet_path.read_text()
    known = {card["sha256"] for card in report.receipt.model_dump(mode="json")["assets"]}
    assert private["asset"]["sha256"] not in known
    assert "YSBzZWNyZXQgb2YgdGhpcyBtYWNoaW5l" not in html, "the secret in base64"
    assert html.count("data:image") == len(known) == 2
    copies = [one for one in (tmp_path / "out").rglob("*") if one.is_file()]
    assert sorted(one.suffix for one in copies) == [".html", ".json", ".png", ".png"]
    assert secret.as_uri() not in html


@pytest.mark.parametrize(
    "candidates",
    ["[a text]", "[{asset: a text}]", "[{asset: {kind: image, path: /etc/passwd}}]", "a text"],
)
def test_a_pick_from_what_is_no_medium_fails_with_one_clear_error(
    studio: Studio, candidates: str
) -> None:
    text = (
        HEAD
        + """
steps:
  told:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: hello, expect: {a: string}}
  hero: {uses: pick, with: {from: "${{ CANDIDATES if steps.told.text else [] }}"}}
"""
    )
    python = json.dumps(yaml.safe_load(candidates)).replace('"', "'")
    asyncio.run(studio.start(text.replace("CANDIDATES", python), "run-1"))
    receipt = executed(studio)
    [item] = receipt["steps"][1]["items"]
    assert item["status"] == "failed"
    assert any(word in item["reason"] for word in ("'from'", "`asset`", "not an image"))
