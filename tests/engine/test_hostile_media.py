"""Media that hurt who decodes them, as results of paid jobs, as files of a spec, and lookalikes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from rivya_flows.media.bounds import LIMITS
from rivya_flows.receipt.report import RunReport, write_report
from support.engine_runs import Bomb, Studio, codes, stills

pytestmark = pytest.mark.slow

HEAD = "version: 1\nname: hostile\n"


LOST = 'on: "GET /media/results/*", do: status, status: 404'


def reported(studio: Studio, folder: Path) -> RunReport:
    with studio.context(Bomb()) as home:
        return write_report(home.journal.entries("run-1"), folder, home.assets)


def test_what_was_paid_for_and_cannot_be_decoded_is_kept_and_the_rest_goes_on(
    studio: Studio, tmp_path: Path
) -> None:
    evil = b"\xff\xd8\xff" + bytes(500)
    studio.order(LOST)
    assert codes(studio.started(stills(2))) == ["download"] * 2
    studio.order()
    studio.results()[0].write_bytes(evil)
    receipt = studio.executed()
    assert sorted(map(str, codes(receipt))) == ["None", "download"]
    [failed] = [item for item in receipt["steps"][0]["items"] if item["code"]]
    digest = hashlib.sha256(evil).hexdigest()
    why = f"broken or cut short; its bytes are kept as {digest}"
    assert failed["reason"] == f"result 1: {why}"
    document = reported(studio, tmp_path / "out").receipt.model_dump(mode="json")
    [file] = document["steps"][0]["items"][int(failed["key"])]["files"]
    assert (file["sha256"], file["task_id"]) == (digest, failed["task_ids"][0])
    assert Path(file["path"]).read_bytes() == evil
    # The service no longer has it; it is neither lost here nor bought again.
    studio.order(LOST)
    [item] = [item for item in studio.executed()["steps"][0]["items"] if item["code"]]
    assert digest in item["reason"]
    assert item["files"] == failed["files"]
    assert studio.audit() == 2


def test_what_came_home_is_decoded_by_a_resume_that_can_though_the_service_has_lost_it(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as bounds:
        bounds.setitem(LIMITS, "probe", replace(LIMITS["probe"], seconds=1e-6))
        receipt = studio.started(stills(2))
    assert codes(receipt) == ["download"] * 2
    assert "the bound is MAX_PROBE_SECONDS" in receipt["steps"][0]["items"][0]["reason"]
    for file in studio.results():
        file.unlink()
    receipt = studio.executed()
    assert receipt["status"] == "completed"
    assert [item["files"] for item in receipt["steps"][0]["items"]] == [[], []]
    assert studio.audit() == 2


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
    studio: Studio, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"a secret of this machine")
    # A medium of another run in the same store.
    other = studio.started(stills(1, prompt="private"), "run-0")
    [private] = [one["sha256"] for one in other["outputs"]["pictures"]]

    def filled(text: str) -> str:
        return text.replace("SECRET", str(secret)).replace("HASH", private)

    (tmp_path / "part.yaml").write_text(filled(PART))
    assert studio.started(filled(LOOKALIKES), folder=tmp_path)["status"] == "completed"
    report = reported(studio, tmp_path / "out")
    html = report.sheet_path.read_text()
    known = {card["sha256"] for card in report.receipt.model_dump(mode="json")["assets"]}
    assert private not in known
    assert "YSBzZWNyZXQgb2YgdGhpcyBtYWNoaW5l" not in html, "the secret in base64"
    assert html.count("data:image") == len(known) == 2
    copies = [one for one in (tmp_path / "out").rglob("*") if one.is_file()]
    assert sorted(one.suffix for one in copies) == [".html", ".json", ".png", ".png"]
    assert secret.as_uri() not in html


def test_a_pick_from_what_is_no_medium_fails_with_one_clear_error(studio: Studio) -> None:
    candidates = (
        "['a text']",
        "[{'asset': 'a text'}]",
        "[{'asset': {'kind': 'image', 'path': '/etc/passwd'}}]",
        "'a text'",
    )
    text = (
        HEAD
        + """
steps:
  told:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: hello, expect: {a: string}}
"""
    )
    for number, given in enumerate(candidates):
        listed = f"${{{{ {given} if steps.told.text else [] }}}}"
        text += f'  hero{number}: {{uses: pick, with: {{from: "{listed}"}}}}\n'
    _, *picks = studio.started(text)["steps"]
    assert len(picks) == len(candidates)
    for [item] in (step["items"] for step in picks):
        assert item["status"] == "failed"
        assert any(word in item["reason"] for word in ("'from'", "`asset`", "not an image"))
