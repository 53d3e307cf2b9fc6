"""A table as an input: its media are kept, sent and frozen as those of file inputs, and its rows are items."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.assets import as_asset
from rivya_flows.errors import SpecError
from rivya_flows.preparation.prepare import Market, PlanningStore, RunRequest, prepare
from rivya_flows.preparation.spec_file import SpecFile, with_files
from rivya_flows.store.assets import AssetStore
from support.engine_runs import Studio

pytestmark = pytest.mark.slow

FIELDS = (
    "{key: {type: string}, name: {type: string}, photo: {type: file, kind: image, required: false}}"
)
SPEC = f"""
version: 1
name: ads
budget: {{credits: 30}}
inputs:
  products: {{type: list, of: map, fields: {FIELDS}, default: tables/products.csv}}
  first: {{type: integer, default: 2}}
steps:
  still:
    uses: generate
    foreach: ${{{{ inputs.products }}}}
    as: product
    limit: ${{{{ inputs.first }}}}
    with:
      model: nano-banana-2
      prompt: "${{{{ product.name }}}}, packshot"
      references: ["${{{{ product.photo or none }}}}"]
outputs: {{ads: "${{{{ steps.still.assets }}}}"}}
"""
OUTER = f"""
version: 1
name: outer
inputs:
  products: {{type: list, of: map, fields: {FIELDS}, default: [{{key: a, name: Lamp, photo: red.png}}]}}
steps:
  given: {{uses: include, with: {{spec: parts/ads.yaml, inputs: {{products: "${{{{ inputs.products }}}}"}}}}}}
  own: {{uses: include, with: {{spec: parts/ads.yaml}}}}
  written:
    uses: include
    with: {{spec: parts/ads.yaml, inputs: {{products: [{{key: w, name: Cup, photo: blue.png}}]}}}}
outputs: {{ads: "${{{{ steps.given.outputs.ads }}}}"}}
"""
TABLE = "key,name,photo,x-note\nlamp,Aurora lamp,red.png,oak\ncup,Cup,,\ndesk,Desk,,\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the spec, with a table and its photo in another one."""
    made = tmp_path / "specs"
    (made / "tables").mkdir(parents=True)
    (made / "tables" / "products.csv").write_text(TABLE)
    Image.new("RGB", (64, 64), "red").save(made / "tables" / "red.png")
    return made


def keys(state: Any, step: str = "still") -> list[str]:
    return [*state.steps[step].items]


def test_the_rows_of_a_table_are_bought_with_their_media_and_only_so_many(
    studio: Studio, folder: Path
) -> None:
    state = studio.run(SPEC, folder=folder)
    assert state.ended == "completed"
    assert keys(state) == ["lamp", "cup"]
    assert len(studio.jobs()) == 2
    rows: Any = studio.prepared(SPEC, "run-2", folder=folder).frozen.inputs["products"]
    photo = as_asset(rows[0]["photo"])
    assert photo is not None
    assert photo.kind == "image"
    assert rows[1:] == [{"key": one, "name": one.title(), "photo": None} for one in ("cup", "desk")]


def test_a_fork_with_more_rows_buys_those_that_are_new_without_the_folder(
    studio: Studio, folder: Path
) -> None:
    async def forked() -> tuple[str | None, int]:
        await studio.start(SPEC, "run-1", folder=folder)
        await studio.ends("run-1")
        before = len(studio.jobs())
        shutil.rmtree(folder)
        await studio.fork("run-1", "run-2", inputs={"first": 3})
        return await studio.ends("run-2"), len(studio.jobs()) - before

    assert asyncio.run(forked()) == ("completed", 1)


def frozen_at(spec: SpecFile, store: AssetStore, **inputs: Any) -> Any:
    request = RunRequest(spec, lambda _: inputs, local_files=False)
    return prepare(request, Market(shipped(), "sandbox"), "run-1", PlanningStore(store)).frozen


def test_a_deployed_spec_takes_its_table_and_the_media_of_its_rows_along(
    folder: Path, tmp_path: Path
) -> None:
    store = AssetStore((tmp_path / "assets").as_uri(), tmp_path / "copies")
    spec = SpecFile(SPEC, str(folder / "ads.yaml"), folder)
    sent = with_files(spec, shipped(), store)
    assert sent.includes == {"tables/products.csv": TABLE}
    assert sent.files is not None
    assert [*sent.files] == ["tables/red.png"]
    shutil.rmtree(folder)
    start = frozen_at(sent, store)
    photo = as_asset(start.inputs["products"][0]["photo"])
    assert photo is not None
    assert photo.sha256 == sent.files["tables/red.png"].sha256
    rows = [{"key": "x", "name": "X", "photo": "https://example.com/x.png"}]
    given = frozen_at(sent, store, products=rows).inputs["products"]
    assert given == [{"key": "x", "name": "X", "photo": {"url": "https://example.com/x.png"}}]
    with pytest.raises(SpecError, match="not allowed here"):
        frozen_at(sent, store, products=[{"key": "x", "name": "X", "photo": "/etc/passwd"}])


def test_rows_reach_an_included_spec_given_written_and_as_its_own_table(
    studio: Studio, folder: Path
) -> None:
    parts = folder / "parts"
    (folder / "tables").rename(parts)
    (parts / "tables").mkdir()
    (parts / "products.csv").rename(parts / "tables" / "products.csv")
    (parts / "red.png").rename(parts / "tables" / "red.png")
    for colour in ("red", "blue"):
        Image.new("RGB", (64, 64), colour).save(folder / f"{colour}.png")
    (parts / "ads.yaml").write_text(SPEC)
    state = studio.run(OUTER, folder=folder)
    assert state.ended == "completed"
    assert keys(state, "given__still") == ["a"]
    assert keys(state, "own__still") == ["lamp", "cup"]
    assert keys(state, "written__still") == ["w"]
    frozen = studio.prepared(OUTER, "run-2", folder=folder).frozen
    assert sorted(frozen.files) == ["blue.png", "parts/tables/red.png"]
    assert frozen.includes["parts/tables/products.csv"] == TABLE


LIMITED = """
version: 1
name: limited
inputs:
  n: {type: integer, default: 2}
steps:
  words:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: Name three, expect: {all: [string]}}
  named:
    uses: generate
    foreach: ${{ steps.words.json.all }}
    limit: 1
    with: {model: z-image, prompt: "${{ item }}"}
  stills:
    uses: generate
    matrix: {a: [x, y], b: [1, 2]}
    limit: 3
    with: {model: z-image, prompt: "${{ matrix.a }} ${{ matrix.b }}"}
  again:
    uses: layout
    foreach: ${{ steps.stills.items }}
    limit: ${{ inputs.n }}
    with: {image: "${{ item.asset }}"}
  last:
    uses: layout
    foreach: ${{ steps.again.items }}
    key: k-${{ item.key }}
    limit: 1
    with: {image: "${{ item.asset }}"}
outputs: {named: "${{ steps.named.assets }}", last: "${{ steps.last.assets }}"}
"""


def test_a_limit_takes_the_first_items_of_every_fan_out_and_the_plan_knows_it(
    studio: Studio,
) -> None:
    plan = studio.prepared(LIMITED, "run-0").estimate
    items = {one.id: [(item.price.min, item.price.max) for item in one.items] for one in plan.steps}
    assert items["named"] == [(0, 1)]
    assert items["stills"] == [(1, 1)] * 3
    state = studio.run(LIMITED)
    assert state.ended == "completed"
    assert len(keys(state, "named")) == 1
    assert keys(state, "stills") == ["x, 1", "x, 2", "y, 1"]
    assert keys(state, "again") == ["x, 1", "x, 2"]
    assert keys(state, "last") == ["k-x, 1"]
