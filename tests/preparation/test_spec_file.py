"""A spec that carries what it names in its folder runs where that folder is not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rivya_client.catalogue.snapshot import shipped
from rivya_cut.fonts import FAMILIES
from rivya_flows.assets import assets_in
from rivya_flows.errors import SpecError, StoreError, UsageError
from rivya_flows.estimate.estimate import rehearse
from rivya_flows.preparation import spec_file
from rivya_flows.preparation.prepare import Market, PlanningStore, RunRequest, prepare
from rivya_flows.preparation.spec_file import SpecFile, load_spec, read_spec, specs_at, with_files
from rivya_flows.queue.events import RunFrozen
from rivya_flows.queue.reducer import initial_state
from rivya_flows.receipt.from_journal import provenance
from rivya_flows.store.assets import AssetStore
from support.naive_service import NOON

SPEC = """\
version: 1
name: campaign
inputs:
  photo: {type: file, kind: image, default: photos/own.png}
  more: {type: list, of: file, kind: image, default: [photos/more.png]}
steps:
  restyled:
    uses: generate
    with: {model: nano-banana-2, prompt: as a drawing, references: [named.png, "${{ inputs.photo }}"]}
  part:
    uses: include
    with: {spec: parts/part.yaml}
"""
PART = """\
version: 1
name: part
inputs:
  logo: {type: file, kind: image, default: {path: logo.png}}
steps:
  drawn:
    uses: generate
    with: {model: nano-banana-2, prompt: a logo, references: ["${{ inputs.logo }}"]}
"""
NAMED = ("named.png", "parts/logo.png", "photos/more.png", "photos/own.png")


@pytest.fixture
def spec(tmp_path: Path) -> SpecFile:
    folder = tmp_path / "specs"
    for shade, name in enumerate(NAMED):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (shade, 0, 0)).save(path)
    (folder / "parts" / "part.yaml").write_text(PART)
    (folder / "campaign.yaml").write_text(SPEC)
    return read_spec(folder / "campaign.yaml")


def store(folder: Path) -> AssetStore:
    return AssetStore((folder / "assets").as_uri(), folder / "copies")


def frozen(spec: SpecFile, assets: AssetStore, **inputs: Any) -> RunFrozen:
    return prepare(
        RunRequest(spec, lambda _: inputs, local_files=False),
        Market(shipped(), "sandbox"),
        "run-1",
        PlanningStore(assets),
    ).frozen


def sources(start: RunFrozen) -> list[str]:
    """Hashes of all that the run would upload."""
    steps = initial_state(start).plan
    assert steps.order == ("restyled", "part__drawn", "part")
    media = assets_in([start.files, start.inputs["photo"], start.inputs["more"]])
    return sorted(asset.sha256 for asset in media)


def test_carried_spec_is_frozen_as_where_its_folder_is(spec: SpecFile, tmp_path: Path) -> None:
    assets = store(tmp_path)
    sent = with_files(spec, shipped(), assets)
    assert with_files(sent, shipped(), assets) == sent
    assert load_spec(sent, shipped()) == load_spec(spec, shipped())
    here, there = frozen(spec, assets), frozen(sent, assets)
    assert set(there.files) == set(NAMED)
    assert set(sources(here)) == set(sources(there))
    assert here.inputs == there.inputs
    assert here.includes == there.includes == {"parts/part.yaml": PART}
    assert here.plan == there.plan
    # A default that it carries gives way to what is given.
    start = frozen(sent, assets, photo="https://example.com/a.png")
    assert start.inputs["photo"] == {"url": "https://example.com/a.png"}
    with pytest.raises(SpecError, match="not allowed here"):
        frozen(sent, assets, photo="photos/own.png")


def test_carried_media_are_those_of_the_store_of_this_machine_or_are_told_as_missing(
    spec: SpecFile, tmp_path: Path
) -> None:
    sent = with_files(spec, shipped(), store(tmp_path))
    other = tmp_path / "elsewhere"
    other.mkdir()
    (tmp_path / "assets").rename(other / "assets")
    start = frozen(sent, store(other))
    assert start.files["named.png"].path == store(other).local_path(start.files["named.png"].sha256)
    photo: Any = start.inputs["photo"]
    assert Path(photo["path"]).is_relative_to(other)
    shutil.rmtree(tmp_path / "specs")
    with pytest.raises(StoreError, match=r"not in the asset store: named\.png, parts/logo\.png"):
        frozen(sent, store(tmp_path / "other"))


def test_carried_spec_takes_its_brand_and_the_logo_along(spec: SpecFile, tmp_path: Path) -> None:
    folder = tmp_path / "specs"
    (folder / "parts" / "brand.yaml").write_text("logo: logo.png\nprompt: warm light\n")
    (folder / "parts" / "part.yaml").write_text(
        PART.replace("inputs:", "brand: brand.yaml\ninputs:")
    )
    (folder / "campaign.yaml").write_text(
        SPEC.replace("inputs:", "brand: parts/brand.yaml\ninputs:")
    )
    assets = store(tmp_path)
    here = read_spec(folder / "campaign.yaml")
    sent = with_files(here, shipped(), assets)
    (folder / "parts" / "brand.yaml").write_text("prompt: another light\n")
    start = frozen(sent, assets)
    assert start.includes["parts/brand.yaml"] == "logo: logo.png\nprompt: warm light\n"
    plan = initial_state(start).plan
    for space in plan.spaces.values():
        assert space.workflow.branding is not None
        assert space.workflow.branding.logo == "parts/logo.png"
        assert space.workflow.branding.prompt == "warm light"
    assert "parts/logo.png" in start.files


def test_a_film_is_asked_for_by_the_content_of_the_font_of_its_brand(tmp_path: Path) -> None:
    film = "uses: compose, with: {clips: https://a.example/b.mp4, end_card: {title: Hi}}"
    text = f"version: 1\nname: spot\nbrand: {{font: own.otf}}\nsteps: {{film: {{{film}}}}}\n"
    hashes = []
    for family in ("bebas", "grotesk"):
        content = FAMILIES[family][0].path.read_bytes()
        (tmp_path / "own.otf").write_bytes(content)
        assets = store(tmp_path)
        start = frozen(SpecFile(text, "spot.yaml", tmp_path), assets)
        kept = start.files["own.otf"]
        assert assets.local_path(kept.sha256).read_bytes() == content
        state = rehearse(initial_state(start), NOON, lambda _: None)
        [item] = state.steps["film"].items.values()
        assert item.request is not None
        assert item.request.arguments["look"] == {"colours": [], "font": {"sha256": kept.sha256}}
        assert provenance(state) == ()
        hashes.append(kept.sha256)
    assert len({*hashes}) == 2


def test_spec_without_an_end_is_read_as_far_as_a_spec_may_go() -> None:
    with pytest.raises(UsageError, match="larger than 1 MiB"):
        read_spec(Path("/dev/zero"))


def test_line_breaks_of_any_system_are_read_alike(tmp_path: Path) -> None:
    for name, breaks in (("unix", b"\n"), ("windows", b"\r\n"), ("old", b"\r")):
        (tmp_path / name).write_bytes(SPEC.encode().replace(b"\n", breaks))
        assert read_spec(tmp_path / name).text == SPEC


def test_tests_of_a_spec_are_no_spec_of_its_folder(tmp_path: Path) -> None:
    for name in ("spot.yaml", "spot.test.yaml", "spot.txt"):
        (tmp_path / name).write_text("")
    assert specs_at(tmp_path) == [tmp_path / "spot.yaml"]
    assert specs_at(tmp_path / "spot.test.yaml") == [tmp_path / "spot.test.yaml"]


def test_a_project_has_its_specs_in_their_folder_and_no_hidden_file_is_one(tmp_path: Path) -> None:
    specs = tmp_path / "specs"
    specs.mkdir()
    for name in ("compose.yaml", ".pre-commit-config.yaml"):
        (tmp_path / name).write_text("")
    assert specs_at(tmp_path) == [tmp_path / "compose.yaml"]
    assert spec_file.project_specs(tmp_path) == tmp_path, "it has no other spec"
    (specs / "spot.yaml").write_text("")
    assert spec_file.project_specs(tmp_path) == specs
    (specs / "specs").mkdir()
    (specs / "specs" / "part.yaml").write_text("")
    assert spec_file.project_specs(specs) == specs


def test_a_pipe_is_no_spec_of_its_folder_since_its_reader_waits_for_ever(tmp_path: Path) -> None:
    for name in ("pipe.yaml", "pipe.test.yaml"):
        os.mkfifo(tmp_path / name)
    assert specs_at(tmp_path) == spec_file.tests_at(tmp_path) == []
