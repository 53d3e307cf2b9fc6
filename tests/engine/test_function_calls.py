"""Calls of functions: time limits, exits, and files that are fetched for them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from rivya_flows.engine import functions
from rivya_flows.errors import LostMediumError
from rivya_flows.steps.function import LocalAsset
from rivya_flows.store.assets import AssetStore
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Studio, studio_at
from support.function_steps import HEAD, Installer, installing

SLOW = """
import asyncio
import threading

from pydantic import BaseModel

from rivya_flows.steps.function import LocalAsset

ENDED = threading.Event()


class Done(BaseModel):
    words: str


async def slow_coroutine(text: str) -> Done:
    await asyncio.Event().wait()
    return Done(words=text)


def slow_thread(text: str) -> Done:
    ENDED.wait(60)
    return Done(words=text)


def exits(text: str) -> Done:
    raise SystemExit(text)


async def exits_coroutine(text: str) -> Done:
    raise SystemExit(text)


async def gives_up(text: str) -> Done:
    raise asyncio.CancelledError


async def cancels_itself(text: str) -> Done:
    asyncio.current_task().cancel()
    await asyncio.sleep(60)


def sizes(images: list[LocalAsset]) -> Done:
    return Done(words=" ".join(f"{one.kind} {one.width}" for one in images))
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installer]:
    with installing(tmp_path, monkeypatch) as install:
        yield install


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return studio_at(tmp_path / "studio", sandbox.base_url, sandbox.api_key)


@pytest.fixture
def slow(install: Installer) -> Iterator[None]:
    kinds = "slow_coroutine slow_thread exits exits_coroutine gives_up cancels_itself sizes"
    points = "\n".join(f"{kind} = slow_steps:{kind}" for kind in kinds.split())
    install("slow_steps", SLOW, points)
    yield
    if "slow_steps" in sys.modules:
        sys.modules["slow_steps"].ENDED.set()


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("kind", ["slow_coroutine", "slow_thread"])
def test_a_function_that_takes_too_long_fails_its_step_and_the_run_goes_on(
    studio: Studio, kind: str
) -> None:
    state = studio.run(
        HEAD + f"steps:\n  late: {{uses: {kind}, timeout: 50ms, with: {{text: a}}}}\n"
        "  still: {uses: generate, with: {model: z-image, prompt: a lamp}}\n"
    )
    assert state.ended == "failed"
    [late], [still] = state.steps["late"].items.values(), state.steps["still"].items.values()
    assert (late.code, late.reason) == ("function", f"{kind}: it took longer than 0.05 s")
    assert still.phase.value == "completed"


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("kind", ["exits", "exits_coroutine"])
def test_a_function_that_ends_the_process_ends_only_its_step(studio: Studio, kind: str) -> None:
    state = studio.run(HEAD + f"steps:\n  out: {{uses: {kind}, with: {{text: bye}}}}\n")
    [item] = state.steps["out"].items.values()
    assert (item.code, item.reason) == ("function", f"{kind}: RuntimeError: SystemExit('bye')")


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("kind", ["gives_up", "cancels_itself"])
def test_a_coroutine_that_is_cancelled_from_within_fails_its_step_and_the_run_ends(
    studio: Studio, kind: str
) -> None:
    state = studio.run(HEAD + f"steps:\n  out: {{uses: {kind}, with: {{text: a}}}}\n")
    [item] = state.steps["out"].items.values()
    assert state.ended == "failed"
    assert (item.code, item.reason) == ("function", f"{kind}: it was cancelled from within")


@pytest.mark.usefixtures("slow")
def test_files_named_by_address_or_id_are_fetched_for_a_function(studio: Studio) -> None:
    first = studio.run(
        HEAD + "steps:\n  still: {uses: generate, with: {model: z-image, prompt: a lamp}}\n"
        "  up: {uses: upload, with: {file: '${{ steps.still.asset }}'}}\n"
        "outputs: {id: '${{ steps.up.id }}', url: '${{ steps.up.url }}'}\n"
    )
    assert first.ended == "completed"
    given = studio.receipt("run-1")["outputs"]
    spec = (
        HEAD + "inputs:\n  photo: {type: file, kind: image}\n  more: {type: file, kind: image}\n"
        "steps:\n  sizes:\n    uses: sizes\n"
        "    with: {images: ['${{ inputs.photo }}', '${{ inputs.more }}']}\n"
        "outputs: {words: '${{ steps.sizes.words }}'}\n"
    )
    state = studio.run(spec, "run-2", inputs={"photo": given["url"], "more": given["id"]})
    [item] = state.steps["sizes"].items.values()
    assert (item.reason, state.ended) == (None, "completed")
    assert studio.receipt("run-2")["outputs"] == {"words": "image 64 image 64"}


@pytest.fixture
def stored(tmp_path: Path) -> AssetStore:
    """The store in which functions find and leave media."""
    return AssetStore((tmp_path / "assets").as_uri(), tmp_path / "copies")


@pytest.mark.parametrize("width", [8, "x"])
def test_the_path_of_what_looks_like_an_asset_is_never_believed(
    stored: AssetStore, width: object
) -> None:
    claimed = {"kind": "image", "sha256": "a" * 64, "path": "/etc/hostname", "width": width}
    with pytest.raises(LostMediumError):
        functions._local_copies(stored, {"picture": [claimed]})


async def test_a_file_that_a_function_made_is_kept_whatever_hash_it_claims(
    stored: AssetStore, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(path)
    made = await functions._with_assets(
        stored, LocalAsset(kind="image", path=path, sha256="1" * 64)
    )
    assert made["path"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


async def test_an_asset_that_a_function_returns_keeps_its_further_fields(
    stored: AssetStore, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(path)
    sha256 = stored.put(path)
    made = await functions._with_assets(
        stored, {"kind": "image", "sha256": sha256, "caption": "A lamp"}
    )
    assert (made["sha256"], made["caption"]) == (sha256, "A lamp")
