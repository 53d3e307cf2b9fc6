"""Python functions as steps: the example of the guide, what can be wrong with one, and files for one."""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from rivya_flows.engine import work
from rivya_flows.errors import LostMediumError
from rivya_flows.steps.function import LocalAsset
from rivya_flows.store.assets import AssetStore
from support.engine_runs import Bomb, Studio
from support.function_steps import HEAD, SPLIT, Installer, install_paid, install_strange, installing
from support.samples import sample

GUIDE = (Path(__file__).parents[2] / "docs" / "reference" / "spec.md").read_text("utf-8")
SECTION = GUIDE[GUIDE.index("## Your own steps in Python") :]
CODE, REGISTERED, EXAMPLE = (
    re.search(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)[1]  # type: ignore[index]  # it is there
    for language in ("python", "toml", "yaml")
)


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
WHY = {
    "slow_coroutine": "it took longer than 0.05 s",
    "slow_thread": "it took longer than 0.05 s",
    "exits": "RuntimeError: SystemExit('bye')",
    "exits_coroutine": "RuntimeError: SystemExit('bye')",
    "gives_up": "it was cancelled from within",
    "cancels_itself": "it was cancelled from within",
}
"""What is said of each function of `SLOW` that fails."""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installer]:
    with installing(tmp_path, monkeypatch) as install:
        yield install


@pytest.fixture
def strange(install: Installer) -> None:
    install_strange(install)


@pytest.fixture
def slow(install: Installer) -> Iterator[None]:
    points = "\n".join(f"{kind} = slow_steps:{kind}" for kind in (*WHY, "sizes"))
    install("slow_steps", SLOW, points)
    yield
    if "slow_steps" in sys.modules:
        sys.modules["slow_steps"].ENDED.set()


def test_the_example_of_the_guide_runs(studio: Studio, install: Installer) -> None:
    found = re.search(r'^(thumbnail = )"(.*)"$', REGISTERED, re.MULTILINE)
    assert found is not None
    install("shop_steps", CODE, found[1] + found[2])
    state = studio.run(HEAD + EXAMPLE)
    assert state.ended == "completed"
    receipt = studio.receipt()
    picture = receipt["outputs"]["picture"]
    assert (picture["kind"], picture["mime_type"]) == ("image", "image/png")
    assert [picture["width"], picture["height"]] == receipt["outputs"]["size"]
    assert receipt["credits"]["spent"] == 1
    assert not list(studio.folder.glob("function-*"))


@pytest.mark.usefixtures("strange")
def test_a_coroutine_is_a_step_and_its_fields_are_known(studio: Studio) -> None:
    assert studio.started(SPLIT)["outputs"] == {"words": ["b-5"]}


@pytest.mark.usefixtures("strange")
def test_what_a_function_raises_fails_its_step(studio: Studio) -> None:
    [item] = studio.started(SPLIT, inputs={"text": "fail"})["steps"][0]["items"]
    assert (item["code"], item["reason"]) == (
        "function",
        "split_words: ValueError: it was asked to fail",
    )


@pytest.mark.usefixtures("strange")
def test_a_computed_value_that_does_not_fit_fails_before_the_call(studio: Studio) -> None:
    text = SPLIT.replace("most: 2", "most: '${{ inputs.text }}'")
    with pytest.raises(Exception, match="most: input should be a valid integer"):
        studio.run(text)


@pytest.mark.usefixtures("slow")
def test_a_function_that_takes_too_long_exits_or_cancels_itself_fails_its_step_alone(
    studio: Studio,
) -> None:
    text = f"{HEAD}steps:\n  still: {{uses: generate, with: {{model: z-image, prompt: a lamp}}}}\n"
    for kind in WHY:
        limit = "timeout: 50ms, " if "slow" in kind else ""
        text += f"  {kind}: {{uses: {kind}, {limit}with: {{text: bye}}}}\n"
    receipt = studio.started(text)
    still, *others = receipt["steps"]
    assert (receipt["status"], still["status"]) == ("failed", "completed")
    for step in others:
        [item] = step["items"]
        assert (item["code"], item["reason"]) == ("function", f"{step['id']}: {WHY[step['id']]}")


@pytest.mark.usefixtures("slow")
def test_files_named_by_address_or_id_are_fetched_for_a_function(studio: Studio) -> None:
    first = studio.started(
        HEAD + "steps:\n  still: {uses: generate, with: {model: z-image, prompt: a lamp}}\n"
        "  up: {uses: upload, with: {file: '${{ steps.still.asset }}'}}\n"
        "outputs: {id: '${{ steps.up.id }}', url: '${{ steps.up.url }}'}\n"
    )
    given = first["outputs"]
    spec = (
        HEAD + "inputs:\n  photo: {type: file, kind: image}\n  more: {type: file, kind: image}\n"
        "steps:\n  sizes:\n    uses: sizes\n"
        "    with: {images: ['${{ inputs.photo }}', '${{ inputs.more }}']}\n"
        "outputs: {words: '${{ steps.sizes.words }}'}\n"
    )
    receipt = studio.started(spec, "run-2", inputs={"photo": given["url"], "more": given["id"]})
    assert receipt["outputs"] == {"words": "image 64 image 64"}


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
        work._with_paths({"picture": [claimed]}, stored.local_path)


async def test_a_file_that_a_function_made_is_kept_whatever_hash_it_claims(
    stored: AssetStore, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(path)
    made = await work._with_assets(stored, LocalAsset(kind="image", path=path, sha256="1" * 64))
    assert made["path"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


async def test_an_asset_that_a_function_returns_keeps_its_further_fields(
    stored: AssetStore, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(path)
    sha256 = stored.put(path)
    made = await work._with_assets(stored, {"kind": "image", "sha256": sha256, "caption": "A lamp"})
    assert (made["sha256"], made["caption"]) == (sha256, "A lamp")


def prints(book: Path, *, motif: str = "a lamp", budget: int = 10, items: str = "1, 2") -> str:
    return (
        HEAD
        + f"budget: {{credits: {budget}}}\nsteps:\n"
        + f"  prints:\n    uses: order_print\n    foreach: [{items}]\n    with: {{motif: {motif}, book: '{book}'}}\n"
        + "outputs:\n  first: ${{ steps.prints.items[0].number }}\n"
    )


def test_a_function_that_costs_credits_stands_in_plan_budget_and_ledger(
    studio: Studio, install: Installer, tmp_path: Path
) -> None:
    install_paid(install)
    text = prints(tmp_path / "book")
    prepared = studio.prepared(text, "run-0")
    assert (prepared.estimate.min, prepared.estimate.max) == (6, 6)
    state = studio.run(text)
    assert (state.ended, state.spent) == ("completed", 6)
    receipt = studio.receipt()
    rows = [(row["route"], row["model"], row["status"], row["final"]) for row in receipt["ledger"]]
    assert rows == [("function", "order_print", "succeeded", 3)] * 2
    assert receipt["outputs"]["first"].startswith("A")
    assert asyncio.run(studio.fork("run-1", "run-3")).estimate.max == 0, "taken as other purchases"
    assert studio.prepared(prints(tmp_path / "b", budget=5), "run-2").estimate.verdict == (
        "over_budget"
    )


def test_stopping_at_any_write_calls_it_again_under_the_same_key(
    studio: Studio, install: Installer, tmp_path: Path
) -> None:
    install_paid(install)

    async def all_places() -> None:
        smooth = Bomb()
        await studio.start(prints(tmp_path / "book", items="1"), "run-smooth")
        await studio.execute("run-smooth", bomb=smooth)
        assert smooth.writes > 5
        calls = set[int]()
        for number in sample(range(smooth.writes, 0, -1), 3):
            for side in (1, -1):
                run_id, book = f"run-{number}-{side}", tmp_path / f"book-{number}-{side}"
                await studio.start(prints(book, items="1"), run_id)
                assert await studio.ends(run_id, bomb=Bomb(write=side * number)) is None
                state = await studio.execute(run_id)
                assert state is not None
                assert (state.ended, state.spent) == ("completed", 3)
                keys = [line.split()[0] for line in book.read_text().splitlines()]
                assert len({*keys}) == 1, f"stopped at write {side * number}"
                calls.add(len(keys))
        assert calls == {1, 2}

    asyncio.run(all_places())


def test_without_an_answer_the_purchase_stays_open_under_its_key(
    studio: Studio, install: Installer, tmp_path: Path
) -> None:
    install_paid(install)
    text = prints(tmp_path / "book", motif="unknown")
    state = studio.run(text)
    assert (state.ended, state.spent) == ("failed", 6)
    studio.executed()
    lines = (tmp_path / "book").read_text().splitlines()
    assert (len(lines), len(set(lines))) == (4, 2)
